"""What a search was asked to do: checked at once, and kept so that it can go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from kfine.errors import ConfigError
from kfine.tuning.ranges import Range

ORACLES = ("bayesian", "hyperband", "random", "grid")
QUANTIZE = ("none", "float16", "dynamic", "int8")
FOOTPRINT = {"size": "min", "latency": "min"}
USUAL_TRIALS = 12


@dataclass(frozen=True)
class Plan:
    """The settings of a search, apart from those of its trials.

    Attributes:
        trials: At most so many, or `None`.
        seconds: At most so long, or `None`.
        oracle: Who chooses the values: one of `ORACLES`.
        objectives: What is optimized, such as `val_accuracy`; the first one leads the search.
        searched: Ranges that replace or add to those of the recipe.
        fixed: Settings that do not vary.
        only: Settings that may vary; empty for all.
        keep: How many trials keep their weights on disk.
        prune: Whether trials behind the median end early.
        max_size: Largest exported file in MB, or `None`.
        max_latency: Longest time of an example on this machine in milliseconds, or `None`.
        quantize: How the export is quantized of which both are measured.
        folds: Runs of each trial, whose scores are averaged; 0 for one run on the given split.
        groups: Column of a manifest whose equal examples are never divided into two folds.
    """

    trials: int | None
    seconds: float | None
    oracle: str
    objectives: tuple[str, ...]
    searched: dict[str, Range]
    fixed: tuple[str, ...]
    only: tuple[str, ...]
    keep: int
    prune: bool
    max_size: float | None = None
    max_latency: float | None = None
    quantize: str = "float16"
    folds: int = 0
    groups: str | None = None

    def __post_init__(self) -> None:
        if self.oracle not in ORACLES:
            raise ConfigError(
                f"oracle must be one of {', '.join(ORACLES)}. Received: {self.oracle!r}"
            )
        if self.folds and self.oracle == "hyperband":
            raise ConfigError(
                "Hyperband stops and continues single runs, not folds; choose another oracle."
            )
        if self.groups and not self.folds:
            raise ConfigError("groups say how folds are made: give folds too.")
        if self.quantize not in QUANTIZE:
            raise ConfigError(
                f"quantize must be one of {', '.join(QUANTIZE)}. Received: {self.quantize!r}"
            )
        if self.trials is not None and self.trials < 1:
            raise ConfigError(f"A search needs one trial or more. Received: {self.trials}")
        if self.keep < 1:
            raise ConfigError(f"keep must be at least 1 trial. Received: {self.keep}")

    @property
    def measures_footprint(self) -> bool:
        """Whether trials are converted before they are trained."""
        limited = self.max_size is not None or self.max_latency is not None
        return limited or any(one.split(":")[0] in FOOTPRINT for one in self.objectives)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able copy."""
        searched = {name: range_.to_dict() for name, range_ in self.searched.items()}
        return {**asdict(self), "searched": searched}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Plan:
        """Read what `to_dict` wrote."""
        known = {one.name: values[one.name] for one in fields(cls) if one.name in values}
        for name in ("objectives", "fixed", "only"):
            known[name] = tuple(known[name])
        searched = known["searched"].items()
        return cls(**{**known, "searched": {k: Range.from_dict(v) for k, v in searched}})


def check_objective(text: str, reported: Mapping[str, str]) -> tuple[str, str]:
    """Name and direction of an objective.

    Args:
        text: Such as `val_accuracy`, or `val_distance:min` where the direction is not known.
        reported: What a trial reports, each with its direction, or "" where that is unknown.

    Raises:
        ConfigError: It is not reported; lists what is. Or its direction is not known.
    """
    name, colon, direction = text.partition(":")
    if name not in reported:
        raise ConfigError(
            f"A trial does not report {name!r}; it reports: {', '.join(sorted(reported))}."
        )
    direction = direction if colon else reported[name]
    if direction not in ("min", "max"):
        raise ConfigError(
            f"Say whether {name} is to be minimized or maximized: {name}:min or {name}:max."
        )
    return name, direction
