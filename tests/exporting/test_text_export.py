"""Exported classifiers of texts: raw text to the answer of Keras, from the file alone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kfine
from kfine.console import Console
from kfine.errors import ConfigError, ExportError

QUIET = Console(quiet=True)
BUNDLE = {
    "golden/golden.json",
    *(f"golden/{number:02d}.{ending}" for number in range(1, 5) for ending in ("npy", "bin")),
    "labels.txt",
    "model.tflite",
    "model_card.md",
    "report.json",
    "sha256sum.txt",
    *(f"snippets/{name}" for name in ("Classifier.kt", "Classifier.swift", "classify.py")),
    *(f"tokenizer/{name}" for name in ("tokenizer.json", "vocabulary.txt", "tokenizer.py")),
    *(f"tokenizer/{name}" for name in ("Tokenizer.js", "Tokenizer.kt", "Tokenizer.swift")),
    "snippets/classify.js",
}


@dataclass(frozen=True)
class Known:
    """A run, its held-out texts, and what Keras answers to them."""

    path: Path
    texts: list[str]
    probabilities: np.ndarray


@pytest.fixture(scope="module")
def known(text_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Known:
    from kfine.recipe import recipe_of_run
    from kfine.training.data import load_data_of_run

    path = Path(shutil.copytree(text_run, tmp_path_factory.mktemp("export") / "moods"))
    run = kfine.Run(path)
    data = load_data_of_run(run.folder, recipe_of_run(run.folder)[0], run.config, QUIET)
    texts = [str(one) for one in data.test.inputs[range(len(data.test))]]
    return Known(path, texts, np.stack(run.predictor.predict_split(data.test)))


@pytest.fixture(scope="module")
def bundle(known: Known) -> Path:
    report = kfine.export(known.path, max_drop=1, console=QUIET)
    assert (report.quantize, report.form, report.input) == ("dynamic", "fixed", "text")
    return Path(report.bundle)


@pytest.fixture(scope="module")
def saved_model(known: Known) -> Path:
    report = kfine.export(known.path, format="saved_model", console=QUIET)
    assert report.path.name == "saved_model"
    assert report.verdict.agreement == 1.0
    return Path(report.path)


def test_the_model_under_test_has_learned(known: Known) -> None:
    assert known.probabilities.max(axis=1).mean() > 0.8


def test_an_evaluation_tokenizes_each_text_once(
    known: Known, mood_texts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kfine.inputs.text.tokenizers import once

    keys: list[bytes] = []
    keep = once.Memory._keep
    monkeypatch.setattr(once, "_memories", type(once._memories)())
    monkeypatch.setattr(
        once.Memory, "_keep", lambda self, key, rows: (keys.append(key), keep(self, key, rows))
    )
    kfine.evaluate(known.path, console=QUIET)
    assert len(keys) == len(set(keys)) >= len(known.texts)
    texts = {line.rsplit(",", 1)[0].strip('"') for line in mood_texts.read_text().splitlines()[1:]}
    assert len(keys) <= len(texts)


def test_the_file_of_a_bundle_answers_texts_as_keras_does(known: Known, bundle: Path) -> None:
    from kfine.exporting.measuring.lint import lint_file
    from kfine.runtimes.loading import load_exported

    exported = load_exported(bundle / "model.tflite")
    assert (exported.labels, exported.input.kind) == (("bad", "good"), "text")
    got = np.stack(list(exported.predict(known.texts)))
    assert np.abs(got - known.probabilities).max() < 0.05
    assert lint_file(bundle / "model.tflite") == []
    assert len(list(exported.predict(["", "fine " * 100]))) == 2
    for wrong in (3, ("a", "b", "c"), ("a", None), np.zeros((8, 8, 3), np.uint8)):
        with pytest.raises(
            ExportError, match=r"must be a str, a tuple of two, or a TaggedText\. Received"
        ):
            list(exported.predict([wrong]))


def test_folder_and_zip_of_a_bundle_hold_tokenizer_and_programs(bundle: Path) -> None:
    found = {path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()}
    assert found == BUNDLE
    with zipfile.ZipFile(bundle.with_suffix(".zip")) as archive:
        for name in BUNDLE:
            assert archive.read(f"{bundle.name}/{name}") == (bundle / name).read_bytes()
    with zipfile.ZipFile(bundle / "model.tflite") as archive:
        assert archive.testzip() is None
        for name in ("tokenizer.json", "vocabulary.txt"):
            inside = archive.read(f"tokenizer/{name}").decode()
            beside = (bundle / "tokenizer" / name).read_text("utf-8")
            assert inside == beside or json.loads(inside) == json.loads(beside)
        assert {one.compress_type for one in archive.infolist()} == {zipfile.ZIP_STORED}


def test_the_golden_texts_are_answered_by_the_python_program_without_tensorflow(
    bundle: Path, tmp_path: Path
) -> None:
    moved = shutil.copytree(bundle, tmp_path / "elsewhere")
    check = """
