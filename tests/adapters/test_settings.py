"""The settings of adapters, checked before anything is loaded."""

from __future__ import annotations

from typing import Any

import pytest

from kfine.adapters.options import AdapterOptions
from kfine.errors import ConfigError
from kfine.training.settings import TrainingConfig


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"adapter_rank": 4}, "adapter_rank needs an adapter: lora, rslora"),
        ({"adapter_targets": "all"}, "adapter_targets needs an adapter"),
        ({"adapter": "lora", "unfreeze": "none"}, "so no adapter would train"),
        (
            {"adapter": "bitfit", "adapter_second_rate": 16.0},
            "adapter_second_rate is of lora, rslora, dora. Received: adapter 'bitfit'",
        ),
        ({"adapter": "ia3", "adapter_rank": 4}, "adapter_rank is of lora, rslora, dora"),
        ({"adapter": "lora", "adapter_targets": " , "}, "adapter_targets names no layer"),
    ],
)
def test_what_would_have_no_effect_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        TrainingConfig(**settings)


def test_rates_follow_the_method_unless_they_are_set() -> None:
    assert TrainingConfig().adapter_options is None
    low = TrainingConfig(adapter="lora")
    high = TrainingConfig(adapter="ia3")
    assert 0 < low.rate_of_adapters < high.rate_of_adapters
    assert TrainingConfig(adapter="ia3", adapter_rate=0.3).rate_of_adapters == 0.3


def test_the_scale_is_twice_unless_alpha_is_set() -> None:
    assert AdapterOptions("lora", rank=8).scale == AdapterOptions("lora", rank=64).scale == 2
    assert AdapterOptions("lora", rank=4, alpha=16).scale == 4
    assert AdapterOptions("rslora", rank=4, alpha=16).scale == 8
    assert AdapterOptions("rslora", rank=64).scale == 1 < AdapterOptions("rslora", rank=4).scale


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "lorra"}, "no adapter 'lorra'; the nearest is 'lora'"),
        ({"rank": 0}, "rank of an adapter must be a whole number of at least 1. Received: 0"),
        ({"rank": "8"}, "rank of an adapter"),
        ({"rank": 2.5}, "rank of an adapter"),
        ({"alpha": -1}, "alpha of an adapter must be a number above 0"),
        ({"alpha": float("nan")}, "alpha of an adapter"),
        ({"dropout": 1.5}, "dropout of an adapter must be at least 0 and below 1"),
        ({"targets": ["query"]}, "targets of an adapter must be words"),
        ({"whole_groups": -1}, "whole_groups of an adapter"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        AdapterOptions(**{"method": "lora", **options})
