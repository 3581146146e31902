"""What is freed between the trainings of two models in one process."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def memory_given_back() -> Iterator[None]:
    """Around the training of one of several models: its memory is free when the next one begins.

    What was there before it is collected on entering. On leaving, TensorFlow is made to forget
    what it registers for ever when it traces: the gradients of `tf.custom_gradient` and the
    functions of `tf.numpy_function`, which hold the graphs and the data of a model that is gone
    (tensorflow/python/ops/custom_gradient.py and script_ops.py).
    """
    _collect()
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


def _collect() -> None:
    """Collect what nobody uses, and give its memory back to the system.

    Not `keras.backend.clear_session`, which would give a new head names that the layers of a
    backbone in memory have already.
    """
    gc.collect()
    # glibc keeps what was freed in small pieces; elsewhere there is no such function.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)
