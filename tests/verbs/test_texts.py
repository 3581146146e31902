"""Texts go through the same frame as images: stages, cache, scores, predictions."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kfine
from kfine.console import Console
from kfine.errors import DataError, KfineError, PresetError
from kfine.training.data import load_data
from kfine.training.job import build_job
from kfine.verbs.fit import prepare

QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def text_run(
    tiny_text_preset: str, mood_texts: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A finished and evaluated run; tests leave it as it is."""
    path = tmp_path_factory.mktemp("runs") / "moods"
    settings: dict[str, Any] = {"data": str(mood_texts), "preset": tiny_text_preset}
    settings |= {"epochs": 10, "batch_size": 16, "min_steps": 30, "unfreeze": "2:2"}
    settings |= {"learning_rate": 0.05, "backbone_rate": 0.2, "refit": "no"}
    run = kfine.fit("text_classification", run_dir=path, console=QUIET, **settings)
    kfine.evaluate(run, console=QUIET)
    return path


def built(**settings: Any) -> Any:
    module, config = prepare("text_classification", None, settings)
    data = load_data(module, config, QUIET)
    return build_job(module, config, data, QUIET), data


def test_it_learns_and_the_embedding_stays_as_it_was(text_run: Path) -> None:
    metrics = json.loads((text_run / "metrics.json").read_text())
    assert metrics["accuracy"] > 0.85 > metrics["baselines"]["majority"]["accuracy"]
    info = json.loads((text_run / "run.json").read_text())
    assert [stage["depth"] for stage in info["stages"]] == [0, 2]
    assert info["groups"] == ["stem", "transformer_layer_0", "transformer_layer_1", "head"]
    assert [one["features"] for one in info["features"]] == ["cached", "computed"]


def test_the_length_is_chosen_from_the_texts_and_said(text_run: Path) -> None:
    described = json.loads((text_run / "input.json").read_text())
    assert described["sequence_length"] == 32, "26 words, two special tokens, a multiple of 8"
    decisions = json.loads((text_run / "run.json").read_text())["decisions"]
    assert decisions["sequence_length"] == "32 tokens: 0 of 112 training texts are cut (0.0%)"


def test_a_given_length_cuts_and_counts(text_settings: dict[str, Any]) -> None:
    prepared, data = built(**text_settings, sequence_length=16)
    rows = prepared.job.batches.inputs["token_ids"]
    assert rows.shape == (len(data.train), 16)
    assert "of 112 training texts are cut" in prepared.built.decisions["sequence_length"]
    cut = int(prepared.built.decisions["sequence_length"].split()[2])
    words = [len(text.split()) for text in data.train.inputs[range(len(data.train))]]
    assert cut == sum(count + 2 > 16 for count in words)


@pytest.mark.parametrize("pooling", ["unit", "mean", "first"])
def test_every_weight_of_a_classifier_can_train(
    text_settings: dict[str, Any], pooling: str
) -> None:
    prepared, _ = built(**text_settings, pooling=pooling, unfreeze="all")
    names = [weight.path for weight in prepared.job.model.weights]
    assert any("pooled_dense" in name for name in names) == (pooling == "first")


def test_few_examples_are_passed_over_often(text_settings: dict[str, Any]) -> None:
    prepared, data = built(**{**text_settings, "min_steps": 40})
    assert prepared.job.batches.steps >= 40 > len(data.train) / 16


def test_a_resumed_run_ends_with_the_same_weights(
    text_settings: dict[str, Any], tmp_path: Path
) -> None:
    text_settings["unfreeze"] = "2:2"

    class Interrupting(Console):
        def say(self, line: str = "") -> None:
            if line.startswith("stage 2"):
                raise KeyboardInterrupt

    whole = kfine.fit(
        "text_classification", run_dir=tmp_path / "whole", console=QUIET, **text_settings
    )
    with pytest.raises(KeyboardInterrupt):
        kfine.fit(
            "text_classification",
            run_dir=tmp_path / "cut",
            console=Interrupting(quiet=True),
            **text_settings,
        )
    resumed = kfine.fit(resume=tmp_path / "cut", console=QUIET)
    for ours, theirs in zip(whole.model.weights, resumed.model.weights, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=1e-6)


def test_cached_features_train_the_head_to_the_same_weights(
    text_settings: dict[str, Any], tmp_path: Path
) -> None:
    heads = []
    for cache in ("float32", "none"):
        settings = {**text_settings, "unfreeze": "none", "feature_cache": cache}
        run = kfine.fit("text_classification", run_dir=tmp_path / cache, console=QUIET, **settings)
        heads.append(run.model.get_layer("logits").get_weights())
    for cached, computed in zip(*heads, strict=True):
        np.testing.assert_allclose(cached, computed, atol=1e-5)


