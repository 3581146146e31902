"""One list of settings, three faces."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from kfine.config import click_options, dump_yaml, make_config, setting, settings_of
from kfine.errors import ConfigError
from kfine.training.settings import TrainingConfig


@dataclass(frozen=True)
class Config(TrainingConfig):
    data: str = setting("digits", "Where the data is.", group="Data")
    size: int | None = setting(None, "Size.", group="Data", unit="pixels", minimum=8)
    smooth: bool = setting(True, "Smooth it.", group="Data")


def test_the_defaults_make_a_config() -> None:
    assert make_config(Config, {}) == Config()


@pytest.mark.parametrize("name", ["learnin_rate", "learning-rat", "LearningRate"])
def test_an_unknown_name_gets_the_nearest_right_one(name: str) -> None:
    with pytest.raises(ConfigError, match="learning_rate"):
        make_config(Config, {name: 1})


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"epochs": 0}, r"at least 1\. Received"),
        ({"epochs": 2.5}, "whole number"),
        ({"epochs": "many"}, "whole number"),
        ({"epochs": True}, "whole number"),
        ({"epochs": None}, "needs a value"),
        ({"learning_rate": "nan"}, "a number"),
        ({"label_smoothing": 1.5}, "at most 0.9"),
        ({"batch_norm": "melt"}, "frozen, train"),
        ({"smooth": "perhaps"}, "true or false"),
        ({"size": 4}, "at least 8 pixels"),
    ],
)
def test_an_impossible_value_says_what_is_possible(values: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make_config(Config, values)


def test_keyword_arguments_win_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("epochs: 4\nlearning_rate: 1e-4\nsize: null\nsmooth: no\n")
    config = make_config(Config, {"epochs": 6}, file)
    assert (config.epochs, config.learning_rate) == (6, 1e-4)
    assert config.size is None
    assert config.smooth is False


@pytest.mark.parametrize("text", ["auto", "none", "all", "2:1,5:3", "2:1", "6:block6b"])
def test_a_schedule_survives_yaml_quoted_or_not(tmp_path: Path, text: str) -> None:
    file = tmp_path / "settings.yaml"
    for line in (f"unfreeze: {text}", f"unfreeze: '{text}'"):
        file.write_text(line)
        assert make_config(Config, {}, file).unfreeze == text
    file.write_text(dump_yaml(make_config(Config, {"unfreeze": text})))
    assert make_config(Config, {}, file).unfreeze == text


def test_a_schedule_may_be_written_as_a_mapping(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("unfreeze: {2: 1, 5: 3}")
    assert make_config(Config, {}, file).unfreeze == "2:1,5:3"


def test_a_written_config_reads_back_equal(tmp_path: Path) -> None:
    config = make_config(Config, {"data": "Fotos für später", "size": 64, "ema": 0.5})
    file = tmp_path / "config.yaml"
    file.write_text(dump_yaml(config), encoding="utf-8")
    assert make_config(Config, {}, file) == config


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [1", "just words"])
def test_a_file_that_holds_no_settings_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"broken\.yaml"):
        make_config(Config, {}, file)


def test_every_setting_is_an_option_that_reads_back_its_default() -> None:
    options = {option.name: option for option in click_options(Config)}
    assert list(options) == [one.name for one in settings_of(Config)]
    command = click.Command("x", params=list(options.values()), callback=lambda **given: given)
    for one in settings_of(Config):
        if one.default is None or isinstance(one.default, bool):
            continue
        given = command.main([one.option, str(one.default)], standalone_mode=False)
        assert make_config(Config, {one.name: given[one.name]}) == Config()


def test_what_the_recipe_declares_is_listed_first() -> None:
    assert next(one.group for one in settings_of(Config)) == "Data"
