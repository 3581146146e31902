"""Exported models of entities and answers: what stands in a text, from the file alone."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kfine
from kfine.console import Console
from kfine.errors import ExportError

pytestmark = pytest.mark.keras

QUIET = Console(quiet=True)
FIRST, LAST = ("witty", "moving"), ("warm", "lovely")
PLAIN = ("a", "the", "film", "plot", "is", "very", "end")
TINY: dict[str, Any] = {"epochs": 8, "batch_size": 16, "min_steps": 40, "learning_rate": 0.02}
TINY |= {"backbone_rate": 0.2, "refit": "no"}


def run_in(bundle: Path, code: str) -> str:
    """What a program prints that lies beside nothing but the bundle."""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=bundle, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def tagging_run(tiny_text_preset: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that finds people such as `witty` and `witty warm`."""
    chance = random.Random(0)
    folder = tmp_path_factory.mktemp("tagging")
    lines = []
    for _ in range(120):
        tokens, tags = [], []
        for _ in range(chance.randint(3, 10)):
            if chance.random() < 0.25:
                name = [chance.choice(FIRST), chance.choice(LAST)][: chance.randint(1, 2)]
                tokens += name
                tags += ["B-person", "I-person"][: len(name)]
            tokens.append(chance.choice(PLAIN))
            tags.append("O")
        lines.append(json.dumps({"tokens": tokens, "tags": tags}) + "\n")
    (folder / "people.jsonl").write_text("".join(lines))
    settings = {"data": str(folder / "people.jsonl"), "preset": tiny_text_preset, **TINY}
    kfine.fit("token_classification", run_dir=folder / "people", console=QUIET, **settings)
    return folder / "people"


