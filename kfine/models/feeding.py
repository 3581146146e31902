"""Inputs of a model that come from the targets: what was said so far, while it learns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kfine.keras_private import inputs_of

# Input name -> in a graph, from target rows as they are stored to that input.
Fed = Mapping[str, Callable[[Any], Any]]
# What a model is given and target rows -> all that it takes.
Feed = Callable[[Any, Any], Any]


def feed_of_model(model: Any, fed: Fed) -> Feed | None:
    """What completes the inputs of a model, whose others are one; `None` where it has all."""
    if not fed:
        return None
    own = _own_name(inputs_of(model), fed)

    def feed(inputs: Any, targets: Any) -> Any:
        return {own: inputs, **{name: value(targets) for name, value in fed.items()}}

    return feed


def feed_of_suffix(fed: Fed) -> Feed | None:
    """The same of a model that was cut: its features come first, in a tuple."""
    if not fed:
        return None

    def feed(features: Any, targets: Any) -> Any:
        return behind(features, [value(targets) for value in fed.values()])

    return feed


def own_inputs(structure: Any, fed: Fed) -> Any:
    """The inputs of a model, or what it is given, without those that come from targets."""
    if not fed:
        return structure
    return structure[_own_name(structure, fed)]


def behind(features: Any, told: Sequence[Any]) -> Any:
    """What a suffix takes: its features, and behind them what comes from the targets."""
    return (*(features if isinstance(features, tuple) else (features,)), *told)


def _own_name(structure: Any, fed: Fed) -> str:
    (own,) = set(structure) - set(fed)
    return str(own)