def test_scores_by_length_and_sure_mistakes_are_reported(text_run: Path) -> None:
    metrics = json.loads((text_run / "metrics.json").read_text())
    assert sum(part["count"] for part in metrics["by_size"]) == metrics["count"]
    bounds = [part["words"] for part in metrics["by_size"]]
    assert all(high < low for (_, high), (low, _) in pairwise(bounds))
    with (text_run / "mistakes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    wrong = round(metrics["count"] * (1 - metrics["accuracy"]))
    assert len(rows) == wrong
    sure = [float(row["probability"]) for row in rows]
    assert sure == sorted(sure, reverse=True)


def test_texts_are_predicted_however_they_come(
    text_run: Path,
    tmp_path: Path,
    kfine_command: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    good, bad = "a fine and witty film .", "the plot is dull and empty ."
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "one.txt").write_text(good)
    (tmp_path / "table.csv").write_text(f'id,text\n1,"{good}"\n2,"{bad}"\n3,\n')
    said = kfine_command("predict", text_run, good, bad, "--json")
    assert [row["label"] for row in json.loads(said.out)] == ["good", "bad"]
    said = kfine_command("predict", text_run, tmp_path / "folder")
    assert [row["label"] for row in csv.DictReader(io.StringIO(said.out))] == ["good"]
    said = kfine_command("predict", text_run, tmp_path / "table.csv")
    rows = list(csv.DictReader(io.StringIO(said.out)))
    assert [(Path(row["name"]).name, row["label"]) for row in rows] == [
        ("table.csv:2", "good"),
        ("table.csv:3", "bad"),
    ]
    assert "set aside" in said.err and "table.csv:4: empty text" in said.err
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{good}\n\n{bad}\n"))
    said = kfine_command("predict", text_run, "-")
    assert [line.split(",")[:2] for line in said.out.splitlines()[1:]] == [
        ["line 1", "good"],
        ["line 3", "bad"],
    ]


def test_a_table_is_read_from_the_column_that_the_model_learned_from(
    tiny_text_preset: str, mood_texts: Path, tmp_path: Path
) -> None:
    """Else a longer or better named column beside it would be taken, without a word."""
    headlines = tmp_path / "headlines.csv"
    headlines.write_text(mood_texts.read_text().replace("text,label", "headline,label", 1))
    settings: dict[str, Any] = {"preset": tiny_text_preset, "epochs": 1, "unfreeze": "none"}
    path = tmp_path / "run"
    run = kfine.fit("text_classification", data=headlines, run_dir=path, console=QUIET, **settings)
    assert run.columns == {"text_column": "headline", "label_column": "label"}
    with headlines.open(newline="") as file:
        rows = list(csv.DictReader(file))[:6]
    both = tmp_path / "both.csv"
    with both.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["headline", "text", "label"])
        writer.writeheader()
        writer.writerows({**row, "text": "the plot is on at noon"} for row in rows)
    other = tmp_path / "other.csv"
    other.write_text("body,label\na fine film,good\na dull film,bad\n")
    expected = run.predict([row["headline"] for row in rows])
    right = np.mean([one.label == row["label"] for one, row in zip(expected, rows, strict=True)])
    exported = kfine.export(run, format="tflite", allow_refused=True, console=QUIET).path
    for model in (path, exported):
        found = kfine.predict(model, both, console=QUIET)
        for one, wanted in zip(found, expected, strict=True):
            assert one.label == wanted.label
            for row, known in zip(one.rows, wanted.rows, strict=True):
                assert row["probability"] == pytest.approx(known["probability"], abs=0.02)
        assert kfine.evaluate(model, data=str(both), console=QUIET)["accuracy"] == right
        with pytest.raises(DataError, match="no column 'headline'; there are: body, label"):
            kfine.predict(model, other, console=QUIET)
        with pytest.raises(DataError, match="no column 'headline'; there are: body, label"):
            kfine.evaluate(model, data=str(other), console=QUIET)
        assert len(kfine.predict(model, other, text_column="body", console=QUIET)) == 2


def test_a_prediction_is_that_of_the_model_whatever_stands_beside_it(text_run: Path) -> None:
    run = kfine.Run(text_run)
    long = " ".join(["the film is warm and the plot very loud ,"] * 3)
    alone = run.predict(["fine"])[0]
    among = run.predict([long, "fine", "dull end"])[1]
    for one, other in zip(alone.rows, among.rows, strict=True):
        assert one["label"] == other["label"]
        assert one["probability"] == pytest.approx(other["probability"], abs=1e-5)


