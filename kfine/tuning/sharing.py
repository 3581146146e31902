"""What trials share: data that is read once."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Callable
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
