"""From the text of a schedule to stages."""

from __future__ import annotations

import pytest

from kfine.errors import ConfigError
from kfine.training.settings import TrainingConfig
from kfine.training.unfreezing import plan_stages, schedule_text, stage_at

GROUPS = ["stem", "block1a", "block2a", "block3a", "top"]


def test_a_pretrained_head_trains_with_the_rest_from_the_first_epoch_on() -> None:
    for epochs in (1, 6):
        for asked, depth in ((None, 2), (4, 4)):
            (stage,) = plan_stages("auto", epochs, GROUPS, asked, pretrained=True)
            assert (stage.first_epoch, stage.end_epoch, stage.depth) == (0, epochs, depth)
    (stage,) = plan_stages("none", 2, GROUPS, 4, pretrained=True)
    assert stage.depth == 0


def spans(text: str, epochs: int) -> list[tuple[int, int, int]]:
    return [(s.first_epoch, s.end_epoch, s.depth) for s in plan_stages(text, epochs, GROUPS)]


def test_a_schedule_counts_epochs_from_one_and_groups_from_the_head() -> None:
    assert spans("2:1,5:3", 8) == [(0, 1, 0), (1, 4, 1), (4, 8, 3)]


def test_a_group_can_be_named() -> None:
    assert spans("3:block2a", 4) == [(0, 2, 0), (2, 4, 3)]


def test_a_schedule_from_epoch_one_has_no_stage_for_the_head_alone() -> None:
    assert spans("1:2", 3) == [(0, 3, 2)]


def test_none_and_all_are_one_stage() -> None:
    assert spans("none", 3) == [(0, 3, 0)]
    assert spans("all", 3) == [(0, 3, 5)]


@pytest.mark.parametrize("epochs", range(1, 60))
def test_auto_covers_all_epochs_and_begins_with_the_head(epochs: int) -> None:
    stages = plan_stages("auto", epochs, GROUPS)
    assert stages[0].depth == 0
    assert [s.first_epoch for s in stages[1:]] == [s.end_epoch for s in stages[:-1]]
    assert stages[-1].end_epoch == epochs
    assert all(s.end_epoch > s.first_epoch for s in stages)


def test_the_stage_follows_from_the_epoch_alone() -> None:
    stages = plan_stages("2:1,5:3", 8, GROUPS)
    assert [stage_at(stages, epoch).depth for epoch in range(9)] == [0, 1, 1, 1, 3, 3, 3, 3, 3]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("often", "auto, none, all, a schedule"),
        ("2-1", "schedule"),
        ("0:1", "count from 1"),
        ("5:1,2:3", "must increase"),
        ("2:3,5:1", "must grow"),
        ("9:1", "only 8 epochs"),
        ("2:6", "backbone has 5"),
        ("2:block9z", "stem, block1a"),
        ("2:block3a,3:1", "must train more groups"),
    ],
)
def test_a_contradictory_schedule_is_refused(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        plan_stages(text, 8, GROUPS)


def test_a_config_checks_its_schedule_before_any_model_is_known() -> None:
    with pytest.raises(ConfigError, match="only 4 epochs"):
        TrainingConfig(epochs=4, unfreeze="5:1")


@pytest.mark.parametrize(
    "text", ["auto", "none", "all", "2:1,5:3", "1:head,3:block2a", "1:block1a", "4:stem"]
)
def test_the_names_of_a_schedule_give_the_stages_that_it_came_from(text: str) -> None:
    stages = plan_stages(text, 8, GROUPS)
    assert plan_stages(schedule_text(stages, GROUPS), 8, GROUPS) == stages