def test_other_texts_are_scored_with_the_same_columns(text_run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text('text,label\n"a lovely end",good\n"a loud , tired plot",bad\n')
    assert kfine.evaluate(text_run, data=str(other), console=QUIET)["count"] == 2
    other.write_text('text,label\n"a lovely end",great\n"a loud , tired plot",bad\n')
    with pytest.raises(DataError, match="does not know the labels 'great'"):
        kfine.evaluate(text_run, data=str(other), console=QUIET)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("lost.txt", "There is no file lost.txt"),
        ("lost.csv", "There is no file lost.csv"),
        ("", "None of the 1 texts can be read"),
    ],
)
def test_what_is_no_text_is_refused(text_run: Path, given: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        kfine.predict(text_run, given, console=QUIET)


def refused(**settings: Any) -> str:
    with pytest.raises(KfineError) as error:
        prepare("text_classification", None, settings)
    return str(error.value)


def test_the_chosen_length_is_one_that_the_preset_takes(
    text_settings: dict[str, Any], tmp_path: Path
) -> None:
    rows = [f"{'fine film ' * n},good\n{'dull plot ' * n},bad" for n in range(30, 60)]
    (tmp_path / "long.csv").write_text("\n".join(["text,label", *rows]))
    prepared, _ = built(**{**text_settings, "data": str(tmp_path / "long.csv")})
    assert prepared.built.input.sequence_length == 48, "all its positions"


def test_presets_that_take_no_texts_are_refused(
    tiny_preset: str, tiny_text_preset: str, mood_texts: Path, tmp_path: Path
) -> None:
    data = str(mood_texts)
    assert "holds a EfficientNetBackbone, which does not take texts" in refused(
        data=data, preset=tiny_preset
    )
    assert "takes 48 tokens at most" in refused(
        data=data, preset=tiny_text_preset, sequence_length=64
    )
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "config.json").write_text((Path(tiny_text_preset) / "config.json").read_text())
    with pytest.raises(PresetError, match="has no tokenizer that kfine knows"):
        built(data=data, preset=str(bare))


def test_a_dry_run_and_a_search_know_texts(text_settings: dict[str, Any], tmp_path: Path) -> None:
    plan = kfine.dry_run("text_classification", console=QUIET, **text_settings, unfreeze="2:2")
    assert [stage["features"] for stage in plan["stages"]] == ["cached", "computed"]
    # A setting that is given is held.
    settings = {**text_settings, "unfreeze": "none", "epochs": 2}
    del settings["learning_rate"]
    search = kfine.tune(
        "text_classification",
        kfine.SearchSettings(trials=2),
        run_dir=tmp_path / "search",
        console=QUIET,
        **settings,
    )
    assert [trial.status for trial in search.trials] == ["completed", "completed"]
    rates = {trial.values["learning_rate"] for trial in search.trials}
    assert len(rates) == 2


def test_a_split_that_tells_little_is_named_with_its_interval(
    text_settings: dict[str, Any], kfine_command: Callable[..., Any], mood_texts: Path
) -> None:
    said = kfine_command(
        "fit",
        "text_classification",
        "--data",
        mood_texts,
        "--preset",
        text_settings["preset"],
        "--dry-run",
    )
    assert said.status == 0
    assert "the test split has 24 examples, too few to tell much: 80 % right on it" in said.err


@pytest.mark.slow
def test_every_verb_names_texts_that_are_cut(
    text_settings: dict[str, Any], tmp_path: Path, kfine_command: Callable[..., Any]
) -> None:
    given = {**text_settings, "sequence_length": 16, "unfreeze": "none", "epochs": 1}
    run = tmp_path / "run"
    options = [part for k, v in given.items() for part in (f"--{k.replace('_', '-')}", v)]
    said = kfine_command("fit", "text_classification", *options, "--run-dir", run)
    assert said.status == 0, said.err
    for split in ("train", "validation", "test"):
        (line,) = (one for one in said.err.splitlines() if f" {split} texts are longer" in one)
        assert "than 16 tokens, and what is behind is not read: " in line
    metrics = json.loads(kfine_command("evaluate", run, "--json", "--quiet").out)
    named = metrics["cut"]
    assert len(named) > 0 and f"{len(named)} of {metrics['count']} test texts" in said.err
    short, long = "a fine film", "fine film " * 30
    said = kfine_command("predict", run, short, long, "--json")
    rows = json.loads(said.out)
    assert ["cut" in row for row in rows] == [False, True]
    assert "1 of 2 texts are longer than 16 tokens" in said.err
    said = kfine_command("export", run, "--max-drop", 1)
    assert said.status == 0, said.err
    assert f"{len(named)} of " in said.err and "what is behind is not read" in said.err
    bundle = next((run / "exports").glob("bundle-*/"))
    assert json.loads((bundle / "report.json").read_text())["cut"] == len(named)
    assert "held-out texts that were too long" in (bundle / "model_card.md").read_text()
    said = kfine_command("evaluate", bundle, "--json")
    assert json.loads(said.out)["cut"] == named and "is not read" in said.err


