"""Entities and answers are learned, scored and predicted through the same frame."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kfine
from kfine.console import Console
from kfine.errors import ConfigError, DataError
from kfine.training.data import load_data
from kfine.training.job import build_job
from kfine.verbs.fit import prepare

QUIET = Console(quiet=True)
# All words are in the vocabulary of `tiny_text_preset`.
FIRST, LAST, PLAIN = (
    ("witty", "moving"),
    ("warm", "lovely"),
    ("a", "the", "film", "plot", "is", "very", "end"),
)
TINY: dict[str, Any] = {"epochs": 8, "batch_size": 16, "min_steps": 40, "learning_rate": 0.02}
TINY |= {"backbone_rate": 0.2, "refit": "no"}


@pytest.fixture(scope="module")
def tagged_texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """JSONL of 120 sentences with people such as `witty` and `witty warm`."""
    chance = random.Random(0)
    path = tmp_path_factory.mktemp("tagged") / "people.jsonl"
    with path.open("w") as file:
        for _ in range(120):
            tokens, tags = [], []
            for _ in range(chance.randint(3, 10)):
                if chance.random() < 0.25:
                    name = [chance.choice(FIRST), chance.choice(LAST)][: chance.randint(1, 2)]
                    tokens += name
                    tags += ["B-person", "I-person"][: len(name)]
                tokens.append(chance.choice(PLAIN))
                tags.append("O")
            file.write(json.dumps({"tokens": tokens, "tags": tags}) + "\n")
    return path


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SQuAD JSON of 90 questions: the answer is the word behind `is`; some contexts have none."""
    chance = random.Random(0)
    paragraphs = []
    for number in range(90):
        before, after = (" ".join(chance.choices(PLAIN[:4], k=chance.randint(4, 40))) for _ in "ab")
        answer = chance.choice(FIRST)
        none = number % 3 == 0
        context = f"{before} {after}" if none else f"{before} is {answer} , {after}"
        found = [] if none else [{"text": answer, "answer_start": len(before) + 4}]
        asked = {"id": f"q{number}", "question": "the film is", "answers": found}
        paragraphs.append({"context": context, "qas": [{**asked, "is_impossible": none}]})
    path = tmp_path_factory.mktemp("questions") / "train.json"
    document = {"version": "v2.0", "data": [{"title": "t", "paragraphs": paragraphs}]}
    path.write_text(json.dumps(document))
    return path


