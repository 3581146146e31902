"""What a run costs, and that it ends in the time that it was given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kfine
from kfine.console import Console
from kfine.errors import ConfigError
from kfine.runs.folder import RunFolder
from kfine.training.cost import CostClock, cost_sentence
from kfine.training.time_plan import epoch_and_beside, epochs_in

QUIET = Console(quiet=True)
RECIPE = "image_classification"


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run of 1.80 an hour that may take two minutes."""
    found = RunFolder(tmp_path / "run")
    found.path.mkdir()
    found.update(time_limit=120.0, price="1.80/h")
    return found


def write_counter(folder: Path, joules: float) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "energy_uj").write_text(f"{int(joules * 1e6)}\n")
    (folder / "max_energy_range_uj").write_text("10000000000\n")


def test_a_cost_goes_on_where_an_earlier_process_left_it(folder: RunFolder) -> None:
    now = 1000.0
    clock = CostClock(folder, now=lambda: now)
    now += 90
    assert not clock.over()
    clock.keep()
    assert folder.info()["cost"]["seconds"] == 90
    now = 5.0
    other = CostClock(folder, now=lambda: now)
    now += 29
    assert not other.over()
    now += 1
    assert other.over()
    found = other.so_far()
    assert found["seconds"] == 120
    assert found["price"] == pytest.approx(0.06)
    assert found["peak_bytes"] > 10**7
    assert "watt_hours" not in CostClock(folder, folder.path / "none").so_far()


def test_energy_is_that_of_whole_processors_whose_counters_begin_anew(
    folder: RunFolder, tmp_path: Path
) -> None:
    counters = tmp_path / "powercap"
    for name, joules in {"intel-rapl:0": 9000, "intel-rapl:1": 100, "intel-rapl:0:0": 50}.items():
        write_counter(counters / name, joules)
    clock = CostClock(folder, counters)
    write_counter(counters / "intel-rapl:0", 800)
    write_counter(counters / "intel-rapl:1", 1900)
    write_counter(counters / "intel-rapl:0:0", 9999)
    # 1,000 joules to the end of the counter and 800 behind it; 1,800 of the other.
    assert clock.so_far()["watt_hours"] == 1.0
    clock.keep()
    assert "1.0 Wh of the machine's processors" in cost_sentence(folder.info())
    assert CostClock(folder, counters).so_far()["watt_hours"] == 1.0


def test_a_run_without_a_cost_says_nothing_of_it() -> None:
    assert cost_sentence({}) == ""


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"time": "soon"}, r"time must be a duration such as 90s, 20m or 1h30m.*Received: 'soon'"),
        ({"price": "-2/h"}, r"price must be that of an hour, such as 2\.50/h.*Received: '-2/h'"),
        (
            {"time": "1h", "unfreeze": [{"epochs": 2, "groups": ["head"]}]},
            r"time chooses the number of epochs, and the schedule of unfreeze gives it",
        ),
    ],
)
def test_a_wrong_time_or_price_is_refused_first(
    tiny_settings: dict[str, Any], tmp_path: Path, wrong: dict[str, Any], words: str
) -> None:
    del tiny_settings["epochs"]
    with pytest.raises(ConfigError, match=words):
        kfine.fit(RECIPE, run_dir=tmp_path / "run", console=QUIET, **{**tiny_settings, **wrong})
    assert not (tmp_path / "run").exists()


@pytest.mark.keras
@pytest.mark.slow
def test_a_run_that_has_time_for_its_epochs_is_the_run_without_a_time(
    tiny_settings: dict[str, Any], tmp_path: Path, listening: Any
) -> None:
    settings = {**tiny_settings, "epochs": 2, "unfreeze": "2:2"}
    timed = kfine.fit(
        RECIPE, run_dir=tmp_path / "timed", time="3h", price="2.50/h", console=listening, **settings
    )
    assert listening.about("time for 2 of 2 epochs")
    plain = kfine.fit(RECIPE, run_dir=tmp_path / "plain", console=QUIET, **settings)
    for ours, theirs in zip(timed.model.weights, plain.model.weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy(), err_msg=ours.path)
    info = timed._folder.info()
    assert info["time_limit"] == 3 * 3600
    cost = info["cost"]
    assert cost["price"] == pytest.approx(2.5 * cost["seconds"] / 3600, abs=1e-4)
    assert listening.about(f"it took {cost_sentence(info)}")
    assert "time_limit" not in plain._folder.info()


@pytest.mark.keras
def test_a_time_below_an_epoch_is_refused_without_a_run(
    tiny_settings: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"time is too short: one epoch takes about .* more, or"):
        kfine.fit(RECIPE, run_dir=tmp_path / "run", time="0.1s", console=QUIET, **tiny_settings)
    assert not (tmp_path / "run").exists()


def test_a_plan_counts_what_is_done_once_and_a_second_fit() -> None:
    stages = [
        {"first_epoch": 0, "end_epoch": 2, "epoch_seconds": 1.0, "seconds": 5.0},
        {"first_epoch": 2, "end_epoch": 6, "epoch_seconds": 4.0, "seconds": 20.0},
    ]
    # 18 of 25 seconds are epochs, and building takes 3.
    assert epoch_and_beside(stages, 6, 3.0, {}, 100) == (3.0, 10.0)
    again = {"examples": 150, "epochs": None}
    assert epoch_and_beside(stages, 6, 3.0, again, 100) == (7.5, 25.0)
    assert epochs_in(30.0, 3.0, 10.0) == 5
    assert epochs_in(10.0, 3.0, 10.0) == 0


@pytest.mark.keras
def test_a_stage_that_there_is_no_time_for_is_refused(
    tiny_settings: dict[str, Any], tmp_path: Path
) -> None:
    settings = {**tiny_settings, "epochs": 10_000, "unfreeze": "2:1,9999:3"}
    with pytest.raises(ConfigError, match=r"time leaves room for .* begins a stage in epoch 9999"):
        kfine.fit(RECIPE, run_dir=tmp_path / "run", time="1m", console=QUIET, **settings)
    assert not (tmp_path / "run").exists()


@pytest.mark.keras
def test_a_run_whose_time_is_up_keeps_its_best_epoch(
    tiny_settings: dict[str, Any], tmp_path: Path, listening: Any
) -> None:
    import keras

    class Stop(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if epoch == 1:
                raise KeyboardInterrupt

    path = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        kfine.fit(RECIPE, run_dir=path, console=QUIET, callbacks=[Stop()], **tiny_settings)
    info = json.loads((path / "run.json").read_text())
    assert info["cost"]["seconds"] > 0
    (path / "run.json").write_text(json.dumps({**info, "time_limit": 0.1}))
    run = kfine.fit(resume=path, console=listening)
    assert [one["epoch"] for one in run.history] == [1, 2]
    assert listening.about("the time of 0.1 s was up after 2 of 3 epochs")
    assert run._folder.info()["status"] == "finished"
    assert run._folder.info()["cost"]["seconds"] > info["cost"]["seconds"]


@pytest.mark.keras
def test_a_dry_run_says_what_a_time_leaves_room_for_and_what_all_epochs_cost(
    tiny_settings: dict[str, Any],
) -> None:
    plan = kfine.dry_run(RECIPE, time="3h", price="€36/h", console=QUIET, **tiny_settings)
    assert plan["epochs_in_time"] == 3
    assert plan["cost"]["amount"] == pytest.approx(plan["seconds"] / 100, abs=0.01)
    assert plan["cost"]["words"].startswith("€")
    assert kfine.dry_run(RECIPE, time="0.1s", console=QUIET, **tiny_settings)["epochs_in_time"] == 0
