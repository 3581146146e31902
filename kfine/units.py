"""Sizes and durations as people write them: `4MB`, `20ms`."""

from __future__ import annotations

import math
import re

from kfine.errors import ConfigError

_BYTES = {"b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_MILLISECONDS = {"": 1, "us": 1e-3, "ms": 1, "s": 1e3}


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


def _parse(value: str | float, units: dict[str, float], name: str, words: str) -> float:
    found = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([A-Za-z]*)\s*", str(value))
    factor = units.get(found[2].lower()) if found else None
    number = float(found[1]) * factor if found and factor else 0.0
    if not number or not math.isfinite(number):
        raise ConfigError(f"{name} must be {words}, more than zero. Received: {value!r}")
    return number
