"""How a search is to go: what is asked for, checked at once, and what is kept to go on with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from kfine.errors import ConfigError
from kfine.tuning.ranges import Range, read_fixed, read_searches
from kfine.units import parse_bytes, parse_milliseconds, parse_seconds

ORACLES = ("bayesian", "hyperband", "random", "grid")
QUANTIZE = ("none", "float16", "dynamic", "int8")
FOOTPRINT = {"size": "min", "latency": "min"}
USUAL_TRIALS = 12
# What may be another one when a search goes on.
AGAIN = ("trials", "time", "then_fit", "seeds", "workers", "chief")


@dataclass(frozen=True)
class SearchSettings:
    """How `kfine.tune` searches.

    Attributes:
        trials: How many to run at most; 12 if neither trials nor time are given.
        time: How long to search at most, such as `"20m"`; the trial under way ends with its epoch.
        oracle: `"bayesian"`, `"hyperband"`, `"random"` or `"grid"`.
        objective: What to optimize, such as `"val_accuracy"`; of several, which may be `"size"` and
            `"latency"` too, the first one leads. The recipe's primary metric on the validation
            split if omitted.
        search: Ranges such as `"learning_rate=1e-5..1e-3"` or `"dropout=0,0.2,0.5"`, or a mapping
            from settings to such texts or lists; they replace or add to those of the recipe.
        fix: Settings to hold, such as `"epochs=4"`, or a mapping.
        only: Settings of the recipe's search space that vary; all if omitted.
        keep: How many of the best trials keep their weights on disk.
        prune: End trials early that fall behind the median.
        max_size: Largest exported file, such as `"4MB"`; a trial that would be larger is refused
            before it is trained.
        max_latency: Longest time of one example in the exported file on this machine, such as
            `"15ms"`; a number is milliseconds.
        quantize: How the export is quantized that both are measured on.
        folds: Runs of each trial, one for each fold of the training and validation examples; its
            scores are the means. 0 for one run on the validation split.
        groups: Column of a manifest whose equal examples are never divided into two folds.
        then_fit: At the end fit the best config and the defaults again and compare them on the
            test split, which nothing has seen before.
        seeds: How many fits of each that takes.
        workers: Processes on this machine that run the trials; 0 runs them in this one.
        chief: Address such as `"192.168.1.7:8123"` to listen on for workers of other machines,
            which see the folder of the search too.

    Raises:
        ConfigError: A value cannot be used, or two contradict each other.
    """

    trials: int | None = None
    time: str | float | None = None
    oracle: str = "bayesian"
    objective: str | Sequence[str] | None = None
    search: Sequence[str] | Mapping[str, Any] = ()
    fix: Sequence[str] | Mapping[str, Any] = ()
    only: Sequence[str] = ()
    keep: int = 3
    prune: bool = True
    max_size: str | None = None
    max_latency: str | float | None = None
    quantize: str = "float16"
    folds: int = 0
    groups: str | None = None
    then_fit: bool = False
    seeds: int = 1
    workers: int = 0
    chief: str | None = None

    def __post_init__(self) -> None:
        _check_word("oracle", self.oracle, ORACLES)
        _check_word("quantize", self.quantize, QUANTIZE)
        for name, least in (("trials", 1), ("keep", 1), ("seeds", 1), ("folds", 0), ("workers", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ConfigError(f"{name} must be at least {least}. Received: {value!r}")
        if self.folds == 1:
            raise ConfigError("folds must be 2 or more, or 0 for none. Received: 1")
        if self.folds and self.oracle == "hyperband":
            raise ConfigError(
                "Hyperband stops and continues single runs, not folds; choose another oracle."
            )
        if self.groups and not self.folds:
            raise ConfigError("groups say how folds are made: give folds too.")
        for name in self.objectives:
            if name.split(":")[0] not in FOOTPRINT and not name.startswith("val_"):
                raise ConfigError(
                    "objective must be size, latency or a metric on the validation split, such as "
                    f"val_loss or val_accuracy. Received: {name!r}"
                )
        # Read for their errors.
        _ = self.seconds, self.most_bytes, self.most_milliseconds

    @property
    def objectives(self) -> tuple[str, ...]:
        """Names of what is optimized; none for what the recipe's answer is watched by."""
        names = [self.objective] if isinstance(self.objective, str) else self.objective or ()
        return tuple(part.strip() for name in names for part in name.split(",") if part.strip())

    @property
    def seconds(self) -> float | None:
        """The time in seconds."""
        return None if self.time is None else parse_seconds(self.time)

    @property
    def most_bytes(self) -> int | None:
        """The largest size in bytes."""
        return None if self.max_size is None else parse_bytes(self.max_size)

    @property
    def most_milliseconds(self) -> float | None:
        """The longest latency in milliseconds."""
        return None if self.max_latency is None else parse_milliseconds(self.max_latency)

    @property
    def final_seeds(self) -> int:
        """Fits of the best config and of the defaults at the end."""
        return self.seeds * self.then_fit

    def held(self, config: type) -> dict[str, Any]:
        """The settings of a recipe's `Config` that `fix` holds."""
        return read_fixed(config, self.fix)

    def plan(self, config: type, held: Mapping[str, Any]) -> Plan:
        """What is kept of it for a recipe.

        Args:
            config: The recipe's `Config`.
            held: Its settings that do not vary.

        Raises:
            ConfigError: A range does not fit a setting.
        """
        trials = self.trials
        if trials is None and self.time is None and self.oracle not in ("hyperband", "grid"):
            trials = USUAL_TRIALS
        return Plan(
            trials=trials,
            seconds=self.seconds,
            oracle=self.oracle,
            objectives=self.objectives,
            searched=read_searches(config, self.search),
            fixed=tuple(sorted(held)),
            only=tuple(self.only),
            keep=self.keep,
            prune=self.prune,
            max_size=None if self.most_bytes is None else self.most_bytes / 1e6,
            max_latency=self.most_milliseconds,
            quantize=self.quantize,
            folds=self.folds,
            groups=self.groups,
        )

    def check_resuming(self) -> None:
        """Refuse what a search that goes on has already.

        Raises:
            ConfigError: Names it.
        """
        usual = SearchSettings()
        other = [
            one.name
            for one in fields(self)
            if one.name not in AGAIN and getattr(self, one.name) != getattr(usual, one.name)
        ]
        if other:
            raise ConfigError(
                f"A search that goes on takes {', '.join(AGAIN)} only; the rest is its own. "
                f"Received: {', '.join(other)}"
            )


def _check_word(name: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise ConfigError(f"{name} must be one of {', '.join(allowed)}. Received: {value!r}")


@dataclass(frozen=True)
class Plan:
    """What a search goes by, kept in its `search.json`.

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
