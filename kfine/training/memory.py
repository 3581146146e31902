"""How much memory there is, and what is freed between the trainings of two models."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Limits of control groups and what is used of them, of version 2 and of version 1.
_CONTAINERS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
    ),
)


@contextmanager
def memory_given_back() -> Iterator[None]:
    """Around the training of one of several models: its memory is free when the next one begins.

    What was there before it is collected on entering. On leaving, TensorFlow is made to forget
    what it registers for ever when it traces: the gradients of `tf.custom_gradient` and the
    functions of `tf.numpy_function`, which hold the graphs and the data of a model that is gone
    (tensorflow/python/ops/custom_gradient.py and script_ops.py).
    """
    collect()
    from tensorflow.python.framework import ops

    gradients = ops.gradient_registry._registry
    graph = ops.get_default_graph()
    others, count = set(gradients), len(_functions_of(graph))
    try:
        yield
    finally:
        for name in set(gradients) - others:
            # Others come with modules that were imported meanwhile.
            if name.startswith("CustomGradient-"):
                del gradients[name]
        del _functions_of(graph)[count:]


def _functions_of(graph: Any) -> list[Any]:
    # Made with the first function.
    functions: list[Any] = getattr(graph, "_py_funcs_used_in_graph", [])
    return functions


def collect() -> None:
    """Collect what nobody uses, and give its memory back to the system.

    Not `keras.backend.clear_session`, which would give a new head names that the layers of a
    backbone in memory have already.
    """
    gc.collect()
    # glibc keeps what was freed in small pieces; elsewhere there is no such function.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)


def free_memory() -> int:
    """Bytes that this process can still take: what the machine, and its container, have left."""
    import psutil

    free = int(psutil.virtual_memory().available)
    for limit, used in _CONTAINERS:
        try:
            most, taken = Path(limit).read_text().strip(), Path(used).read_text().strip()
        except OSError:
            continue
        if most.isdigit():
            # Without a limit there is the word max, or a number larger than any machine has.
            free = min(free, int(most) - int(taken))
    return max(0, free)