@pytest.fixture(scope="module")
def windows_run(
    tiny_text_preset: str, mood_texts: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A finished and evaluated run that reads texts in windows of 8 pieces."""
    path = tmp_path_factory.mktemp("runs") / "windows"
    settings: dict[str, Any] = {"data": str(mood_texts), "preset": tiny_text_preset}
    settings |= {"epochs": 10, "batch_size": 16, "min_steps": 30, "sequence_length": 10}
    settings |= {"learning_rate": 0.05, "backbone_rate": 0.2, "long_texts": "windows"}
    run = kfine.fit("text_classification", run_dir=path, console=QUIET, **settings)
    kfine.evaluate(run, console=QUIET)
    return path


def test_long_texts_are_read_in_windows_whose_answers_are_averaged(windows_run: Path) -> None:
    run = kfine.Run(windows_run)
    text = " ".join(["the film is a fine film and the plot is"] * 3)
    encoded = run.input.encode([text, "a film"])
    # 30 pieces, 8 of them in a row, 6 from one row to the next.
    assert encoded.places.owner.tolist() == [0, 0, 0, 0, 0, 1]
    rows = [
        run.input.tokenizer.encode(" ".join(text.split()[first : first + 8])).token_ids
        for first in range(0, 30, 6)
    ]
    assert encoded.rows["token_ids"][:5].tolist() == rows
    alone = list(run.predictor.predict(" ".join(text.split()[n : n + 8]) for n in range(0, 30, 6)))
    (found,) = run.predictor.predict([text])
    assert found == pytest.approx(np.mean(alone, axis=0), abs=1e-5)
    decisions = run._folder.info()["decisions"]["sequence_length"]
    assert "are read in windows" in decisions and "times as long as cutting them" in decisions
    metrics = json.loads((windows_run / "metrics.json").read_text())
    assert metrics["accuracy"] > 0.85 and "cut" not in metrics
    assert metrics["baselines"]["linear_probe"]["accuracy"] > 0.5


@pytest.mark.slow
def test_a_file_and_its_program_read_the_same_windows(
    windows_run: Path, tmp_path: Path, kfine_command: Callable[..., Any]
) -> None:
    report = kfine.export(windows_run, max_drop=1, console=QUIET)
    run = kfine.Run(windows_run)
    text = " ".join(["the film is a fine film and the plot is"] * 3)
    (right,) = run.predictor.predict([text])
    said = kfine_command("predict", report.bundle, text, "--json", "--quiet")
    (row,) = json.loads(said.out)
    found = {one["label"]: one["probability"] for one in row["predictions"]}
    code = f"import json, classify; print(json.dumps(classify.classify({text!r})))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=report.bundle / "snippets", capture_output=True, text=True
    )
    assert json.loads(done.stdout) == pytest.approx(found, abs=1e-4), done.stderr
    assert list(found.values()) == pytest.approx(sorted(right, reverse=True), abs=0.05)
    card = (report.bundle / "model_card.md").read_text()
    assert "whose windows overlap" in card

    import tensorflow as tf

    kfine.export(windows_run, format="saved_model", console=QUIET)
    saved = tf.saved_model.load(str(windows_run / "exports" / "saved_model" / "strings"))
    served = saved.signatures["serve_text"](text=tf.constant([text, "a film"]))["probabilities"]
    assert served.numpy()[0] == pytest.approx(right, abs=1e-4)


def test_folds_score_each_long_text_once(text_settings: dict[str, Any], tmp_path: Path) -> None:
    settings = {**text_settings, "long_texts": "windows", "sequence_length": 10, "epochs": 1}
    found = kfine.cross_validate(
        "text_classification", folds=2, run_dir=tmp_path / "folds", console=QUIET, **settings
    )
    assert found["out_of_fold"]["count"] == 136, "all but the 24 of the test split"