@pytest.fixture(scope="module")
def tagging_run(
    tiny_text_preset: str, tagged_texts: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    path = tmp_path_factory.mktemp("runs") / "people"
    settings: dict[str, Any] = {"data": str(tagged_texts), "preset": tiny_text_preset, **TINY}
    run = kfine.fit("token_classification", run_dir=path, console=QUIET, **settings)
    kfine.evaluate(run, console=QUIET)
    return path


@pytest.fixture(scope="module")
def answering_run(
    wide_text_preset: str, questions: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    path = tmp_path_factory.mktemp("runs") / "answers"
    settings: dict[str, Any] = {"data": str(questions), "preset": wide_text_preset}
    settings |= {**TINY, "stride": 16, "sequence_length": 80}
    run = kfine.fit("question_answering", run_dir=path, console=QUIET, **settings)
    kfine.evaluate(run, console=QUIET)
    return path


def built(recipe: str, **settings: Any) -> Any:
    module, config = prepare(recipe, None, settings)
    data = load_data(module, config, QUIET)
    return build_job(module, config, data, QUIET), data


def test_entities_are_learned_and_beat_the_baselines_that_are_beside_them(
    tagging_run: Path,
) -> None:
    metrics = json.loads((tagging_run / "metrics.json").read_text())
    assert metrics["primary"] == "f1" and metrics["f1"] > 0.9
    assert set(metrics["baselines"]) == {"known_entities", "head_alone"}
    assert metrics["gain"]["over"] == "head_alone"
    data = json.loads((tagging_run / "data.json").read_text())
    assert set(data["splits"]["train"]["per_class"]) == {"person"}
    rows = json.loads((tagging_run / "predictions.json").read_text())
    assert sum(len(row["prediction"]) for row in rows) > 0
    assert {"type", "text", "start", "end", "probability"} == set(rows[0]["prediction"][0])


def test_entities_of_a_plain_text_come_with_their_places(
    tagging_run: Path, kfine_command: Callable[..., Any]
) -> None:
    text = "The film is witty, and moving!"
    said = kfine_command("predict", tagging_run, text, "--json")
    (row,) = json.loads(said.out)
    for one in row["predictions"]:
        assert text[one["start"] : one["end"]] == one["text"]
    assert [one["text"] for one in row["predictions"]] == ["witty", "moving"]
    table = list(
        csv.DictReader(io.StringIO(kfine_command("predict", tagging_run, text, "a film").out))
    )
    assert [(one["name"], one["text"]) for one in table] == [
        (text, "witty"),
        (text, "moving"),
        ("a film", ""),
    ]


def test_entities_at_the_end_of_a_long_text_are_found(
    tagging_run: Path, kfine_command: Callable[..., Any], tmp_path: Path
) -> None:
    text = "the film is a film and " * 60 + "witty"
    said = kfine_command("predict", tagging_run, text, "--json")
    (row,) = json.loads(said.out)
    assert row["predictions"][-1]["start"] == len(text) - len("witty")
    assert "cut" not in row
    info = json.loads((tagging_run / "run.json").read_text())
    assert "are read in windows" in info["decisions"]["sequence_length"]
    # A data set of such texts is scored whole.
    words = text.split()
    lines = "".join(f"{one}\t{'B-person' if one == 'witty' else 'O'}\n" for one in words)
    data = tmp_path / "long.conll"
    data.write_text(f"{lines}\n{lines}")
    found = kfine.evaluate(tagging_run, data=str(data), console=QUIET)
    assert (found["support"], found["token_count"]) == (2, 2 * len(words))
    assert found["recall"] == 1.0
    assert "cut" not in found


def test_pieces_without_a_tag_do_not_count(tiny_text_preset: str, tagged_texts: Path) -> None:
    import keras

    from kfine.answers.losses import TagAccuracy, TagLoss

    prepared, _ = built("token_classification", data=str(tagged_texts), preset=tiny_text_preset)
    inputs, targets = next(iter(prepared.job.batches.dataset()))
    assert targets.shape == inputs["token_ids"].shape, "trimmed alike"
    logits = np.random.default_rng(0).normal(size=(*targets.shape, 3)).astype("float32")
    kept = targets.numpy() >= 0
    plain = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    assert float(TagLoss()(targets, logits)) == pytest.approx(
        float(plain(targets.numpy()[kept], logits[kept])), rel=1e-5
    )
    accuracy = TagAccuracy()
    accuracy.update_state(targets, logits)
    found = (logits.argmax(-1) == targets.numpy())[kept].mean()
    assert float(accuracy.result()) == pytest.approx(found, rel=1e-5)
    smoothed = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.3)
    one_hot = np.eye(3, dtype="float32")[targets.numpy()[kept].astype(int)]
    assert float(TagLoss(0.3)(targets, logits)) == pytest.approx(
        float(smoothed(one_hot, logits[kept])), rel=1e-5
    )


def test_another_text_with_unknown_entities_is_refused(tagging_run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text('{"tokens": ["the", "end"], "tags": ["O", "B-place"]}\n')
    with pytest.raises(DataError, match="does not know the entity types 'place'"):
        kfine.evaluate(tagging_run, data=str(other), console=QUIET)


def test_no_split_divides_a_context(tiny_text_preset: str, questions: Path) -> None:
    module, config = prepare(
        "question_answering", None, {"data": str(questions), "preset": tiny_text_preset}
    )
    data = load_data(module, config, QUIET)
    contexts = [
        {one.context for one in split.inputs[range(len(split))]} for split in data.splits.values()
    ]
    assert len(contexts) == 3 and not set.intersection(*contexts)
    assert data.class_names == ("answer", "no answer")


def test_answers_are_learned_and_so_is_that_there_is_none(answering_run: Path) -> None:
    metrics = json.loads((answering_run / "metrics.json").read_text())
    assert metrics["exact_match"] > metrics["baselines"]["first_sentence"]["exact_match"]
    assert metrics["exact_match"] > 0.6
    assert metrics["has_answer"]["count"] and metrics["no_answer"]["count"]
    described = json.loads((answering_run / "input.json").read_text())
    kinds = (described["kind"], json.loads((answering_run / "answer.json").read_text())["kind"])
    assert (*kinds, described["stride"], described["sequence_length"]) == ("text", "spans", 16, 80)


def test_a_question_is_answered_from_its_context(
    answering_run: Path, questions: Path, tmp_path: Path, kfine_command: Callable[..., Any]
) -> None:
    rows = json.loads((answering_run / "predictions.json").read_text())
    known = next(row for row in rows if row["prediction"])
    paragraphs = json.loads(questions.read_text())["data"][0]["paragraphs"]
    context = paragraphs[int(known["name"].removeprefix("q"))]["context"]
    said = kfine_command("predict", answering_run, "the film is", "--context", context, "--json")
    (row,) = json.loads(said.out)
    (answer,) = row["predictions"]
    assert context[answer["start"] : answer["end"]] == answer["text"]
    assert answer["text"] == known["prediction"][0]["text"]
    (tmp_path / "page.txt").write_text(context)
    again = kfine_command(
        "predict", answering_run, "the film is", "--context", tmp_path / "page.txt", "--json"
    )
    assert json.loads(again.out) == json.loads(said.out)


def test_a_question_without_a_context_is_refused(answering_run: Path, tagging_run: Path) -> None:
    with pytest.raises(DataError, match=r"give the text.*with --context"):
        kfine.predict(answering_run, "the film is", console=QUIET)
    with pytest.raises(ConfigError, match="this one does not"):
        kfine.predict(tagging_run, "the film is", context="a plot", console=QUIET)


def test_folds_of_tagged_texts_keep_what_was_found(
    tiny_text_preset: str, tagged_texts: Path, tmp_path: Path
) -> None:
    from kfine.verbs.folds import cross_validate

    settings: dict[str, Any] = {"data": str(tagged_texts), "preset": tiny_text_preset, **TINY}
    settings |= {"epochs": 2, "min_steps": 1, "unfreeze": "none"}
    found = cross_validate(
        "token_classification", folds=2, run_dir=tmp_path / "f", console=QUIET, **settings
    )
    assert set(found["metrics"]) >= {"f1", "precision", "recall"}
    rows = json.loads((tmp_path / "f" / "out_of_fold.json").read_text())
    assert {row["fold"] for row in rows} == {1, 2}
    assert found["out_of_fold"]["count"] == len(rows)


def test_a_search_over_entities_compares_what_training_reports(
    tiny_text_preset: str, tagged_texts: Path, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {"data": str(tagged_texts), "preset": tiny_text_preset}
    settings |= {"epochs": 1, "min_steps": 1, "unfreeze": "none"}
    search = kfine.tune(
        "token_classification",
        kfine.SearchSettings(trials=1),
        run_dir=tmp_path / "search",
        console=QUIET,
        **settings,
    )
    assert search.settings["goals"] == {"val_accuracy": "max"}
