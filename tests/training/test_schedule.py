"""A schedule as a list of stages: read from files and objects, checked, and planned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kfine.config import dump_yaml, make_config
from kfine.errors import ConfigError
from kfine.training.schedule import read_unfreeze
from kfine.training.settings import TrainingConfig
from kfine.training.unfreezing import plan_stages

GROUPS = ["stem", "block1a", "block2a", "block3a", "top"]
HEAD: dict[str, Any] = {"epochs": 1, "groups": ["head"]}
TOP: dict[str, Any] = {"epochs": 2, "groups": ["top", "head"]}


def written(folder: Path, text: str) -> str:
    file = folder / "stages.yaml"
    file.write_text(text, encoding="utf-8")
    return str(file)


@pytest.mark.parametrize(
    "text",
    [
        "- epochs: 1\n  groups: [head]\n- epochs: 2\n  groups: [top, head]\n"
        "  learning_rate: 1e-3\n  group_rates: {top: 1e-5}\n",
        json.dumps([HEAD, {**TOP, "learning_rate": 1e-3, "group_rates": {"top": 1e-5}}]),
    ],
)
def test_a_file_is_yaml_or_json_and_the_config_keeps_what_it_says(
    text: str, tmp_path: Path
) -> None:
    file = written(tmp_path, text)
    config = make_config(TrainingConfig, {"unfreeze": file})
    Path(file).unlink()
    assert config.epochs == 3
    first, second = plan_stages(config.unfreeze, config.epochs, GROUPS)
    assert (first.first_epoch, first.end_epoch, first.depth) == (0, 1, 0)
    assert (first.learning_rate, first.group_rates) == (None, {})
    assert (second.first_epoch, second.end_epoch, second.depth) == (1, 3, 1)
    assert (second.learning_rate, second.group_rates) == (1e-3, {"top": 1e-5})

    # As a run keeps it and reads it again.
    kept = tmp_path / "config.yaml"
    kept.write_text(dump_yaml(config), encoding="utf-8")
    assert make_config(TrainingConfig, {}, kept) == config


def test_a_list_is_taken_in_python_and_in_a_settings_file(tmp_path: Path) -> None:
    config = make_config(TrainingConfig, {"unfreeze": [HEAD, TOP]})
    file = tmp_path / "settings.yaml"
    file.write_text(
        "unfreeze:\n- {epochs: 1, groups: [head]}\n- {epochs: 2, groups: [top, head]}\n"
    )
    assert make_config(TrainingConfig, {}, file) == config
    assert make_config(TrainingConfig, {"unfreeze": [HEAD, TOP], "epochs": 3}) == config


def test_other_values_stay_as_they_are() -> None:
    for text in ("auto", "none", "2:1,5:3", "6:block6b"):
        assert read_unfreeze(text) == text


def test_a_file_may_hold_a_line_for_each_step(tmp_path: Path) -> None:
    file = written(tmp_path, "1: head  # alone\n3: block2a\n")
    assert read_unfreeze(file) == TrainingConfig(unfreeze=file).unfreeze == "1:head,3:block2a"
    with pytest.raises(ConfigError, match="must increase"):
        make_config(TrainingConfig, {"unfreeze": written(tmp_path, "3: top\n2: stem")})


def test_stages_of_equal_groups_may_follow_each_other() -> None:
    text = read_unfreeze([TOP, {**TOP, "learning_rate": 0.001}])
    assert [stage.depth for stage in plan_stages(text, 4, GROUPS)] == [1, 1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must hold a list of stages, each with epochs and groups, or lines .* Received: None"),
        ("[]", r"must hold a list of stages.* Received: \[\]"),
        ("epochs: 3", r"must hold a list of stages.* Received: \{'epochs': '3'\}"),
        ("2: -1", r"or lines such as 2: block7a. Received: \{'2': '-1'\}"),
        ("2: {3: top}", "or lines such as 2: block7a. Received"),
        ("- head", "must be a mapping with epochs and groups. Received: 'head'"),
        ("- [", "is not valid YAML or JSON"),
        ('[{"epochs": 1', "is not valid YAML or JSON"),
        ("- groups: [head]", "Stage 1 of .*stages.yaml has no epochs; .* Received: {'groups'"),
        ("- epochs: 3", "Stage 1 of .* has no groups; every stage gives epochs and groups"),
        ("- {epochs: 0, groups: [head]}", "whole number of at least 1. Received: '0'"),
        ("- {epochs: 1.5, groups: [head]}", "whole number of at least 1. Received: '1.5'"),
        ("- {epochs: many, groups: [head]}", "whole number of at least 1. Received: 'many'"),
        ("- {epochs: 1, groups: []}", r"list of different names. Received: \[\]"),
        ("- {epochs: 1, groups: head}", "list of different names. Received: 'head'"),
        ("- {epochs: 1, groups: [top, top, head]}", "list of different names. Received"),
        ("- {epochs: 1, groups: [top]}", "add 'head' to the groups of stage 1"),
        ("- {epoch: 1, groups: [head]}", "nearest is 'epochs'. Received: 'epoch'"),
        (
            "- {epochs: 1, groups: [head], learning_rate: -0.1}",
            "learning_rate of stage 1 .* must be above 0 and at most 10. Received: '-0.1'",
        ),
        ("- {epochs: 1, groups: [head], learning_rate: fast}", "above 0 .*Received: 'fast'"),
        (
            "- {epochs: 1, groups: [top, head], group_rates: {top: 0}}",
            "rate of top in stage 1 .* must be above 0 and at most 10. Received: '0'",
        ),
        ("- {epochs: 1, groups: [head], group_rates: [1]}", r"must be a mapping .*Received: \['1'"),
        (
            "- {epochs: 1, groups: [top, head], group_rates: {tip: 1}}",
            "the nearest is 'top'. Received: 'tip'",
        ),
        (
            "- {epochs: 1, groups: [top, head], group_rates: {head: 1}}",
            "whose rate is learning_rate",
        ),
        (
            "- {epochs: 1, groups: [top, head]}\n- {epochs: 1, groups: [head]}",
            "Stage 2 of .* freezes top again, .*; add it to the groups",
        ),
    ],
)
def test_a_bad_file_is_refused_in_one_sentence(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=words) as refused:
        make_config(TrainingConfig, {"unfreeze": written(tmp_path, text)})
    assert "\n" not in str(refused.value)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"No such file .*--schedule.* Received: '.*x.yaml'"):
        make_config(TrainingConfig, {"unfreeze": tmp_path / "x.yaml"})
    with pytest.raises(ConfigError, match="cannot read a schedule: Is a directory"):
        make_config(TrainingConfig, {"unfreeze": tmp_path})
    file = tmp_path / "bytes.yaml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not valid YAML"):
        make_config(TrainingConfig, {"unfreeze": file})
    with pytest.raises(ConfigError, match=r"or a YAML file that holds one. Received: 'often'"):
        make_config(TrainingConfig, {"unfreeze": "often"})


def test_epochs_that_contradict_the_stages_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"last 3 epochs together; .* Received: epochs 12"):
        make_config(TrainingConfig, {"unfreeze": [HEAD, TOP], "epochs": 12})


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        (["tip", "head"], "the model has not; the nearest is 'top' of stem, .*Received: 'tip'"),
        (["zzz", "head"], "there are: stem, block1a, .*head. Received: 'zzz'"),
        (["block2a", "top", "head"], "leaves out block3a; add it, or drop the groups below"),
    ],
)
def test_groups_that_do_not_fit_the_model_are_refused(groups: list[str], words: str) -> None:
    text = read_unfreeze([HEAD, {"epochs": 1, "groups": groups}])
    with pytest.raises(ConfigError, match=words):
        plan_stages(text, 2, GROUPS)