import json, sys
from pathlib import Path
import numpy as np
sys.path.insert(0, "snippets")
import classify
golden = json.loads(Path("golden/golden.json").read_text())
for one in golden["examples"]:
    ids = np.array([classify.prepare(one["text"]).token_ids], np.int32)
    assert ids.tolist() == [one["token_ids"]] == np.load(f"golden/{one['tensor']}").tolist()
    assert ids.tobytes() == Path("golden", one["bytes"]).read_bytes()
    found = classify.classify(one["text"])
    expected = one["probabilities"]
    assert found.keys() == expected.keys()
    assert all(abs(found[name] - expected[name]) <= golden["tolerance"] for name in found)
    assert max(found, key=found.get) == one["top"]
print(len(golden["examples"]), *sorted({"kfine", "tensorflow", "keras"} & sys.modules.keys()))
"""
    command = [sys.executable, "-c", check]
    done = subprocess.run(command, cwd=moved, capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.returncode) == ("4\n", 0), done.stderr
    program = [sys.executable, "snippets/classify.py", "a fine , lovely , witty , warm film"]
    done = subprocess.run(program, cwd=moved, capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines()[0].endswith("good"), done.stderr


def test_programs_for_phones_use_the_tokenizer_of_the_bundle(bundle: Path) -> None:
    kotlin = (bundle / "snippets" / "Classifier.kt").read_text()
    swift = (bundle / "snippets" / "Classifier.swift").read_text()
    assert 'context.assets.open("tokenizer/$name")' in kotlin
    assert 'forResource: "tokenizer"' in swift
    assert 'listOf("bad", "good")' in kotlin and '["bad", "good"]' in swift
    assert "Int32($0)" in swift


def test_card_report_and_metadata_speak_of_texts(bundle: Path) -> None:
    from kfine.exporting.metadata.embedding import read_buffer
    from kfine.exporting.metadata.model_metadata import BUFFER_NAME
    from kfine.runtimes.carried import read_metadata

    card = (bundle / "model_card.md").read_text()
    report = json.loads((bundle / "report.json").read_text())
    assert "Classifies texts into 2 classes: bad, good." in card
    assert "In: the token ids of one text, int32 (1, 32)" in card
    assert f"{report['verdict']['count']} held-out texts" in card
    assert "| training texts | 112 |" in card
    assert not {"image", "photo", "pixel"} & set(card.replace(",", " ").lower().split())
    assert report["preprocessing"]["masks"]["names"] == ["padding_mask", "segment_ids"]
    assert report["input"] == "text"
    info = read_metadata(bundle / "model.tflite")[1]
    assert info["input"]["sequence_length"] == 32
    assert info["description"] == "Classifies texts into: bad, good."
    described = read_buffer((bundle / "model.tflite").read_bytes(), BUFFER_NAME) or b""
    for words in (b"token_ids", b"Ids of 32 tokens", b"labels.txt", b"M001"):
        assert words in described


def test_a_saved_model_takes_ids_and_strings_and_gives_the_same(
    known: Known, saved_model: Path
) -> None:
    import tensorflow as tf

    from kfine.runtimes.carried import read_metadata
    from kfine.runtimes.loading import load_exported

    exported = load_exported(saved_model)
    got = np.stack(list(exported.predict(known.texts)))
    assert np.abs(got - known.probabilities).max() < 1e-5
    assert read_metadata(saved_model)[1]["signatures"] == {
        "serving_default": {},
        "serve_text": {"requires": "tensorflow_text", "folder": "strings"},
    }
    loaded = tf.saved_model.load(str(saved_model))
    assert set(loaded.signatures) == {"serving_default"}
    strings = tf.saved_model.load(str(saved_model / "strings"))
    assert "import tensorflow_text" in (saved_model / "README.txt").read_text()
    ids = exported.input.encode(known.texts).rows["token_ids"]
    by_ids = loaded.signatures["serving_default"](token_ids=tf.constant(ids))["probabilities"]
    by_text = strings.signatures["serve_text"](text=tf.constant(known.texts))["probabilities"]
    assert by_ids.shape == (len(known.texts), 2)
    assert np.abs(by_ids - by_text).max() < 1e-6
    assert (saved_model / "assets.extra" / "tokenizer" / "vocabulary.txt").is_file()


def test_a_saved_model_of_texts_loads_in_plain_tensorflow(saved_model: Path) -> None:
    program = """
