"""What varies is what the recipe says, as far as the user leaves it."""

from __future__ import annotations

import sys
import types
from dataclasses import replace
from typing import Any

import pytest

from kfine.config import make_config
from kfine.errors import ConfigError
from kfine.recipe import load_recipe
from kfine.tuning.ranges import Range, read_fixed, read_searches
from kfine.tuning.space import Space, varying

RECIPE = load_recipe("image_classification")


def space(*searches: str, fixed: tuple[str, ...] = (), **settings: Any) -> Space:
    base = make_config(RECIPE.Config, settings)
    found = read_searches(RECIPE.Config, searches)
    return Space(RECIPE, base, found, {*fixed, *settings})


def names(one: Space) -> set[str]:
    return {hp.name for hp in varying(one.hyperparameters())}


@pytest.mark.keras
def test_the_defaults_of_the_space_are_the_config_of_fit() -> None:
    one = space()
    hp = one.hyperparameters()
    assert one.config({}) == RECIPE.resolve(RECIPE.Config())
    assert hp.values["learning_rate"] == RECIPE.Config().learning_rate
    assert {"learning_rate", "unfreeze", "dropout", "weight_decay", "label_smoothing"} <= names(one)


@pytest.mark.keras
def test_the_rates_of_the_backbone_vary_only_where_it_trains() -> None:
    hp = space().hyperparameters()
    hp.values = {**hp.values, "unfreeze": "none"}
    hp.ensure_active_values()
    assert "backbone_rate" not in hp.values
    hp.values["unfreeze"] = "all"
    hp.ensure_active_values()
    assert "backbone_rate" in hp.values
    held = space(unfreeze="none")
    assert "backbone_rate" not in held.hyperparameters().values
    assert held.config({}).backbone_rate == RECIPE.resolve(RECIPE.Config()).backbone_rate


@pytest.mark.keras
def test_a_search_with_adapters_varies_their_rate_and_rank_and_no_schedule() -> None:
    one = space(adapter="lora")
    assert {"adapter_rate", "adapter_rank"} <= names(one)
    assert not {"backbone_rate", "layerwise_decay", "unfreeze"} & names(one)
    usual = one.config({})
    assert (usual.adapter_rate, usual.adapter_rank) == (usual.rate_of_adapters, 8)
    assert "adapter_rank" not in names(space(adapter="bitfit"))


@pytest.mark.keras
def test_what_is_given_is_held_and_what_is_searched_has_the_given_range() -> None:
    one = space("learning-rate=1e-5..1e-3", "image_size=64,96", epochs=4, dropout=0.4)
    assert "dropout" not in names(one) and "image_size" in names(one)
    ranges = {hp.name: hp for hp in varying(one.hyperparameters())}
    rate = ranges["learning_rate"]
    assert (rate.min_value, rate.max_value, rate.sampling) == (1e-5, 1e-3, "log")
    # The config's 0.01 is outside, so the nearest end comes first.
    assert rate.default == 1e-3
    config = one.config({"image_size": 64, "learning_rate": 2.3456789e-4})
    assert (config.image_size, config.dropout, config.epochs) == (64, 0.4, 4)
    assert config.learning_rate == 0.000234568


@pytest.mark.keras
def test_a_range_with_steps_reaches_its_end() -> None:
    values = {
        hp.name: list(hp.values)
        for hp in varying(space().hyperparameters())
        if getattr(hp, "step", None)
    }
    assert [round(value, 9) for value in values["dropout"]] == [0, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert (
        space().config({"unfreeze": "all", "layerwise_decay": 0.7 + 3 * 0.1}).layerwise_decay == 1
    )


@pytest.mark.keras
def test_only_leaves_the_rest_at_its_value() -> None:
    base = make_config(RECIPE.Config, {})
    one = Space(RECIPE, base, {}, set(), {"dropout"})
    assert names(one) == {"dropout"}


@pytest.mark.keras
def test_automatic_choices_are_made_anew_for_each_trial() -> None:
    one = space("data=digits,flowers")
    assert one.config({"data": "digits"}).image_size == 96
    assert one.config({"data": "flowers"}).image_size == 224


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("learning_rte=1..2", "nearest is 'learning_rate'"),
        ("learning_rate=1e-3..1e-5", "from the smaller to the larger"),
        ("learning_rate=0.1..x", "must be a number"),
        ("dropout=0..3", "at most 0.95"),
        ("dropout=0.1", "two values or more"),
        ("dropout", "wanted NAME=LOW..HIGH"),
        ("augmentation=none..strong", "is no number"),
        ("augmentation=none,lots", "must be one of none, light, strong"),
        ("epochs=1.5,2", "a whole number"),
    ],
)
def test_an_impossible_search_is_one_sentence(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_searches(RECIPE.Config, [text])


def test_values_that_hold_a_comma_are_separated_by_a_bar() -> None:
    found = read_searches(RECIPE.Config, ["unfreeze=none|2:1,3:2"])
    assert found["unfreeze"] == Range("unfreeze", choices=("none", "2:1,3:2"))
    assert Range.from_dict(found["unfreeze"].to_dict()) == found["unfreeze"]


def test_paths_with_two_dots_are_values_and_no_range() -> None:
    found = read_searches(RECIPE.Config, ["preset=../a,../b"])
    assert found["preset"] == Range("preset", choices=("../a", "../b"))


def test_a_setting_is_not_searched_and_held_at_once() -> None:
    with pytest.raises(ConfigError, match="dropout cannot be searched and held"):
        space("dropout=0,0.5", dropout=0.1)


def test_fix_without_a_value_holds_the_default() -> None:
    assert read_fixed(RECIPE.Config, ["epochs=4", "dropout"]) == {"epochs": 4, "dropout": None}
    with pytest.raises(ConfigError, match="nearest is 'epochs'"):
        read_fixed(RECIPE.Config, ["epohcs=4"])


def module_with(search_space: Any) -> types.ModuleType:
    module = types.ModuleType("mine")
    module.__dict__.update({k: getattr(RECIPE, k) for k in ("Config", "resolve")})
    module.__dict__["search_space"] = search_space
    sys.modules["mine"] = module
    return module


@pytest.mark.keras
@pytest.mark.parametrize(
    ("search_space", "message"),
    [
        (lambda hp, c: replace(c, dropout=hp.Float("drop", 0, 0.5)), "There is no setting 'drop'"),
        (lambda hp, c: replace(c, dropout=hp.Float("dropout", 0.5, 0.1)), "smaller to the larger"),
        (lambda hp, c: c, "Nothing varies"),
    ],
)
def test_a_recipe_with_an_impossible_space_is_told_so(search_space: Any, message: str) -> None:
    one = Space(module_with(search_space), RECIPE.Config(), {}, set())
    with pytest.raises(ConfigError, match=message):
        one.hyperparameters()