@pytest.fixture(scope="module")
def answering_run(tiny_text_preset: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that finds the word behind `is`, or none; long contexts take several rows."""
    import keras
    import keras_hub

    chance = random.Random(0)
    folder = tmp_path_factory.mktemp("answering")
    keras.utils.set_random_seed(2)
    config = keras_hub.models.Backbone.from_preset(tiny_text_preset).get_config()
    wide = keras_hub.models.BertBackbone(**{**config, "max_sequence_length": 96})
    wide.save_to_preset(folder / "wide")
    preprocessor = keras_hub.models.TextClassifierPreprocessor.from_preset(tiny_text_preset)
    preprocessor.save_to_preset(folder / "wide")
    paragraphs = []
    for number in range(90):
        before, after = (" ".join(chance.choices(PLAIN[:4], k=chance.randint(4, 60))) for _ in "ab")
        answer = chance.choice(FIRST)
        none = number % 3 == 0
        context = f"{before} {after}" if none else f"{before} is {answer} , {after}"
        found = [] if none else [{"text": answer, "answer_start": len(before) + 4}]
        asked = {"id": f"q{number}", "question": "the film is", "answers": found}
        paragraphs.append({"context": context, "qas": [{**asked, "is_impossible": none}]})
    document = {"version": "v2.0", "data": [{"title": "t", "paragraphs": paragraphs}]}
    (folder / "train.json").write_text(json.dumps(document))
    settings = {"data": str(folder / "train.json"), "preset": str(folder / "wide"), **TINY}
    settings |= {"stride": 16, "sequence_length": 80}
    kfine.fit("question_answering", run_dir=folder / "answers", console=QUIET, **settings)
    return folder / "answers"


@pytest.fixture(scope="module")
def tagging_bundle(tagging_run: Path) -> Path:
    report = kfine.export(tagging_run, console=QUIET)
    assert (report.quantize, report.verdict.metric, report.findings) == ("dynamic", "f1", ())
    assert report.verdict.reference > 0.9 and report.verdict.agreement > 0.9
    return Path(report.bundle)


@pytest.fixture(scope="module")
def answering_bundle(answering_run: Path) -> Path:
    report = kfine.export(answering_run, console=QUIET)
    assert report.verdict.metric == "f1" and report.verdict.reference > 0.6
    return Path(report.bundle)


def data_of(run: Path) -> Any:
    """The data of a run."""
    from kfine.recipe import recipe_of_run
    from kfine.training.data import load_data_of_run

    opened = kfine.Run(run)
    return load_data_of_run(opened.folder, recipe_of_run(opened.folder)[0], opened.config, QUIET)


@pytest.mark.parametrize("task", ["tagging", "answering"])
def test_a_file_gives_what_keras_gives_for_every_row(
    task: str, request: pytest.FixtureRequest
) -> None:
    from kfine.models.forward import predict_rows
    from kfine.runtimes.keras_model import finish
    from kfine.runtimes.loading import load_exported

    run = kfine.Run(request.getfixturevalue(f"{task}_run"))
    report = kfine.export(run, format="saved_model", console=QUIET)
    assert report.verdict.agreement == 1.0 and report.verdict.drop == pytest.approx(0)
    data, name = data_of(run.path), "probabilities" if task == "tagging" else "scores"
    encoded = run.input.encode(data.test.inputs)
    rows = encoded.rows
    assert (len(rows["token_ids"]) > len(data.test)) == (task == "answering")
    outputs = predict_rows(run.model, rows, None, 32, encoded.lengths)
    expected = finish(run.answer, outputs)[name]
    exported = load_exported(report.path)
    got = exported.outputs({"token_ids": rows["token_ids"]})[name]
    used = rows["padding_mask"] == 1
    assert got.shape == expected.shape
    assert np.abs(got - expected)[used].max() < 1e-3
    labels = ("O", "B-person", "I-person") if task == "tagging" else ("start", "end")
    assert exported.labels == labels
    assert exported.answer == run.answer and exported.answer.names == run.class_names


def served(run: Path, **strings: Any) -> dict[str, np.ndarray]:
    """What the SavedModel of a run answers to strings."""
    import tensorflow as tf

    from kfine.runtimes.loading import load_exported

    path = run / "exports" / "saved_model"
    if not path.is_dir():
        assert kfine.export(run, format="saved_model", console=QUIET).path == path
    load_exported(path)
    signature = tf.saved_model.load(str(path / "strings")).signatures["serve_text"]
    found = signature(**{name: tf.constant(values) for name, values in strings.items()})
    return {name: values.numpy() for name, values in found.items()}


def test_a_saved_model_tags_the_words_of_strings(tagging_run: Path) -> None:
    from kfine.inputs.text.words import split_words

    opened = kfine.Run(tagging_run)
    chance = random.Random(3)
    texts = ["The film is witty, and moving!", "a #witty\u200b \x01 film", "", "witty " * 60]
    texts += ["".join(chance.choices(PARTS, k=chance.randint(1, 9))) for _ in range(60)]
    texts += ["".join(chance.choices(PARTS, k=chance.randint(60, 200))) for _ in range(9)]
    found = served(tagging_run, text=texts)
    taggings = list(opened.predictor.predict(texts))
    unseen = 0
    for row, (text, tagging) in enumerate(zip(texts, taggings, strict=True)):
        spans = split_words(text).spans
        words = [text[start:end] for start, end in spans]
        assert [one.decode() for one in found["words"][row] if one] == words
        count = len(words)
        assert list(zip(found["start"][row], found["end"][row], strict=True))[:count] == list(spans)
        seen = found["probabilities"][row, :count].sum(-1) > 0.5
        sure = found["probabilities"][row, :count].max(-1)[seen]
        assert sure == pytest.approx(np.array(tagging.probabilities)[seen], abs=1e-4)
        names = np.array(opened.class_names)[found["probabilities"][row, :count].argmax(-1)]
        bare = [one[2:] or one for one in tagging.tags]
        assert [one[2:] or one for one in names[seen]] == list(np.array(bare, object)[seen])
        unseen += int((~seen).sum())
        assert not found["probabilities"][row, count:].any()
    # Words of control characters have no pieces; what is longer than a row is seen too.
    assert 30 < unseen < 400
    assert len(opened.input.encode(texts).places.owner) > len(texts) + 9


def test_a_saved_model_answers_questions_in_strings(answering_run: Path) -> None:
    from kfine.inputs.text.examples import Question

    opened = kfine.Run(answering_run)
    data = data_of(answering_run)
    asked = list(data.test.inputs[range(len(data.test))])
    for question, context in (
        ("the film is", "Is it Moving, or witty?"),
        ("the " * 90, "a plot is witty " * 40),
        ("", "witty"),
        ("the film is", ""),
    ):
        asked.append(Question("own", None, question, context, (), False))
    found = served(
        answering_run,
        question=[one.question for one in asked],
        context=[one.context for one in asked],
    )
    windows = opened.input.windows(asked)
    assert max(windows.examples.tolist().count(number) for number in range(len(asked))) > 2
    for row, (one, answer) in enumerate(zip(asked, opened.predictor.predict(asked), strict=True)):
        got = {name: values[row] for name, values in found.items()}
        assert got["null_score"] == pytest.approx(answer.null_score, abs=1e-3)
        assert got["score"] == pytest.approx(answer.score, abs=1e-3)
        assert got["answer"].decode() == one.context[got["start"] : got["end"]]
        if answer.text:
            assert (answer.start, answer.end) == (got["start"], got["end"])
        else:
            assert not one.context or got["null_score"] > got["score"]


@pytest.mark.parametrize(("format", "package"), [("onnx", "tf2onnx"), ("openvino", "openvino")])
@pytest.mark.parametrize("task", ["tagging", "answering"])
def test_other_runtimes_find_it_too(
    task: str, format: str, package: str, request: pytest.FixtureRequest
) -> None:
    pytest.importorskip(package)
    run = request.getfixturevalue(f"{task}_run")
    report = kfine.export(run, format=format, quantize="none", console=QUIET)
    assert report.verdict.agreement == 1.0 and report.verdict.drop == pytest.approx(0)


def test_segments_of_windows_are_worked_out_in_the_graph(answering_run: Path) -> None:
    from kfine.inputs.text.raw_tokens import RawTokens

    text = kfine.Run(answering_run).input
    rows = text.encode(data_of(answering_run).test.inputs).rows
    inputs = ("padding_mask", "segment_ids", "token_ids")
    found = RawTokens(inputs, *text.device().special_ids())(rows["token_ids"])
    for name in inputs:
        assert np.array_equal(np.asarray(found[name]), rows[name]), name
    assert rows["segment_ids"].any()


def test_the_entities_of_the_golden_texts_are_found_without_tensorflow(
    tagging_bundle: Path, tmp_path: Path
) -> None:
    check = """
import json, sys
from pathlib import Path
import numpy as np
sys.path.insert(0, "snippets")
import find_entities
golden = json.loads(Path("golden/golden.json").read_text())
for one in golden["examples"]:
    (row,) = find_entities.prepare(one["text"])
    assert [row.token_ids] == [one["token_ids"]] == np.load(f"golden/{one['tensor']}").tolist()
    (values,), expected = find_entities.run(row), np.load(f"golden/{one['output']}")[0]
    assert np.abs(values - expected).max() <= golden["tolerance"]
    assert expected.tobytes() == Path("golden", one["output_bytes"]).read_bytes()
    found = find_entities.find(one["text"])
    for entity, right in zip(found, one["entities"], strict=True):
        assert abs(entity.pop("probability") - right.pop("probability")) <= golden["tolerance"]
        assert entity == right
print(all(one["entities"] for one in golden["examples"]), len(golden["examples"]))
print(*sorted({"kfine", "tensorflow", "keras"} & sys.modules.keys()))
"""
    moved = Path(shutil.copytree(tagging_bundle, tmp_path / "elsewhere"))
    assert run_in(moved, check) == "True 4\n\n"


def test_the_program_finds_what_kfine_finds_in_any_text(
    tagging_bundle: Path, kfine_command: Callable[..., Any]
) -> None:
    texts = ["The film is witty, and moving!", "witty warm lovely", "a #witty\u200b \x01 film", "?"]
    said = kfine_command("predict", tagging_bundle, *texts, "--json", "--quiet")
    assert said.status == 0, said.err
    found = [row["predictions"] for row in json.loads(said.out)]
    assert [one["text"] for one in found[0]] == ["witty", "moving"]
    code = "import json, sys; sys.path.insert(0, 'snippets'); import find_entities\n"
    code += f"print(json.dumps([find_entities.find(one) for one in {texts!r}]))"
    for row, other in zip(json.loads(run_in(tagging_bundle, code)), found, strict=True):
        assert [{**one, "probability": 0} for one in row] == [
            {**one, "probability": 0} for one in other
        ]


def test_the_answers_of_the_golden_questions_are_found_without_tensorflow(
    answering_bundle: Path, tmp_path: Path
) -> None:
    check = """
import json, sys
from pathlib import Path
import numpy as np
sys.path.insert(0, "snippets")
import find_answer
golden = json.loads(Path("golden/golden.json").read_text())
for one in golden["examples"]:
    asked = one["question"], one["context"]
    (row,) = find_answer.prepare(*asked)
    assert [row.token_ids] == [one["token_ids"]] == np.load(f"golden/{one['tensor']}").tolist()
    (values,), expected = find_answer.run(row), np.load(f"golden/{one['output']}")[0]
    assert np.abs(values - expected).max() <= golden["tolerance"]
    found = find_answer.find(*asked)
    assert (found and {**one["answer"], "score": found["score"]}) == found
print(len(golden["examples"]))
print(*sorted({"kfine", "tensorflow", "keras"} & sys.modules.keys()))
"""
    moved = Path(shutil.copytree(answering_bundle, tmp_path / "elsewhere"))
    assert run_in(moved, check) == "4\n\n"


PARTS = (
    "witty",
    "Film's",
    "fine-plot",
    "@the",
    "…",
    "é́",
    "漢字",
    "\u200b",
    "\x01",
    "https://a.b/c?d",
    " ",
    "  ",
)


def test_the_program_reads_entities_as_kfine_does(
    tagging_bundle: Path, tagging_run: Path, program: Callable[[Path], Any]
) -> None:
    module = program(tagging_bundle / "snippets" / "find_entities.py")
    run, chance, most = kfine.Run(tagging_run), np.random.default_rng(0), 0
    for _ in range(200):
        text = "".join(chance.choice([*PARTS, *" " * 6], chance.integers(0, 90)))
        places = run.input.encode([text]).places
        most = max(most, len(places.owner))
        logits = chance.normal(size=(len(places.owner), run.input.sequence_length, 3)) * 2
        values = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
        rows = iter(values)
        module.run = lambda _, rows=rows: [next(rows)]
        (right,) = run.answer.decode({"probabilities": values}, places)
        for one, other in zip(module.find(text), right.entities(), strict=True):
            assert one == {**other, "probability": pytest.approx(other["probability"], abs=1e-5)}
    assert most > 2, "some texts are longer than two rows"


def test_the_program_reads_answers_as_kfine_does(
    answering_bundle: Path, answering_run: Path, program: Callable[[Path], Any]
) -> None:
    from kfine.inputs.text.examples import Question

    module = program(answering_bundle / "snippets" / "find_answer.py")
    run, chance = kfine.Run(answering_run), np.random.default_rng(0)
    row, most = run.input.sequence_length, 0
    for number in range(200):
        context = "".join(chance.choice([*PARTS, *" " * 6], chance.integers(1, 400)))
        asked = Question("q", None, "the film is", context, (), False)
        # Whole numbers, so that spans are often equal.
        places = run.input.encode([asked]).places
        values = chance.integers(-3, 4, (len(places.owner), row, 2)).astype(np.float32)
        values[:, 0] = -3 if number % 2 else 3
        most = max(most, len(values))
        windows = iter(values)
        module.run = lambda _, windows=windows: [next(windows)]
        (right,) = run.answer.decode({"scores": values}, places)
        found = module.find("the film is", context) or {"text": "", "start": 0, "end": 0}
        assert (found["text"], found["start"]) == (right.text, right.start), context
    assert most > 2, "contexts are longer than a row"


def test_a_file_alone_answers_and_is_scored(
    answering_bundle: Path,
    answering_run: Path,
    tmp_path: Path,
    kfine_command: Callable[..., Any],
) -> None:
    alone = Path(shutil.copy(answering_bundle / "model.tflite", tmp_path / "alone.tflite"))
    context = "the film plot a the is moving , the film"
    asked = ("the film is", "--context", context, "--json")
    said = kfine_command("predict", alone, *asked)
    assert said.status == 0, said.err
    (answer,) = json.loads(said.out)[0]["predictions"]
    assert context[answer["start"] : answer["end"]] == answer["text"] == "moving"
    report = json.loads((answering_bundle / "report.json").read_text())
    said = kfine_command("evaluate", answering_bundle, "--json", "--quiet")
    assert said.status == 0, said.err
    metrics = json.loads(said.out)
    assert metrics["f1"] == pytest.approx(report["verdict"]["exported"])
    assert "baselines" not in metrics and metrics["model"]["kind"] == "tflite"
    data = answering_run.parent / "train.json"
    said = kfine_command("evaluate", alone, "--data", data, "--json", "--quiet")
    assert said.status == 0, said.err
    assert json.loads(said.out)["f1"] > 0.6


def test_a_tagging_file_is_scored_as_its_run(
    tagging_bundle: Path, tagging_run: Path, tmp_path: Path, kfine_command: Callable[..., Any]
) -> None:
    report = json.loads((tagging_bundle / "report.json").read_text())
    said = kfine_command("evaluate", tagging_bundle, "--quiet")
    assert said.status == 0 and f"{report['verdict']['exported']:.3f}" in said.out
    alone = Path(shutil.copy(tagging_bundle / "model.tflite", tmp_path / "alone.tflite"))
    data = tagging_run.parent / "people.jsonl"
    said = kfine_command("evaluate", alone, "--data", data, "--json", "--quiet")
    assert said.status == 0, said.err
    assert json.loads(said.out)["f1"] > 0.9


def test_card_and_report_say_what_comes_out(tagging_bundle: Path, answering_bundle: Path) -> None:
    card = (tagging_bundle / "model_card.md").read_text()
    assert "Finds entities in texts, of 1 type: person." in card
    assert "3 BIO tags, O, B-person, I-person" in card
    assert "programs for Android, iOS, the web and Python" in card
    assert "| entities in common with Keras (F1) |" in card
    report = json.loads((tagging_bundle / "report.json").read_text())
    assert report["preprocessing"]["output"]["axes"] == "pieces, tags"
    card = (answering_bundle / "model_card.md").read_text()
    assert "Answers questions with a passage of a text, or says that there is none." in card
    assert "two scores" in card and "| same answer (F1 of words) |" in card
    assert (answering_bundle / "labels.txt").read_text() == "start\nend\n"
    with zipfile.ZipFile(answering_bundle / "model.tflite") as archive:
        stated = json.loads(archive.read("kfine.json"))["info"]
    assert stated["answer"]["names"] == ["answer", "no answer"]


def test_bundles_have_programs_for_phones(tagging_bundle: Path, answering_bundle: Path) -> None:
    tags = '("O", "B-person", "I-person")'
    for bundle, names, words in (
        (tagging_bundle, ("EntityFinder", "find_entities"), (f"listOf{tags}", f"[{tags[1:-1]}]")),
        (
            answering_bundle,
            ("AnswerFinder", "find_answer"),
            ("MAY_BE_NONE = true", "mayBeNone = true"),
        ),
    ):
        phone, python = names
        programs = {f"{phone}.kt", f"{phone}.swift", f"{python}.js", f"{python}.py"}
        found = {one.name for one in (bundle / "snippets").iterdir()}
        assert found - {"__pycache__"} == programs  # Python's own, where a test ran one of them
        for ending, word in zip(("kt", "swift"), words, strict=True):
            assert word in (bundle / "snippets" / f"{phone}.{ending}").read_text()


def test_what_is_no_example_is_refused(tagging_bundle: Path, answering_bundle: Path) -> None:
    from kfine.runtimes.loading import load_exported

    with pytest.raises(ExportError, match=r"must be a Question with its context\. Received: str"):
        list(load_exported(answering_bundle).predict(["the film is"]))
    with pytest.raises(ExportError, match=r"must be a str or a TaggedText\. Received: tuple"):
        list(load_exported(tagging_bundle).predict([("the film", "is")]))


@pytest.mark.parametrize("task", ["tagging", "answering"])
def test_a_file_that_forgot_is_refused(
    task: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kfine.exporting.measuring.measured import measure_file
    from kfine.runtimes.exported import Exported
    from kfine.verbs.export_job import ExportJob

    run = kfine.Run(request.getfixturevalue(f"{task}_run"))
    path = request.getfixturevalue(f"{task}_bundle") / "model.tflite"
    data = data_of(run.path)
    job = ExportJob(run, data, data.test, "fixed")
    real = Exported.run
    for spoil, words in (
        (lambda row: row[:, ::-1], r"f1 falls by .* and not by chance"),
        (lambda row: row * np.nan, f"the file gives NaN or infinity for {len(data.test)} of"),
    ):
        monkeypatch.setattr(
            Exported,
            "run",
            lambda *of, spoil=spoil: {
                name: np.ascontiguousarray(spoil(one)) for name, one in real(*of).items()
            },
        )
        verdict = measure_file(path, job.measured_on(data.test)).verdict
        assert not verdict.passed and re.search(words, "; ".join(verdict.reasons))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "classes"}, r"it has 3 labels and gives \(1, \d+, 3\)"),
        ({"kind": "spans", "longest": 5}, r"it has 2 labels and gives"),
        ({"kind": "spans", "longest": None}, "is damaged"),
        ({"kind": "poems"}, "There is no kind 'poems' among kfine's answers"),
        ({"kind": None}, "There is no kind None among kfine's answers"),
    ],
)
def test_a_file_that_says_to_be_what_it_is_not_is_refused(
    tagging_bundle: Path, tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    from kfine.runtimes.loading import load_exported

    bad = restated(tagging_bundle / "model.tflite", tmp_path / "bad.tflite", answer=change)
    with pytest.raises(ExportError, match=words):
        list(load_exported(bad).predict(["the film is witty"]))


def test_a_file_names_no_recipe_that_cannot_read_it(tagging_bundle: Path, tmp_path: Path) -> None:
    for name in ("question_answering", "image_classification", str(tmp_path / "mine.py")):
        file = tmp_path / f"{Path(name).stem}.tflite"
        restated(tagging_bundle / "model.tflite", file, recipe=name)
        (row,) = kfine.predict(file, "the film is witty", console=QUIET)
        assert [one["text"] for one in row.rows] == ["witty"]


def restated(path: Path, target: Path, **changes: Any) -> Path:
    """The file with other facts."""
    with zipfile.ZipFile(path) as archive:
        members = {one.filename: archive.read(one) for one in archive.infolist()}
        target.write_bytes(path.read_bytes()[: archive.infolist()[0].header_offset])
    document = json.loads(members["kfine.json"])
    for name, value in changes.items():
        old = document["info"][name]
        document["info"][name] = {**old, **value} if isinstance(value, dict) else value
    members["kfine.json"] = json.dumps(document).encode()
    with zipfile.ZipFile(target, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target


@pytest.mark.slow
def test_auto_chooses_by_the_f1_of_entities(
    tagging_run: Path, kfine_command: Callable[..., Any]
) -> None:
    said = kfine_command(
        "export",
        tagging_run,
        "--format",
        "tflite",
        "--quantize",
        "auto",
        "--max-drop",
        1,
        "--quiet",
    )
    assert said.status == 0, said.err
    lines = said.out.splitlines()
    assert lines[1].split()[:3] == ["quantize", "size", "f1"]
    assert [line.split()[0] for line in lines[2:6]] == ["float16", "dynamic", "int8", "int4"]
