"""What trials share: data that is read once, and what is freed between two of them."""

from __future__ import annotations

import ctypes
import dataclasses
import gc
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


def watched(config: Any) -> tuple[Any, set[str]]:
    """A copy of a config that notes which of its fields are read.

    Returns:
        The copy, of a subclass of the config's class, and the set that fills with names.
    """
    names = {one.name for one in dataclasses.fields(config)}
    read: set[str] = set()

    def look(self: Any, name: str) -> Any:
        if name in names:
            read.add(name)
        return object.__getattribute__(self, name)

    kind = type(type(config).__name__, (type(config),), {"__getattribute__": look})
    copy: Any = object.__new__(kind)
    copy.__dict__.update(vars(config))
    return copy, read


class Remembered:
    """Remembers what a function of a config returned, by the fields that it reads.

    Args:
        function: Of a config.
        room: How many results stay in memory; the least recently used one leaves.
    """

    def __init__(self, function: Callable[[Any], Any], room: int) -> None:
        self._function = function
        self._room = room
        self._results: OrderedDict[tuple[tuple[str, Any], ...], Any] = OrderedDict()

    def __call__(self, config: Any) -> Any:
        """The result for a config."""
        for key in self._results:
            if all(getattr(config, name) == value for name, value in key):
                self._results.move_to_end(key)
                return self._results[key]
        while len(self._results) >= self._room:
            # Before the next is made: two sets of images at once may not fit.
            self._results.popitem(last=False)
        copy, read = watched(config)
        result = self._function(copy)
        self._results[tuple((name, getattr(config, name)) for name in sorted(read))] = result
        return result


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
