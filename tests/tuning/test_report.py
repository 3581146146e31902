"""The pictures and numbers of a search say what its trials say."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import kfine
from kfine.config import dump_yaml
from kfine.console import Console
from kfine.training.settings import TrainingConfig
from kfine.tuning.importance import importance, table
from kfine.tuning.pareto import pareto_front
from kfine.tuning.records import (
    SearchFolder,
    TrialRecord,
    failures_in_a_row,
    saved_by_pruning,
)
from kfine.tuning.report import write_report
from kfine.tuning.retraining import _place


def trials(count: int = 24) -> list[TrialRecord]:
    rng = np.random.default_rng(0)
    found = []
    for number in range(count):
        rate, kind = float(10 ** rng.uniform(-5, -1)), str(rng.choice(["a", "b"]))
        values = {"rate": rate, "kind": kind, "noise": float(rng.random())}
        values |= {"only_b": 0.5} if kind == "b" else {}
        score = 1 - abs(np.log10(rate) + 3) / 4 + 0.05 * (kind == "b")
        scores = {"val_accuracy": float(score), "size": float(rng.integers(1, 9))}
        found.append(TrialRecord(f"{number:02d}", values, "completed", scores=scores))
    return found


def test_what_decides_the_objective_is_the_most_important() -> None:
    shares = importance(trials(60), "val_accuracy")
    assert next(iter(shares)) == "rate"
    assert shares["rate"] > 0.7 and shares["noise"] < 0.1
    assert sum(shares.values()) == pytest.approx(1)


def test_few_trials_give_no_importance() -> None:
    assert importance(trials(5), "val_accuracy") == {}


def test_values_become_numbers_that_keep_their_order() -> None:
    records = trials()
    names, values = table(records)
    assert names == ["rate", "kind", "noise", "only_b"] or set(names) == {"rate", "kind", "noise"}
    rates = [one.values["rate"] for one in records]
    assert values[:, 0] == pytest.approx(np.log10(rates))


def test_what_pruning_saved_is_counted_at_the_pace_of_each_trial() -> None:
    records = [
        TrialRecord("0", {}, "completed", epochs=8, seconds=40.0),
        TrialRecord("1", {}, "pruned", epochs=2, seconds=6.0),
        TrialRecord("2", {}, "pruned", epochs=4, seconds=20.0),
        TrialRecord("3", {}, "failed", epochs=1, seconds=9.0),
    ]
    assert saved_by_pruning(records) == (6 + 4, 6 * 3.0 + 4 * 5.0)
    assert saved_by_pruning(records[1:]) == (0, 0.0)


def test_trials_are_in_the_order_of_their_numbers_however_wide_these_are(tmp_path: Path) -> None:
    folder = SearchFolder(tmp_path)
    names = [*(str(number) for number in range(8)), *(f"{number:02d}" for number in range(8, 20))]
    for name in reversed(names):
        status = "failed" if int(name) > 16 else "completed"
        folder.record(TrialRecord(name, {}, status))
    assert [one.trial for one in folder.records()] == names
    assert [one.trial for one in failures_in_a_row(folder.records())] == ["17", "18", "19"]


def test_a_final_fit_of_another_config_is_passed_by_and_stays(tmp_path: Path) -> None:
    first, second = TrainingConfig(epochs=3), TrainingConfig(epochs=4)
    for config, name in ((first, "best-seed0"), (second, "best-seed0-2"), (first, "best-seed0")):
        path = _place(tmp_path, "best-seed0", config)
        assert path.name == name
        path.mkdir(exist_ok=True)
        (path / "config.yaml").write_text(dump_yaml(config))


def test_an_answer_on_the_best_trial_of_then_is_not_told_of_another(
    finished_search: Path, tmp_path: Path
) -> None:
    path = tmp_path / "search"
    shutil.copytree(finished_search, path)
    (path / "answer.json").write_text('{"sentence": "of then"}')
    quiet = Console(quiet=True)
    assert kfine.tune(resume=path, console=quiet).answer == {"sentence": "of then"}
    best = path / "best.yaml"
    best.write_text(best.read_text() + "# of another trial\n")
    assert kfine.tune(resume=path, console=quiet).answer is None


def test_nobody_on_the_pareto_front_is_beaten() -> None:
    goals = {"val_accuracy": "max", "size": "min"}
    records = trials()
    front = pareto_front(records, goals)
    for one in front:
        assert not any(
            other.scores["val_accuracy"] > one.scores["val_accuracy"]
            and other.scores["size"] <= one.scores["size"]
            for other in records
        )
    assert front[0].scores["val_accuracy"] == max(one.scores["val_accuracy"] for one in records)
    sizes = [one.scores["size"] for one in front]
    assert sizes == sorted(sizes, reverse=True) and len(set(sizes)) == len(sizes)


def test_the_page_holds_every_trial_and_needs_no_other_file(tmp_path: Path) -> None:
    folder = SearchFolder(tmp_path / "a<b")
    records = [*trials(), TrialRecord("99", {"rate": 1.0}, "failed", "out of <memory>")]
    for record in records:
        folder.record(record)
    answer = {"sentence": "The gain is more than chance."}
    page = write_report(folder, {"val_accuracy": "max", "size": "min"}, answer).read_text()
    assert "a&lt;b" in page and "out of &lt;memory&gt;" in page and answer["sentence"] in page
    assert all(f"<td>{one.trial}</td>" in page for one in records[:-1])
    assert not re.search(r"(src|href)='(?!data:)", page)
    assert "Pareto table" in page
    for name in ("objective", "parallel_coordinates", "importance"):
        with Image.open(folder.path / "plots" / f"{name}.png") as picture:
            assert min(picture.size) > 150


def test_the_report_of_a_search_is_there(finished_search: Path) -> None:
    assert (finished_search / "plots" / "objective.png").is_file()
    assert "Too little to say" in (finished_search / "report.html").read_text()


def test_the_answer_compares_on_the_test_split_what_it_fits_again(
    finished_search: Path, tmp_path: Path
) -> None:
    path = tmp_path / "search"
    shutil.copytree(finished_search, path)
    search = kfine.tune(
        search=kfine.SearchSettings(then_fit=True, seeds=2),
        resume=path,
        console=Console(quiet=True),
    )
    answer = search.answer
    assert answer is not None and answer["seeds"] == [0, 1] and answer["examples"] == 21
    names = {one.name for one in (path / "final").iterdir()}
    assert names == {"best-seed0", "best-seed1", "default-seed0", "default-seed1"}
    # The same test examples whatever the seed.
    lists = [kfine.Run(one)._folder.read("splits.json") for one in (path / "final").iterdir()]
    assert all(one == lists[0] for one in lists)
    best = [
        kfine.evaluate(path / "final" / f"best-seed{seed}", console=Console(quiet=True))
        for seed in (0, 1)
    ]
    assert answer["best"] == pytest.approx([one["accuracy"] for one in best], abs=1e-6)
    assert answer["gain"] == pytest.approx(
        np.mean(answer["best"]) - np.mean(answer["default"]), abs=1e-5
    )
    low, high = answer["interval"]
    assert low <= answer["gain"] <= high
    assert answer["sentence"] in (path / "report.html").read_text()
