"""The words of `--search` and `--fix`: ranges and choices of settings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kfine.config import Setting, check_value, nearest, settings_of
from kfine.errors import ConfigError

_WANTED = (
    "wanted NAME=LOW..HIGH, such as learning_rate=1e-5..1e-3, or NAME=A,B,C "
    "(A|B where a value holds a comma)"
)


@dataclass(frozen=True)
class Range:
    """What one setting may be.

    Attributes:
        name: The setting.
        choices: The only values, or `None` for everything from `low` to `high`.
        low: Smallest value.
        high: Largest value.
        step: Distance of the values, or `None` for any value between.
        log: Whether orders of magnitude are equally likely, rather than values.
    """

    name: str
    choices: tuple[Any, ...] | None = None
    low: Any = None
    high: Any = None
    step: Any = None
    log: bool = False

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able copy."""
        return {**vars(self), "choices": list(self.choices) if self.choices else None}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Range:
        """Read what `to_dict` wrote."""
        choices = values["choices"]
        return cls(**{**values, "choices": tuple(choices) if choices else None})


def find_setting(config_class: type, name: str) -> Setting:
    """A setting by name, written with `-` or `_`.

    Raises:
        ConfigError: There is none; gives the nearest.
    """
    known = {one.name: one for one in settings_of(config_class)}
    plain = name.strip().replace("-", "_")
    if plain not in known:
        raise ConfigError(f"There is no setting {name!r} to search; {nearest(plain, known)}.")
    return known[plain]


def read_searches(
    config_class: type, searches: Sequence[str] | Mapping[str, Any]
) -> dict[str, Range]:
    """Ranges by setting.

    Args:
        config_class: Whose settings they are.
        searches: Texts such as `learning_rate=1e-5..1e-3` or `dropout=0,0.2,0.5`, or a mapping
            from the setting to such a text or a list of values.

    Raises:
        ConfigError: An unknown setting, ends the wrong way round, or an impossible value.
    """
    if isinstance(searches, Mapping):
        pairs = list(searches.items())
    else:
        pairs = []
        for text in searches:
            name, equals, wanted = text.partition("=")
            if not equals or not wanted.strip():
                raise ConfigError(f"Cannot read the search {text!r}; {_WANTED}.")
            pairs.append((name, wanted.strip()))
    ranges = {}
    for name, wanted in pairs:
        one = find_setting(config_class, name)
        ranges[one.name] = _read(one, wanted)
    return ranges


def _read(one: Setting, wanted: Any) -> Range:
    # With a comma or a bar it is a list, such as of presets, ../a,../b.
    if isinstance(wanted, str) and ".." in wanted and not set(wanted) & set(",|"):
        low, _, high = wanted.partition("..")
        return number_range(one, low, high)
    if isinstance(wanted, str):
        wanted = [part.strip() for part in wanted.split("|" if "|" in wanted else ",")]
    elif not isinstance(wanted, Sequence):
        raise ConfigError(f"Cannot read the search of {one.name}: {wanted!r}; {_WANTED}.")
    values = tuple(dict.fromkeys(check_value(one, value) for value in wanted))
    if len(values) < 2:
        raise ConfigError(
            f"A search of {one.name} needs two values or more; hold it with "
            f"--fix {one.name}={values[0] if values else ''}."
        )
    return Range(one.name, choices=values)


def number_range(
    one: Setting, low: Any, high: Any, *, step: Any = None, log: bool | None = None
) -> Range:
    """A range of a number, its ends checked.

    Args:
        one: The setting.
        low: Smallest value.
        high: Largest value.
        step: Distance of the values.
        log: Whether to search orders of magnitude; by default from a factor of twenty on.

    Raises:
        ConfigError: The setting is no number, or the ends are impossible or the wrong way round.
    """
    if one.kind not in (int, float):
        known = f": {', '.join(one.choices)}" if one.choices else ""
        raise ConfigError(
            f"{one.name} is no number, so it has no range {low}..{high}; give its values, "
            f"separated by commas{known}."
        )
    low, high = check_value(one, str(low).strip()), check_value(one, str(high).strip())
    if low >= high:
        raise ConfigError(
            f"The range of {one.name} must go from the smaller to the larger value. "
            f"Received: {low}..{high}"
        )
    if log is None:
        log = low > 0 and high / low >= 20
    if log and low <= 0:
        raise ConfigError(f"The range of {one.name} is logarithmic and cannot begin at {low}.")
    return Range(one.name, low=low, high=high, step=step, log=log)


def read_fixed(config_class: type, fixed: Sequence[str] | Mapping[str, Any]) -> dict[str, Any]:
    """Settings that are held, with their values; `NAME` alone (or `None`) holds the default.

    Raises:
        ConfigError: An unknown setting or an impossible value.
    """
    pairs: list[tuple[str, Any]]
    if isinstance(fixed, Mapping):
        pairs = list(fixed.items())
    else:
        parts = [text.partition("=") for text in fixed]
        pairs = [(name, value if equals else None) for name, equals, value in parts]
    found = {}
    for name, value in pairs:
        one = find_setting(config_class, name)
        found[one.name] = None if value is None else check_value(one, value)
    return found


def inside(range_: Range, value: Any) -> Any:
    """The value of a range that is nearest to `value`."""
    if range_.choices is not None:
        return value if value in range_.choices else range_.choices[0]
    if not isinstance(value, (int, float)):
        return range_.low
    clipped = min(max(value, range_.low), range_.high)
    if range_.step:
        steps = math.floor((clipped - range_.low) / range_.step + 0.5)
        clipped = range_.low + steps * range_.step
        return round(clipped, 12) if clipped <= range_.high else range_.low
    return clipped
