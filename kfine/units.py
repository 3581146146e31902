"""Sizes, durations and prices as people write them: `4MB`, `20ms`, `1h30m`, `2.50/h`."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from kfine.errors import ConfigError

_BYTES = {"b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_MILLISECONDS = {"": 1, "us": 1e-3, "ms": 1, "s": 1e3}
_SECONDS: dict[str, float] = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_PART = re.compile(r"\d*\.?\d+\s*[A-Za-z]*")


_PRICE = re.compile(
    r"\s*(?P<before>[^\d\s./-]*)\s*(?P<number>\d+(\.\d+)?)\s*(?P<behind>[^\d\s./-]*)\s*"
    r"(/\s*(h|hour))?\s*"
)


@dataclass(frozen=True)
class Price:
    """What an hour of a machine costs.

    Attributes:
        per_hour: In any currency.
        before: The currency, where it stands before the number.
        behind: The same where it stands behind it.
    """

    per_hour: float
    before: str = ""
    behind: str = ""

    @classmethod
    def read(cls, value: str | float) -> Price:
        """A price such as `2.50/h`, `2.50`, `€2.50/h` or `2.50 EUR/h`.

        Raises:
            ConfigError: It is none.
        """
        found = _PRICE.fullmatch(str(value))
        if not found:
            raise ConfigError(
                "price must be that of an hour, such as 2.50/h, €2.50/h or 2.50 EUR/h. Received: "
                f"{value!r}"
            )
        return cls(float(found["number"]), found["before"], found["behind"])

    def of(self, seconds: float) -> float:
        """What so many seconds cost."""
        return self.per_hour * seconds / 3600

    def words(self, seconds: float) -> str:
        """The same in words: `€0.42`."""
        cost = self.of(seconds)
        digits = 2 if cost >= 0.1 or not cost else 4
        return f"{self.before}{cost:.{digits}f}{' ' * bool(self.behind)}{self.behind}"

    def __str__(self) -> str:
        return f"{self.before}{self.per_hour:.2f}{' ' * bool(self.behind)}{self.behind}/h"


def parse_bytes(value: str | float, name: str = "max_size") -> int:
    """Bytes of `4MB` (decimal) or `4MiB` (binary).

    Raises:
        ConfigError: It is no positive size, or has no unit: 4 may be bytes or megabytes.
    """
    return round(_parse(value, _BYTES, name, "a size with its unit, such as 4MB or 500kB"))


def parse_milliseconds(value: str | float, name: str = "max_latency") -> float:
    """Milliseconds of `20ms`, `0.02s`, or a plain number.

    Raises:
        ConfigError: It is no positive duration.
    """
    return _parse(value, _MILLISECONDS, name, "a duration such as 20ms")


def parse_seconds(value: str | float, name: str = "time") -> float:
    """Seconds of `90s`, `20m`, `1h30m`, or a plain number.

    Raises:
        ConfigError: It is no positive duration, or of more than thirty years.
    """
    words = "a duration such as 90s, 20m or 1h30m"
    text = str(value)
    parts = [part.strip() for part in _PART.findall(text)]
    # 1h30 may be minutes or seconds.
    unclear = len(parts) > 1 and any(part[-1].isdigit() for part in parts)
    if not parts or unclear or "".join("".join(parts).split()) != "".join(text.split()):
        parts = [text]
    seconds = sum(_parse(part, _SECONDS, name, words, value) for part in parts)
    if seconds >= 1e9:
        raise ConfigError(f"{name} must be under thirty years. Received: {value!r}")
    return seconds


def _parse(
    value: str | float, units: dict[str, float], name: str, words: str, whole: object = None
) -> float:
    found = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([A-Za-z]*)\s*", str(value))
    factor = units.get(found[2].lower()) if found else None
    number = float(found[1]) * factor if found and factor else 0.0
    if not number or not math.isfinite(number):
        raise ConfigError(f"{name} must be {words}, more than zero. Received: {whole or value!r}")
    return number
