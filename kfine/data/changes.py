"""Changes that examples may meet outside: what a model is tried on beside its test split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

# Called with an example, a value of `Change.values`, and a source of chance.
Apply = Callable[[Any, float, np.random.Generator], Any]


@dataclass(frozen=True)
class Change:
    """One kind of change, in steps of strength.

    Attributes:
        name: Such as "noise".
        values: How strong it is in each step, the weakest first.
        unit: Of the values, for people.
        apply: Gives a changed copy.
        moves: Whether what is in the example is elsewhere afterwards.
    """

    name: str
    values: tuple[float, ...]
    unit: str
    apply: Apply
    moves: bool = False
