"""Pretrained weights that are read once and then come from memory, for many models in a row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

_kept: dict[tuple[str, str], list[np.ndarray]] | None = None


@contextmanager
def pretrained_in_memory() -> Iterator[None]:
    """Within it, `from_preset` reads the weights of each preset once.

    Later models are built anew and get a copy of them, so that none trains through another.
    """
    global _kept
    before, _kept = _kept, {} if _kept is None else _kept
    try:
        yield
    finally:
        _kept = before


def from_preset(task_class: Any, handle: str, **options: Any) -> Any:
    """As KerasHub's `task_class.from_preset`: the pretrained backbone and a new head.

    Args:
        task_class: A KerasHub task class.
        handle: What its `from_preset` takes.
        **options: For `from_preset`, such as `num_classes`.
    """
    key = (task_class.__name__, handle)
    if _kept is not None and key in _kept:
        # The random draws are the same with and without the file: so is the new head.
        task = task_class.from_preset(handle, load_weights=False, **options)
        task.backbone.set_weights(_kept[key])
        return task
    task = task_class.from_preset(handle, **options)
    if _kept is not None and getattr(task, "backbone", None) is not None:
        _kept[key] = task.backbone.get_weights()
    return task
