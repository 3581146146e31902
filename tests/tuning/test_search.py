"""Every trial is a run; the best config is the answer; nothing fails in silence."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kfine
from kfine.config import make_config
from kfine.console import Console
from kfine.errors import ConfigError, DataError, RunError
from kfine.recipe import copy_recipe, load_recipe
from kfine.tuning.records import TrialRecord, failures_in_a_row

QUIET = Console(quiet=True)

# A process that kills itself in the middle of a trial: after its first epoch was saved.
KILLER = """
import json, os, signal, sys
import kfine
from kfine.console import Console
from kfine.training.callbacks import Progress

state = {"epochs": 0}
end = Progress.on_epoch_end
def end_or_die(self, epoch, logs=None):
    end(self, epoch, logs)
    state["epochs"] += 1
    if state["epochs"] == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
Progress.on_epoch_end = end_or_die
search = kfine.SearchSettings(**json.loads(sys.argv[2]))
kfine.tune(search=search, console=Console(quiet=True), **json.loads(sys.argv[3]))
"""


def equal_weights(ours: Any, theirs: Any) -> bool:
    pairs = zip(ours.model.weights, theirs.model.weights, strict=True)
    return all(np.array_equal(one.numpy(), other.numpy()) for one, other in pairs)


def test_a_trial_is_the_fit_of_its_config(finished_search: Path, tmp_path: Path) -> None:
    # The later one of the two whose weights were kept, so that others have trained before it.
    trial = max(path.parent for path in finished_search.glob("trials/*/model.keras"))
    assert trial.name != "0"
    run = kfine.fit(
        "image_classification",
        config=trial / "config.yaml",
        run_dir=tmp_path / "again",
        console=QUIET,
    )
    assert run.config == kfine.Run(trial).config
    assert run.history == kfine.Run(trial).history
    assert equal_weights(run, kfine.Run(trial))


def test_the_first_trial_has_the_defaults(finished_search: Path) -> None:
    first = kfine.Run(finished_search / "trials" / "0").config
    default = load_recipe("image_classification").Config()
    assert (first.dropout, first.weight_decay) == (default.dropout, default.weight_decay)
    # The default is outside the range that was asked for, so its nearest end is the first.
    assert default.learning_rate < first.learning_rate == 0.02
    values = [tuple(one.values.values()) for one in kfine.Search(finished_search).trials]
    assert len(set(values)) == 5


def test_every_trial_is_a_run_that_never_saw_the_test(finished_search: Path) -> None:
    search = kfine.Search(finished_search)
    for record in search.trials:
        run = kfine.Run(finished_search / "trials" / record.trial)
        info = run._folder.info()
        assert info["status"] == "finished"
        assert record.scores["val_accuracy"] == info["validation"]["val_accuracy"]
        assert record.curve == [entry["val_accuracy"] for entry in run.history]
        assert not (run.path / "metrics.json").exists()
        assert not (run.path / "plots").exists()
    assert search.ranked[0].scores["val_accuracy"] == max(
        one.scores["val_accuracy"] for one in search.trials
    )


def test_only_the_best_trials_keep_their_weights(finished_search: Path) -> None:
    kept = {path.parent.name for path in finished_search.glob("trials/*/model.keras")}
    best = [one.trial for one in kfine.Search(finished_search).ranked]
    assert kept == set(best[:2])
    assert not list(finished_search.glob("trials/*/checkpoints"))
    with pytest.raises(RunError, match="it is not among the best 2 trials"):
        kfine.evaluate(finished_search / "trials" / best[-1], console=QUIET)


def test_the_trials_share_the_features_of_the_trunk(finished_search: Path) -> None:
    for trial in range(5):
        (stage,) = kfine.Run(finished_search / "trials" / str(trial))._folder.info()["features"]
        assert stage["features"] == "cached"
        log = (finished_search / "trials" / str(trial) / "log.txt").read_text()
        assert ("to compute once" in log) == (trial == 0)


def test_a_search_that_was_killed_goes_on_where_it_was(
    finished_search: Path, head_settings: dict[str, Any], tmp_path: Path
) -> None:
    how = {
        "trials": 3,
        "oracle": "random",
        "only": ["dropout", "weight_decay"],
        "search": ["learning_rate=0.02..0.2"],
    }
    given = {
        "recipe": "image_classification",
        "run_dir": str(tmp_path / "search"),
        **{key: value for key, value in head_settings.items() if key != "learning_rate"},
    }
    # The third epoch is the first one of the second trial.
    done = subprocess.run(
        [sys.executable, "-c", KILLER, "3", json.dumps(how), json.dumps(given)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    search = kfine.Search(tmp_path / "search")
    assert [one.trial for one in search.trials] == ["0"]
    assert list(search.path.glob("trials/1/checkpoints/epoch-00001"))
    began = search.path.joinpath("trials/0/trial.json").stat().st_mtime_ns
    kfine.tune(resume=search.path, console=QUIET)
    assert search.path.joinpath("trials/0/trial.json").stat().st_mtime_ns == began
    whole = kfine.Search(finished_search)
    assert [one.values for one in search.trials] == [one.values for one in whole.trials[:3]]
    for ours, theirs in zip(search.trials, whole.trials, strict=False):
        assert ours.curve == pytest.approx(theirs.curve, abs=1e-5)
    # Its log goes on in the second epoch.
    lines = search.path.joinpath("trials/1/log.txt").read_text().splitlines()
    assert [line.split(":")[0] for line in lines if line.startswith("epoch")] == [
        "epoch 1/2",
        "epoch 2/2",
    ]


def edited_recipe(path: Path, body: str) -> Path:
    """The recipe with a build_model that begins with `body`."""
    copy_recipe("image_classification", path)
    text = path.read_text()
    head, middle, tail = text.partition("    from kfine.answers.classes import Classes")
    path.write_text(head + body + middle + tail)
    return path


def test_a_failed_trial_shows_its_reason_and_three_end_the_search(
    head_settings: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body = '    if config.dropout > 0.25:\n        raise ZeroDivisionError("no such head")\n'
    recipe = edited_recipe(tmp_path / "mine.py", body)
    path = tmp_path / "search"
    with pytest.raises(RunError, match=r"3 failed trials in a row .*ZeroDivisionError: no such"):
        kfine.tune(
            recipe,
            kfine.SearchSettings(
                oracle="grid", search={"dropout": [0.2, 0.3, 0.4, 0.5, 0.6]}, only=["dropout"]
            ),
            run_dir=path,
            console=QUIET,
            **head_settings,
        )
    search = kfine.Search(path)
    assert [one.status for one in search.trials] == ["completed", "failed", "failed", "failed"]
    assert capsys.readouterr().err.count("failed: no such head") == 3
    assert "in build_model" in (path / "trials" / "00001" / "error.txt").read_text()
    states = [json.loads(one.read_text()) for one in path.glob("oracle/trial_*/trial.json")]
    assert sorted(one["status"] for one in states) == ["COMPLETED", "FAILED", "FAILED", "FAILED"]


def test_a_mistake_of_the_user_ends_the_search_at_once(
    head_settings: dict[str, Any], tmp_path: Path
) -> None:
    settings = {**head_settings, "unfreeze": "2:1"}
    with pytest.raises(ConfigError, match=r"Trial 0+1 \(.*unfreeze 2:99.*the backbone has 6"):
        kfine.tune(
            "image_classification",
            kfine.SearchSettings(
                oracle="grid", search={"unfreeze": ["none", "2:99", "all"]}, only=["unfreeze"]
            ),
            run_dir=tmp_path / "search",
            console=QUIET,
            **{key: value for key, value in settings.items() if key != "unfreeze"},
        )


def test_refused_trials_do_not_count_as_failures() -> None:
    statuses = ["completed", "failed", "refused", "failed", "refused"]
    records = [TrialRecord(str(i), {}, status) for i, status in enumerate(statuses)]
    assert [one.trial for one in failures_in_a_row(records)] == ["1", "3"]
    assert failures_in_a_row([*records, TrialRecord("5", {}, "pruned")]) == []


def test_hyperband_continues_the_best_trials_from_their_checkpoints(
    head_settings: dict[str, Any], tmp_path: Path
) -> None:
    search = kfine.tune(
        "image_classification",
        kfine.SearchSettings(oracle="hyperband", only=["dropout", "weight_decay"], trials=5),
        run_dir=tmp_path / "search",
        console=QUIET,
        **{**head_settings, "epochs": 3},
    )
    assert [one.epochs for one in search.trials] == [1, 1, 1, 3, 3]
    continued = search.trials[3]
    before = search.trials[int(continued.values["tuner/trial_id"])]
    assert continued.curve[:1] == before.curve
    log = (search.path / "trials" / continued.trial / "log.txt").read_text()
    assert "epoch 1/3" not in log and "epoch 3/3" in log


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"objective": "val_f1"},
            "does not report 'val_f1'; it reports: latency, size, val_accuracy, val_loss",
        ),
        ({"objective": "accuracy"}, "such as val_loss or val_accuracy. Received: 'accuracy'"),
        ({"only": ["dropout"], "fix": ["dropout=0.1"]}, "Nothing varies"),
        ({"oracle": "best"}, "oracle must be one of bayesian"),
        ({"time": "soon"}, "time must be a duration such as 90s, 20m or 1h30m, more than zero"),
        ({"time": 0.001}, r"too short for one trial, which takes about .* by its first steps"),
        ({"trials": 0}, "trials must be at least 1. Received: 0"),
        ({"folds": 2, "oracle": "hyperband"}, "Hyperband stops and continues single runs"),
        ({"max_size": "4"}, "a size with its unit, such as 4MB or 500kB"),
    ],
)
def test_what_cannot_be_searched_leaves_nothing_behind(
    head_settings: dict[str, Any], tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        kfine.tune(
            "image_classification",
            kfine.SearchSettings(**options),
            run_dir=tmp_path / "search",
            console=QUIET,
            **head_settings,
        )
    assert not (tmp_path / "search").exists()


def test_data_that_changed_is_not_compared_with(
    head_settings: dict[str, Any], tmp_path: Path
) -> None:
    import shutil

    photos = tmp_path / "photos"
    shutil.copytree(head_settings["data"], photos)
    settings = {**head_settings, "data": str(photos)}
    path = tmp_path / "search"
    search = kfine.SearchSettings(trials=1, only=["dropout"], oracle="random")
    kfine.tune("image_classification", search, run_dir=path, console=QUIET, **settings)
    os.remove(next((photos / "one").iterdir()))
    with pytest.raises((RunError, DataError), match="changed since the search began"):
        kfine.tune(search=kfine.SearchSettings(trials=2), resume=path, console=QUIET)


def test_the_answer_is_a_settings_file(finished_search: Path) -> None:
    config = make_config(
        load_recipe("image_classification").Config, {}, finished_search / "best.yaml"
    )
    best = kfine.Search(finished_search).best
    assert config.dropout == pytest.approx(best.values["dropout"])


def test_a_trial_over_a_limit_is_refused_before_it_is_trained(
    head_settings: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    search = kfine.SearchSettings(
        max_size="10kB", oracle="grid", search={"dropout": [0.2, 0.4]}, only=["dropout"]
    )
    path = tmp_path / "search"
    with pytest.raises(RunError, match=r"No trial .* was completed \(2 refused, 0 failed\)"):
        kfine.tune(
            "image_classification",
            search,
            run_dir=path,
            console=QUIET,
            **head_settings,
        )
    assert "MB is over 0.01 MB" in capsys.readouterr().err
    for record in kfine.Search(path).trials:
        folder = path / "trials" / record.trial
        assert record.status == "refused" and not record.scored
        assert not (folder / "model.keras").exists() and not (folder / "checkpoints").exists()
    # Another dropout is the same model for a phone.
    assert len(json.loads((path / "footprints.json").read_text())) == 1


def test_several_objectives_give_a_pareto_table(
    head_settings: dict[str, Any], tmp_path: Path
) -> None:
    search = kfine.tune(
        "image_classification",
        kfine.SearchSettings(
            oracle="grid",
            objective=["val_accuracy", "size", "latency"],
            search={"dropout": [0.2, 0.4]},
            only=["dropout"],
            max_latency="10s",
        ),
        run_dir=tmp_path / "search",
        console=QUIET,
        **head_settings,
    )
    exported = search.best_run.export(console=QUIET, max_drop=1.0)
    assert exported.size_bytes == pytest.approx(search.best.scores["size"] * 1e6, rel=0.02)
    assert search.pareto and search.pareto[0].trial == search.best.trial
    assert "Pareto table" in (search.path / "report.html").read_text()


def test_the_score_of_a_trial_with_folds_is_their_mean(
    head_settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KFINE_CACHE", str(tmp_path / "cache"))
    search = kfine.tune(
        "image_classification",
        kfine.SearchSettings(
            oracle="grid", search={"dropout": [0.2, 0.4]}, only=["dropout"], folds=2, keep=1
        ),
        run_dir=tmp_path / "search",
        console=QUIET,
        **head_settings,
    )
    for record in search.trials:
        runs = search._folder.runs(record.trial)
        assert [run.name for run in runs] == ["fold-1", "fold-2"]
        found = [kfine.Run(run)._folder.info()["validation"]["val_accuracy"] for run in runs]
        assert record.scores["val_accuracy"] == pytest.approx(np.mean(found))
        assert record.spread["val_accuracy"] == pytest.approx(np.std(found, ddof=1))
    assert len(list(search.path.glob("trials/*/*/model.keras"))) == 2
    # Two folds of the same 123 examples, in two trials, went through the trunk once.
    logs = [(search.path / "trials" / one.trial / "log.txt").read_text() for one in search.trials]
    assert [log.count("to compute once") for log in logs] == [1, 0]
