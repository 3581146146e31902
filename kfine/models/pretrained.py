"""Pretrained backbones that are read once and then come from memory, for many models in a row."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kfine.errors import PresetError
from kfine.keras_private import call_counts, flattened, forget_calls
from kfine.presets import Preset, check_network

if TYPE_CHECKING:
    import numpy as np

_kept: dict[tuple[str, str], _Kept] | None = None


@dataclass
class _Kept:
    """A backbone with the weights that it came with.

    Attributes:
        backbone: Its layers, which the models that follow share; one at a time is in use.
        weights: Pretrained, a copy.
        head: Class, settings and preprocessor of the task around it.
        before: State of Python's random numbers before the backbone was built.
        after: The same afterwards, when the head begins to draw.
        calls: Each layer with the numbers of its calls and of those that follow on them, before
            any model was built around it.
    """

    backbone: Any
    weights: list[np.ndarray]
    head: tuple[Any, dict[str, Any], Any]
    before: Any
    after: Any
    calls: list[tuple[Any, int, int]]


@contextmanager
def pretrained_in_memory() -> Iterator[None]:
    """Within it, `from_preset` reads and builds the backbone of each preset once.

    Each model that follows gets it with its pretrained weights restored and a new head, equal to
    the ones that it would get from the file. The model before is not to be used any more.
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
    if _kept is None:
        return task_class.from_preset(handle, **options)
    key = (task_class.__name__, handle)
    kept = _kept.get(key)
    before = random.getstate()
    if kept is not None and _fits(kept):
        try:
            return _around(kept, options)
        except (TypeError, ValueError):  # a task that is not made from its own settings
            random.setstate(before)
    task = task_class.from_preset(handle, **options)
    if getattr(task, "backbone", None) is not None:
        _kept[key] = _keep(task, handle, before)
    return task


def load_task(task_class: Any, preset: Preset, **options: Any) -> Any:
    """Load a KerasHub task with a new head.

    Args:
        task_class: A KerasHub task class, such as `keras_hub.models.ImageClassifier`.
        preset: The preset.
        **options: For `from_preset`, such as `num_classes`.

    Raises:
        PresetError: It is unknown, made for another task, or damaged.
    """
    check_network(preset, task_class.__name__)
    try:
        return from_preset(task_class, preset.handle, **options)
    except (ValueError, OSError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise PresetError(
            f"The preset {preset.name!r} does not load as {task_class.__name__}: {reason}"
        ) from error


def _fits(kept: _Kept) -> bool:
    """Whether the seed is the one that the backbone was built with, and nobody added to it."""
    shapes = [tuple(weight.shape) for weight in kept.backbone.weights]
    return kept.before == random.getstate() and shapes == [one.shape for one in kept.weights]


def _keep(task: Any, handle: str, before: Any) -> _Kept:
    end = random.getstate()
    # Built once more, only to see how far the random numbers are when the head begins.
    random.setstate(before)
    type(task.backbone).from_preset(handle, load_weights=False)
    after = random.getstate()
    random.setstate(end)
    settings = task.get_config()
    names = set(settings) - {"backbone", "preprocessor", "name", "trainable", "dtype"}
    head = (type(task), {name: settings[name] for name in names}, task.preprocessor)
    weights = task.backbone.get_weights()
    return _Kept(task.backbone, weights, head, before, after, _calls(task.backbone))


def _around(kept: _Kept, options: dict[str, Any]) -> Any:
    """A new task around a backbone that is as it was loaded."""
    import numpy as np

    random.setstate(kept.after)
    for variable, weight in zip(kept.backbone.weights, kept.weights, strict=True):
        # Most of them never trained, and comparing takes half the time of assigning.
        if not np.array_equal(variable.numpy(), weight):
            variable.assign(weight)
    for layer, inbound, outbound in kept.calls:
        # Otherwise the models that are gone would be held by the layers that they shared.
        forget_calls(layer, (inbound, outbound))
    kind, settings, preprocessor = kept.head
    return kind(**{**settings, **options}, backbone=kept.backbone, preprocessor=preprocessor)


def _calls(backbone: Any) -> list[tuple[Any, int, int]]:
    layers = flattened(backbone)
    return [(one, *call_counts(one)) for one in layers]
