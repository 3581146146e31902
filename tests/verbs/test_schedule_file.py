"""The schedule that a dry run writes, edited or not, and given back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import kfine
from kfine.console import Console
from kfine.errors import ConfigError
from kfine.models.groups import layer_groups
from kfine.training.run import TrainedRun

QUIET = Console(quiet=True)
RECIPE = "image_classification"
Command = Callable[..., Any]


@pytest.fixture
def schedule(tiny_settings: dict[str, Any], tmp_path: Path) -> Path:
    """What a dry run of the tiny settings writes."""
    path = tmp_path / "stages.yaml"
    kfine.dry_run(RECIPE, console=QUIET, schedule=path, **tiny_settings)
    return path


def without(settings: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in names}


def weights_of(path: Path) -> list[np.ndarray]:
    return list(TrainedRun(path).model.get_weights())


def test_the_file_names_epochs_groups_and_rates(schedule: Path) -> None:
    text = schedule.read_text()
    assert "# All groups, from the input: stem, " in text
    stages = yaml.safe_load(text)
    assert [stage["epochs"] for stage in stages] == [1, 1, 1]
    assert [len(stage["groups"]) for stage in stages] == [1, 2, 4]
    # A head that trains alone from the probe keeps to it.
    assert [stage["learning_rate"] for stage in stages] == [1e-5, 0.01, 0.01]
    assert stages[0].keys() == {"epochs", "groups", "learning_rate"}
    last = stages[-1]
    assert last["groups"][-1] == "head"
    assert list(last["group_rates"]) == last["groups"][:-1]
    # 0.01 * 0.03 nearest to the head, and 0.9 of that for each further group.
    assert list(last["group_rates"].values()) == [0.000243, 0.00027, 0.0003]


def test_an_unedited_file_trains_the_same_weights_and_is_not_needed_after_that(
    schedule: Path, finished_run: Path, tiny_settings: dict[str, Any], tmp_path: Path
) -> None:
    class Interrupting(Console):
        def say(self, line: str = "") -> None:
            if line.startswith("epoch 2/3"):
                raise KeyboardInterrupt

    given = without(tiny_settings, "unfreeze", "epochs")
    path = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        kfine.fit(
            RECIPE, run_dir=path, unfreeze=schedule, console=Interrupting(quiet=True), **given
        )
    schedule.unlink()
    run = kfine.fit(resume=path, console=QUIET)
    first = json.loads((finished_run / "history.json").read_text())
    assert run.history == first
    for mine, expected in zip(weights_of(path), weights_of(finished_run), strict=True):
        np.testing.assert_array_equal(mine, expected)
    assert kfine.evaluate(run, console=QUIET)["accuracy"] == pytest.approx(
        json.loads((finished_run / "metrics.json").read_text())["accuracy"]
    )


def test_an_edited_list_trains_what_it_says(tiny_settings: dict[str, Any], tmp_path: Path) -> None:
    """In Python, where the list that a dry run gives is a value of the setting."""
    settings = {**tiny_settings, "augmentation": "none", "early_stopping": 0}
    plan = kfine.dry_run(RECIPE, console=QUIET, **settings)
    head, _, last = plan["schedule"]
    last |= {"epochs": 2, "learning_rate": 0.002}
    still = last["groups"][0]
    last["group_rates"][still] = 1e-7
    given = without(settings, "unfreeze", "epochs")
    run = kfine.fit(RECIPE, run_dir=tmp_path / "run", unfreeze=[head, last], console=QUIET, **given)
    info = json.loads((tmp_path / "run" / "run.json").read_text())
    assert [stage["end_epoch"] for stage in info["stages"]] == [1, 3]
    usual = kfine.fit(RECIPE, run_dir=tmp_path / "usual", console=QUIET, **settings).history
    rates = [entry["learning_rate"] for entry in run.history]
    assert rates[0] == usual[0]["learning_rate"]
    assert rates[1:] == pytest.approx([entry["learning_rate"] / 5 for entry in usual[1:]])

    preset, trained = (
        {group.name: group for group in layer_groups(model)}
        for model in (_untrained(given), TrainedRun(tmp_path / "run").model)
    )
    distance = {
        name: max(
            float(np.abs(a.numpy() - b.numpy()).max())
            for a, b in zip(preset[name].weights, trained[name].weights, strict=True)
        )
        for name in last["groups"][:-1]
    }
    assert 0 < distance.pop(still) < min(distance.values()) / 100


def _untrained(settings: dict[str, Any]) -> Any:
    from kfine.training.data import load_data
    from kfine.training.job import build_job
    from kfine.verbs.fit import prepare

    module, config = prepare(RECIPE, None, settings)
    return build_job(module, config, load_data(module, config, QUIET), QUIET).built.model


def test_on_the_command_line(
    kfine_command: Command,
    tiny_settings: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [
        word
        for name, value in without(tiny_settings, "unfreeze", "epochs").items()
        for word in (f"--{name.replace('_', '-')}", value)
    ]
    planned = ("--unfreeze", "2:1", "--epochs", 2)
    said = kfine_command("fit", RECIPE, *given, *planned, "--schedule", "a.yaml")
    assert said.status == 2 and "give --dry-run too" in said.err
    dry = ("--dry-run", "--schedule", "a.yaml")
    said = kfine_command("fit", RECIPE, *given, *planned, *dry)
    assert said.status == 0, said.err
    assert "give it back: --unfreeze a.yaml" in said.err
    said = kfine_command("fit", RECIPE, *given, *planned, *dry)
    assert said.status == 2 and "a.yaml exists already" in said.err

    again = kfine_command("fit", RECIPE, *given, "--unfreeze", "a.yaml", "--dry-run", "--json")
    assert again.status == 0, again.err
    assert json.loads(again.out)["schedule"] == yaml.safe_load(Path("a.yaml").read_text())

    Path("a.yaml").write_text("- {epochs: 2, groups: [topp, head]}")
    said = kfine_command("fit", RECIPE, *given, "--unfreeze", "a.yaml", "--run-dir", "run")
    assert said.status == 2
    assert "the nearest is 'top' of stem, " in said.err and "Received: 'topp'" in said.err
    assert not Path("run").exists()


def test_a_schedule_that_cannot_be_written_is_refused_at_once(tmp_path: Path) -> None:
    for path, words in (
        (tmp_path / "none" / "a.yaml", "there is no folder"),
        (tmp_path / "a.txt", "is a YAML file, such as"),
        (tmp_path, "exists already"),
    ):
        # Nothing else is looked at before that: there is no such recipe either.
        with pytest.raises(ConfigError, match=words):
            kfine.dry_run("nothing", schedule=path)
