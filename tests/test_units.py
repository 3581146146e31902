"""Durations of several parts; sizes and short durations are in tests/exporting/test_limits.py."""

from __future__ import annotations

import pytest

from kfine.errors import ConfigError
from kfine.units import Price, parse_seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("20m", 1200),
        ("1h30m", 5400),
        ("1 h 30 m", 5400),
        ("1.5H", 5400),
        ("2d", 172_800),
        ("45", 45),
        (0.5, 0.5),
        (7, 7),
    ],
)
def test_seconds_are_read(text: str | float, seconds: float) -> None:
    assert parse_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "soon", "0", "-5m", "1h30", "30 1h", "1h-30m", "5 weeks", "1..5h", "nan", "inf"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    message = "time must be a duration such as 90s, 20m or 1h30m, more than zero. Received: "
    with pytest.raises(ConfigError) as refused:
        parse_seconds(text)
    assert str(refused.value) == f"{message}{text!r}"


def test_a_duration_of_more_than_thirty_years_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"under thirty years. Received: '20000d'"):
        parse_seconds("20000d")


@pytest.mark.parametrize(
    ("text", "price", "of_half_an_hour"),
    [
        ("2.50/h", "2.50/h", "1.25"),
        (2.5, "2.50/h", "1.25"),
        ("€2.50/h", "€2.50/h", "€1.25"),
        ("2.50 EUR / hour", "2.50 EUR/h", "1.25 EUR"),
        ("$0.1", "$0.10/h", "$0.0500"),
        ("0", "0.00/h", "0.00"),
    ],
)
def test_a_price_is_that_of_an_hour(text: str | float, price: str, of_half_an_hour: str) -> None:
    found = Price.read(text)
    assert str(found) == price
    assert Price.read(price) == found
    assert found.words(1800) == of_half_an_hour


@pytest.mark.parametrize("text", ["", "cheap", "-2/h", "2.50/day", "2,50/h", "1 2", "EUR"])
def test_what_is_no_price_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"price must be that of an hour, such as 2\.50/h"):
        Price.read(text)
