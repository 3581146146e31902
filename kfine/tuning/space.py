"""What varies: a recipe's search space, narrowed by the user, as KerasTuner sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from kfine.errors import ConfigError
from kfine.recipe import Recipe
from kfine.tuning.ranges import Range, find_setting, inside, number_range


class Space:
    """The search space of a recipe and a base config.

    Args:
        module: A recipe with `search_space`.
        base: Its config as the user gave it, automatic choices not made yet.
        searched: Ranges that replace or add to those of the recipe.
        fixed: Names of settings that do not vary.
        only: Names of the settings that may vary; empty for all.

    Raises:
        ConfigError: The recipe or the user names what is no setting, a range is impossible, or
            nothing varies.
    """

    def __init__(
        self,
        module: Recipe,
        base: Any,
        searched: Mapping[str, Range],
        fixed: set[str],
        only: set[str] | None = None,
    ) -> None:
        self.module = module
        self.resolved = module.resolve(base)
        self.base = _with_absolute_paths(base, self.resolved)
        self.searched = dict(searched)
        self.only = set(only or ())
        self.fixed = set(fixed)
        both = sorted(self.fixed & set(self.searched))
        if both:
            raise ConfigError(f"{both[0]} cannot be searched and held at once; choose one of them.")

    def hyperparameters(self) -> Any:
        """KerasTuner's `HyperParameters` with everything that varies, at its defaults.

        Raises:
            ConfigError: As of the class.
        """
        import keras_tuner

        hp = keras_tuner.HyperParameters()
        self._apply(hp)
        if not varying(hp):
            raise ConfigError(
                "Nothing varies: every setting of the search space is held; free one, or add "
                "--search NAME=LOW..HIGH."
            )
        return hp

    def config(self, values: Mapping[str, Any]) -> Any:
        """The resolved config of a trial.

        Args:
            values: Hyperparameter values by name; what is missing has its default.

        Raises:
            KfineError: The values do not go together.
        """
        import keras_tuner

        hp = keras_tuner.HyperParameters()
        hp.values = {k: v for k, v in values.items() if not k.startswith("tuner/")}
        return self.module.resolve(self._apply(hp))

    def _apply(self, hp: Any) -> Any:
        """Declare everything in `hp` and return the unresolved config with its values."""
        declared = Declared(hp, self)
        search_space = getattr(self.module, "search_space", lambda hp, config: config)
        returned = search_space(declared, self.resolved)
        extra = {
            name: declared.search(range_)
            for name, range_ in self.searched.items()
            if name not in declared.asked
        }
        names = [one.name for one in fields(self.base)]
        changed = {
            name: getattr(returned, name)
            for name in names
            if getattr(returned, name) != getattr(self.resolved, name) or name in declared.varied
        }
        # On the unresolved config: what was chosen for the default preset is chosen anew.
        return replace(self.base, **{**changed, **extra})


def _with_absolute_paths(base: Any, resolved: Any) -> Any:
    """A base config that means the same in any folder."""
    pairs = {one.name: getattr(resolved, one.name) for one in fields(base)}
    paths = {
        name: value
        for name, value in pairs.items()
        if isinstance(getattr(base, name), str)
        and isinstance(value, str)
        and Path(value).is_absolute()
    }
    return replace(base, **paths)


class Declared:
    """What a recipe's `search_space` sees as `hp`: KerasTuner's methods, narrowed by the user.

    The default of each hyperparameter is the value in the config, so that the first trial is what
    `fit` would do. A setting that is held gives its value and does not vary.
    """

    def __init__(self, hp: Any, space: Space) -> None:
        self._hp = hp
        self._space = space
        self.asked: set[str] = set()
        self.varied: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._hp, name)

    def Float(self, name: str, min_value: float, max_value: float, **options: Any) -> Any:
        """As `keras_tuner.HyperParameters.Float`, of a setting."""
        return self._number(name, min_value, max_value, options)

    def Int(self, name: str, min_value: int, max_value: int, **options: Any) -> Any:
        """As `keras_tuner.HyperParameters.Int`, of a setting."""
        return self._number(name, min_value, max_value, options)

    def Choice(self, name: str, values: Any, **options: Any) -> Any:
        """As `keras_tuner.HyperParameters.Choice`, of a setting."""
        find_setting(type(self._space.base), name)
        return self._declare(Range(name, choices=tuple(values)))

    def Boolean(self, name: str, **options: Any) -> Any:
        """As `keras_tuner.HyperParameters.Boolean`, of a setting."""
        return self.Choice(name, (False, True))

    def search(self, range_: Range) -> Any:
        """Declare a range that the recipe does not."""
        return self._declare(range_)

    def _number(self, name: str, low: Any, high: Any, options: dict[str, Any]) -> Any:
        one = find_setting(type(self._space.base), name)
        log = options.get("sampling", "linear") == "log"
        return self._declare(number_range(one, low, high, step=options.get("step"), log=log))

    def _declare(self, range_: Range) -> Any:
        space, name = self._space, range_.name
        self.asked.add(name)
        current = getattr(space.resolved, name)
        held = name in space.fixed or (
            space.only and name not in space.only and name not in space.searched
        )
        if held:
            if current is not None:
                # Registered all the same: another hyperparameter may depend on it.
                self._hp.Fixed(name, current)
            return current
        self.varied.add(name)
        range_ = space.searched.get(name, range_)
        default = inside(range_, current)
        if range_.choices is not None:
            ordered = all(
                isinstance(one, (int, float)) and not isinstance(one, bool)
                for one in range_.choices
            )
            values = list(range_.choices)
            chosen = self._hp.Choice(name, values, ordered=ordered, default=default)
            return current if chosen is None else chosen
        kind = self._hp.Int if isinstance(range_.low, int) else self._hp.Float
        sampling = "log" if range_.log else "linear"
        step, high = None if range_.log else range_.step, range_.high
        if step and isinstance(high, float):
            # KerasTuner counts steps rounding down: 0 to 0.5 by 0.1 would end at 0.4.
            high += 1e-6 * step
        chosen = kind(name, range_.low, high, step=step, sampling=sampling, default=default)
        # None where the condition of a conditional scope does not hold.
        return current if chosen is None else _readable(chosen)


def _readable(value: Any) -> Any:
    """A number that a person can read in a YAML file: six digits decide nothing."""
    return float(f"{value:.6g}") if isinstance(value, float) else value


def varying(hp: Any) -> list[Any]:
    """The hyperparameters that can have more than one value."""
    return [one for one in hp.space if type(one).__name__ != "Fixed"]