import sys
import numpy as np
import tensorflow as tf
serve = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
length = serve.structured_input_signature[1]["token_ids"].shape[1]
found = serve(token_ids=tf.zeros((2, length), tf.int32))["probabilities"]
print(found.shape, *sorted({"tensorflow_text", "keras_hub", "kfine"} & sys.modules.keys()))
"""
    command = [sys.executable, "-c", program, str(saved_model)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (0, "(2, 2)\n"), done.stderr


def test_without_tensorflow_text_there_is_one_signature(
    known: Known, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "tensorflow_text" else find(name, *rest),
    )
    run = kfine.Run(known.path)
    assert run.input.device().signatures(None, run.answer) == {}


@pytest.mark.parametrize(("format", "package"), [("onnx", "tf2onnx"), ("openvino", "openvino")])
def test_other_runtimes_answer_texts_too(known: Known, format: str, package: str) -> None:
    pytest.importorskip(package)
    from kfine.runtimes.loading import load_exported

    report = kfine.export(known.path, format=format, quantize="none", console=QUIET)
    exported = load_exported(report.path)
    got = np.stack(list(exported.predict(known.texts)))
    assert np.abs(got - known.probabilities).max() < 1e-4


@pytest.mark.parametrize("quantize", ["float16", "int8"])
def test_other_quantizations_are_measured_on_the_texts(known: Known, quantize: str) -> None:
    report = kfine.export(
        known.path,
        format="tflite",
        quantize=quantize,
        calibration=40,
        max_drop=1,
        allow_refused=True,
        console=QUIET,
    )
    assert report.verdict.count == len(known.texts)
    if quantize == "float16":
        assert report.verdict.agreement == 1.0
        assert report.path.name == "model-float16.tflite"
    else:
        assert report.calibration is not None
        assert report.calibration["per_class"] == {"bad": 20, "good": 20}
        assert report.verdict.agreement > 0.8, report.refusal_sentence()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"format": "trainable"}, "does not learn on the phone"),
        ({"format": "onnx", "quantize": "dynamic"}, "onnx takes quantize none"),
        ({"input": "any"}, "takes token ids of one length"),
        ({"quantize": "int8-full"}, "token ids have to stay whole numbers"),
    ],
)
def test_what_texts_cannot_be_exported_as_is_one_sentence(
    known: Known, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        kfine.export(known.path, console=QUIET, **settings)


def test_a_file_predicts_is_scored_and_timed_on_its_own(
    kfine_command: Callable[..., Any], bundle: Path, mood_texts: Path, tmp_path: Path
) -> None:
    alone = Path(shutil.copy(bundle / "model.tflite", tmp_path / "alone.tflite"))
    said = kfine_command("predict", alone, "a fine , lovely , witty , warm film", "--json")
    assert said.status == 0, said.err
    assert json.loads(said.out)[0]["label"] == "good"
    said = kfine_command("evaluate", alone, "--data", mood_texts, "--json", "--quiet")
    assert said.status == 0, said.err
    assert json.loads(said.out)["accuracy"] > 0.8
    said = kfine_command("benchmark", alone, "--runs", 5, "--json", "--quiet")
    assert said.status == 0, said.err
    (row,) = json.loads(said.out)
    assert (row["input_shape"], row["kind"]) == ([1, 32], "tflite")


def test_a_run_of_texts_is_the_baseline_of_its_file(
    kfine_command: Callable[..., Any], bundle: Path
) -> None:
    said = kfine_command("benchmark", bundle, "--runs", 5, "--json", "--quiet")
    assert said.status == 0, said.err
    assert [row["kind"] for row in json.loads(said.out)] == ["keras", "tflite"]


@pytest.mark.slow
def test_auto_tries_what_texts_can_be_stored_as(known: Known) -> None:
    report = kfine.export(
        known.path, format="tflite", quantize="auto", max_drop=1, calibration=40, console=QUIET
    )
    tried = [one.quantize for one in report.ladder]
    assert tried == ["float16", "dynamic", "int8", "int4"]
    assert report.verdict.passed and report.quantize in tried


def rewritten(path: Path, target: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """The file with other members in its zip."""
    with zipfile.ZipFile(path) as archive:
        members = {one.filename: archive.read(one) for one in archive.infolist()}
        target.write_bytes(path.read_bytes()[: archive.infolist()[0].header_offset])
    change(members)
    with zipfile.ZipFile(target, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target


def described(**changes: Any) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        values = json.loads(members["tokenizer/tokenizer.json"])
        members["tokenizer/tokenizer.json"] = json.dumps({**values, **changes}).encode()

    return change


@pytest.mark.parametrize(
    "change",
    [
        lambda members: members.pop("tokenizer/tokenizer.json"),
        lambda members: members.pop("tokenizer/vocabulary.txt"),
        lambda members: members.update({"tokenizer/tokenizer.json": b"[" * 100_000}),
        lambda members: members.update({"tokenizer/vocabulary.txt": b" " * (2**24 + 1)}),
        lambda members: members.update({"tokenizer/vocabulary.txt": b"\xff\xfe"}),
        described(vocabulary="../../../etc/passwd"),
        described(vocabulary=["vocabulary.txt"]),
        described(sequence_length=2**30),
        described(lowercase=False),
        described(kind="sentencepiece", model="vocabulary.txt"),
    ],
)
def test_a_damaged_or_hostile_tokenizer_is_one_sentence(
    bundle: Path, tmp_path: Path, change: Any
) -> None:
    from kfine.runtimes.loading import load_exported

    bad = rewritten(bundle / "model.tflite", tmp_path / "bad.tflite", change)
    with pytest.raises(ExportError, match="is damaged") as caught:
        load_exported(bad, trusted=True)
    assert "\n" not in str(caught.value) and str(bad) in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_tokenizer_that_never_ends_is_tried_in_a_process_of_its_own(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kfine.inputs.text import Text
    from kfine.inputs.text.tokenizers import TokenizerFiles
    from kfine.runtimes import probe
    from kfine.runtimes.loading import load_exported

    def change(members: dict[str, bytes]) -> None:
        """Somebody who makes up a tokenizer can also work out its hash."""
        values = json.loads(members["tokenizer/tokenizer.json"])
        values["unicode"]["whole"] = " ".join(["0-10FFFF"] * 10_000)
        document = json.loads(members["kfine.json"])
        words = {"vocabulary.txt": members["tokenizer/vocabulary.txt"]}
        inputs = tuple(document["info"]["input"]["inputs"])
        made = Text(TokenizerFiles(values, words), inputs)
        document["info"]["input"] = made.to_dict()
        members["tokenizer/tokenizer.json"] = json.dumps(values).encode()
        members["kfine.json"] = json.dumps(document).encode()

    monkeypatch.setenv("KFINE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(probe, "SECONDS", 3)
    bad = rewritten(bundle / "model.tflite", tmp_path / "bad.tflite", change)
    with pytest.raises(ExportError, match="did not answer within 3 s"):
        load_exported(bad)
    assert not (tmp_path / "cache").exists()
