"""Data is read again only where a field that it depends on differs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kfine.tuning.sharing import Remembered
from kfine.verbs.recipes import load_recipe

CONFIG = load_recipe("image_classification").Config(image_size=32)


def test_a_result_is_kept_until_a_field_that_was_read_differs() -> None:
    calls: list[Any] = []

    def read(config: Any) -> list[int]:
        calls.append(config)
        assert isinstance(config, type(CONFIG))
        return [config.image_size]

    data = Remembered(read, room=1)
    first = data(CONFIG)
    assert data(replace(CONFIG, dropout=0.5)) is first
    assert data(replace(CONFIG, image_size=64)) == [64]
    assert data(CONFIG) == [32]
    assert len(calls) == 3


def test_a_function_that_copies_the_config_reads_all_of_it() -> None:
    data = Remembered(lambda config: replace(config, epochs=1), room=1)
    assert data(CONFIG) is not data(replace(CONFIG, dropout=0.5))
