"""A language model from conversations to replies: what is learned, judged, kept and refused."""

from __future__ import annotations

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
from kfine.errors import ConfigError, DataError, PresetError

pytestmark = pytest.mark.keras
QUIET = Console(quiet=True)
THINGS = ("ball", "dog", "tree")


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """JSONL: what is asked for is given."""
    chance = random.Random(0)
    rows = []
    for number in range(90):
        thing, other = chance.choice(THINGS), chance.choice(THINGS)
        output = f"the {thing}"
        rows.append({"instruction": f"give {number}", "input": thing, "output": output})
        rows[-1]["other"] = other
    path = tmp_path_factory.mktemp("said") / "things.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


@pytest.fixture(scope="module")
def settings(said: Path, tiny_language_preset: str) -> dict[str, Any]:
    return {
        "data": str(said),
        "preset": tiny_language_preset,
        "adapter": "none",
        "unfreeze": "all",
        "epochs": 12,
        "batch_size": 8,
        "learning_rate": 0.03,
        "backbone_rate": 1.0,
    }


@pytest.fixture(scope="module")
def run(settings: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> kfine.Run:
    path = tmp_path_factory.mktemp("generation") / "run"
    found = kfine.fit("text_generation", run_dir=path, console=QUIET, **settings)
    kfine.evaluate(found, console=QUIET)
    return found


def test_a_model_learns_to_reply(run: kfine.Run) -> None:
    metrics = run.metrics
    assert metrics["primary"] == "rouge_l" and metrics["rouge_l"] > 0.6
    assert metrics["rouge_l"] > metrics["baselines"]["untuned"]["rouge_l"] + 0.3
    # A random model gives each of 265 tokens alike.
    untuned = metrics["told"]["untuned"]
    assert untuned["loss"] == pytest.approx(np.log(265), rel=0.05)
    assert metrics["told"]["loss"] < 1 and metrics["told"]["gain"]["share"] > 0.8
    assert metrics["told"]["gain"]["p_value"] < 0.01
    assert metrics["told"]["perplexity"] == pytest.approx(np.exp(metrics["told"]["loss"]))


def test_the_loss_is_of_the_wanted_tokens_alone(run: kfine.Run) -> None:
    from kfine.evaluation.told import told

    data = json.loads((run.path / "splits.json").read_text())
    assert data
    from kfine.recipe import load_recipe
    from kfine.training.data import load_data_of_run

    split = load_data_of_run(run.folder, load_recipe("text_generation"), run.config, QUIET).test
    assert split is not None
    found = told(run.model, run.input, run.answer, split, 4)
    vocabulary = run.input.vocabulary
    for number in (0, len(split) - 1):
        (example,) = split.examples([number])
        prompt = run.input.tokens(example)
        reply = [*vocabulary.encode(split.labels[number]), run.answer.ends[0]]
        given = {"prompt_ids": np.array([prompt]), "reply_ids": np.array([reply])}
        logits = np.array(run.model(given))[0].astype(np.float64)
        logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        expected = -logs[np.arange(len(reply)), reply].sum()
        assert found.losses[number] == pytest.approx(expected, rel=1e-4)
        assert found.tokens[number] == len(reply)
        assert found.right[number] == (logits.argmax(-1) == reply).sum()


def test_replies_of_both_models_lie_side_by_side(run: kfine.Run) -> None:
    rows = json.loads((run.path / "predictions.json").read_text())
    assert all({"label", "prediction", "rouge_l", "untuned"} <= set(row) for row in rows)
    assert any(row["untuned"] != row["prediction"] for row in rows)


def test_prompts_are_asked_as_they_are_learned(run: kfine.Run, said: Path) -> None:
    (alone,) = kfine.predict(run, "give 4\n\nball", console=QUIET)
    assert alone.rows[0]["text"].startswith("the") and 0 < alone.rows[0]["probability"] <= 1
    table = kfine.predict(run, said, console=QUIET)
    assert len(table) == 90 and table[0].name.endswith("things.jsonl:1")
    # The same words, written out, have the same reply.
    row = json.loads(said.read_text().splitlines()[0])
    (same,) = kfine.predict(run, f"{row['instruction']}\n\n{row['input']}", console=QUIET)
    assert same.rows[0]["text"] == table[0].rows[0]["text"]
    with pytest.raises(ConfigError, match="A context is for a model that answers questions"):
        kfine.predict(run, "give", context="x", console=QUIET)


def test_other_data_is_scored(run: kfine.Run, tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text("the ball and the dog " * 60)
    metrics = kfine.evaluate(run, data=str(tmp_path / "book.txt"), console=QUIET)
    assert np.isfinite(metrics["told"]["untuned"]["perplexity"])
    (page,) = (run.path / "evaluations").glob("*book.txt/mistakes.html")
    assert page.read_text().count("Written by the untuned model") == metrics["count"]


def test_it_leaves_as_a_saved_model(run: kfine.Run) -> None:
    import tensorflow as tf

    with pytest.raises(ConfigError, match=r"servers as saved_model\. Received: tflite"):
        kfine.export(run, format="tflite", console=QUIET)
    report = kfine.export(run, format="saved_model", console=QUIET)
    assert report.verdict.passed
    loaded = tf.saved_model.load(str(report.path)).signatures["serving_default"]
    encoded = run.input.encode(["give 4\n\nball"])
    found = loaded(prompt_ids=tf.constant(encoded.rows))
    given = {name: value.numpy() for name, value in found.items()}
    (written,) = run.answer.decode(given, encoded.places)
    assert written == next(iter(run.predictor.predict(["give 4\n\nball"])))
    (asked,) = kfine.predict(report.path, "give 4\n\nball", console=QUIET)
    assert asked.rows[0]["text"] == written.text


def test_adapters_alone_may_train_and_compute_again(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    losses = []
    for recompute in (False, True):
        mine = {**settings, "adapter": "lora", "epochs": 2, "recompute": recompute}
        run = kfine.fit("text_generation", run_dir=tmp_path / str(recompute), console=QUIET, **mine)
        losses.append([one["loss"] for one in run.history])
        assert (run.path / "adapter.safetensors").is_file()
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_what_is_wrong_is_one_sentence(
    settings: dict[str, Any], tiny_text_preset: str, tmp_path: Path
) -> None:
    def fit(**changed: Any) -> None:
        kfine.fit(
            "text_generation", run_dir=tmp_path / "run", console=QUIET, **{**settings, **changed}
        )

    with pytest.raises(PresetError, match=r"presets of Llama, .* which is BertBackbone"):
        fit(preset=tiny_text_preset)
    with pytest.raises(ConfigError, match="template is auto, plain or a file"):
        fit(template="none.jinja")
    rows = [{"messages": [{"role": r, "content": "x"} for r in ("system", "user", "assistant")]}]
    (tmp_path / "chat.jsonl").write_text("\n".join(map(json.dumps, rows * 30)))
    with pytest.raises(ConfigError, match="no chat template, so messages with roles"):
        fit(data=str(tmp_path / "chat.jsonl"), template="plain")
    (tmp_path / "empty.jsonl").write_text('{"prompt": "a", "completion": ""}')
    with pytest.raises(DataError, match="none of the 1 rows"):
        fit(data=str(tmp_path / "empty.jsonl"))
    assert not (tmp_path / "run").exists() or not (tmp_path / "run" / "model.keras").exists()


def test_what_is_said_is_what_is_predicted_in_pieces(run: kfine.Run) -> None:
    chat = kfine.Chat(run, console=QUIET)
    pieces = list(chat.say("give 4\n\nball"))
    (alone,) = kfine.predict(run, "give 4\n\nball", console=QUIET)
    assert "".join(pieces).strip() == alone.rows[0]["text"] and len(pieces) > 2
    assert chat.turns == [("user", "give 4\n\nball"), ("assistant", "".join(pieces))]
    # The second reply knows of the first turn, so its prompt is another.
    again = "".join(chat.say("give 4\n\nball"))
    assert len(chat.turns) == 4
    chat.forget()
    assert "".join(chat.say("give 4\n\nball")) == "".join(pieces)
    tokens = run.input.spoken([("user", "x"), ("assistant", again), ("user", "x")])
    assert run.input.vocabulary.decode(tokens).count("user") == 2
    short = kfine.Chat(run, longest=2, console=QUIET)
    assert len("".join(short.say("give 4\n\nball"))) < len("".join(pieces))
    with pytest.raises(ConfigError, match="above 0"):
        kfine.Chat(run, longest=0)


def test_the_terminal_talks(
    run: kfine.Run, kfine_command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (alone,) = kfine.predict(run, "give 4\n\nball", console=QUIET)
    said = kfine_command("chat", run.path, "give 4\n\nball", "--quiet")
    assert (said.status, said.out.strip()) == (0, alone.rows[0]["text"])
    monkeypatch.setattr("sys.stdin", io.StringIO("give 1\n\n/new\ngive 1\n/quit\ngive 2\n"))
    said = kfine_command("chat", run.path, "--quiet")
    first, second = said.out.splitlines()
    assert first == second
