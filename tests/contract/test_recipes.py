"""Every recipe goes through every verb, with whatever it is given and answers."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kfine
from kfine.answers import load_answer
from kfine.console import Console
from kfine.data.tables import SUFFIXES, read_table
from kfine.errors import ConfigError, DataError
from kfine.exporting.choices import LITERTLM, phone_format
from kfine.recipe import load_recipe, recipe_names, recipe_of_run
from kfine.runtimes.loading import load_exported
from kfine.training.data import load_data_of_run
from kfine.verbs.fit import prepare

QUIET = Console(quiet=True)
CASES = (
    "audio_classification",
    "audio_classification:labels",
    "audio_classification:speech",
    "image_class_and_number",
    "image_classification",
    "image_labels",
    "image_regression",
    "image_segmentation",
    "object_detection",
    "question_answering",
    "speech_recognition",
    "text_classification",
    "text_classification:labels",
    "text_generation",
    "token_classification",
)


@pytest.fixture(scope="module", params=CASES)
def run(
    request: pytest.FixtureRequest,
    cases: dict[str, dict[str, Any]],
    tmp_path_factory: pytest.TempPathFactory,
) -> kfine.Run:
    """A run of one epoch with the head alone, evaluated."""
    case: str = request.param
    path = tmp_path_factory.mktemp("contract") / case.replace(":", "-")
    run = kfine.fit(case.split(":")[0], run_dir=path, console=QUIET, **cases[case])
    kfine.evaluate(run, console=QUIET)
    return run


def test_every_recipe_has_a_case() -> None:
    assert {case.split(":")[0] for case in CASES} == set(recipe_names())


@pytest.mark.keras
@pytest.mark.parametrize(
    "name", ["image_class_and_number", "image_regression", "image_segmentation", "object_detection"]
)
def test_numbers_are_not_mixed(name: str, cases: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="which classes and labels allow; leave it out"):
        kfine.fit(name, run_dir=tmp_path / "run", console=QUIET, **cases[name], mix="mixup")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_is_short_and_looks_like_the_others(name: str) -> None:
    module = load_recipe(name)
    assert module.__doc__ and module.__doc__.splitlines()[2].startswith("Data: ")
    assert {"TASK", "Config", "resolve", "load_data", "build_model", "search_space"} == set(
        module.__all__
    )
    assert len(Path(str(module.__file__)).read_text().splitlines()) <= 126


def test_the_doctor_looks_at_the_data_of_a_run(run: kfine.Run, tmp_path: Path) -> None:
    found = kfine.doctor(run.path, output=tmp_path / "doctor", console=Console(quiet=True))
    before = run.folder.read("data.json")
    assert found["data"]["splits"] == before["splits"]
    assert found["data"]["fingerprint"] == before["fingerprint"]
    names = {one.name for one in (tmp_path / "doctor").iterdir()}
    assert names == {"doctor.html", "doctor.json", "clean.csv"}
    unknown = any("matter most" in one for one in found["left_out"])
    assert bool(found["matter"]) == (run.answer.probes and not unknown)
    assert run.answer.kind == "classes" or not found["matter"]
    # What frozen features tell, or a line that says why not.
    assert (found["right"] is not None) == run.answer.probes
    assert any("no linear model" in one for one in found["left_out"]) != run.answer.probes


def test_a_run_is_tried_on_changed_examples(run: kfine.Run) -> None:
    quiet = Console(quiet=True)
    data = load_data_of_run(run.folder, recipe_of_run(run.folder)[0], run.config, quiet)
    assert data.examiner is not None
    if not data.examiner.changes:
        with pytest.raises(DataError, match="No changes are known"):
            kfine.stress(run, examples=2, console=quiet)
        return
    found = kfine.stress(run, examples=2, console=quiet)
    assert json.loads((run.path / "stress.json").read_text()) == json.loads(json.dumps(found))
    assert found["primary"] == run.answer.primary and found["count"] == 2
    assert (found["base"] is not None) == run.answer.probes
    read = found["primary"], *(["base"] if found["base"] else [])
    values = [step[key] for one in found["changes"] for step in one["steps"] for key in read]
    assert len(values) >= 18 and np.isfinite([found["unchanged"], *values]).all()
    moved = {"turned", "cropped"} if run.answer.moves else set()
    assert moved == {one.partition(":")[0] for one in found["left_out"] if "moves what" in one}
    assert bool(found["unfamiliar"]) == hasattr(run.answer, "calibrated")
    assert all(0 <= one["energy_auroc"] <= 1 for one in found["unfamiliar"])


def test_a_run_has_a_report_on_one_page(run: kfine.Run) -> None:
    found = kfine.report(run, console=Console(quiet=True))
    assert json.loads((run.path / "report.json").read_text())["verdict"] == found["verdict"]
    assert len(found["verdict"]) == 3 and str(run.metrics["count"]) in found["verdict"][0]
    page = (run.path / "report.html").read_text()
    assert all(name in page for name in run.folder.read("data.json")["splits"])
    assert 'src="http' not in page and 'href="http' not in page
    card = (run.path / "model_card.md").read_text()
    assert found["verdict"][0] in card and card.count("*to be filled in*") >= 5
    plain = run.input.many == "texts" and run.answer.kind == "classes"
    assert (found["looked_by"] == "integrated gradients") == plain
    # One label and one probability for each example, or a line that says why not.
    assert bool(found["worst"] or found["unsure"]) != any(
        "mistakes" in one for one in found["left_out"]
    )


def test_a_run_knows_its_parts_and_is_scored_by_its_own_metric(run: kfine.Run) -> None:
    metrics = run.metrics
    answer = run.answer
    assert (metrics["primary"], metrics["direction"]) == (answer.primary, answer.direction)
    assert answer.direction in ("max", "min")
    for one in (metrics, *metrics["baselines"].values()):
        assert np.isfinite(one[answer.primary])
    assert len(metrics["baselines"]) == 2
    assert set(metrics["gain"]) == {"over", "difference", "interval", "p_value"}
    # Of few examples those that would validate train too.
    scored = f"val_{answer.watched}" if run.folder.info()["validation"] else answer.watched
    assert scored in run.history[0]
    written = json.loads((run.path / "answer.json").read_text())
    assert load_answer(written).to_dict() == answer.to_dict() == written
    assert len(json.loads((run.path / "predictions.json").read_text())) == metrics["count"]
    json.loads((run.path / "metrics.json").read_text(), parse_constant=pytest.fail)


def test_what_a_column_tells_apart_is_scored_by_itself(run: kfine.Run) -> None:
    data = Path(run.config.data)
    if data.suffix not in SUFFIXES:
        with pytest.raises(DataError, match="Slices are columns of a manifest"):
            kfine.evaluate(run, slices=["site"], console=QUIET)
        return
    with pytest.raises(DataError, match="no column 'nowhere'"):
        kfine.evaluate(run, slices=["nowhere"], console=QUIET)
    column = read_table(data).columns[-1]
    metrics = kfine.evaluate(run, sensitive=[column.upper()], console=QUIET)
    (found,) = metrics["slices"]
    parts = [*found["slices"], *found["too_few"]]
    assert found["column"] == column and found["words"]
    assert sum(one["count"] for one in parts) + found["unstated"] == metrics["count"]
    assert all(np.isfinite(one[run.answer.primary]) for one in found["slices"])
    assert found == run.metrics["slices"][0]


def test_only_a_model_that_writes_is_talked_with(run: kfine.Run) -> None:
    if hasattr(run.input, "spoken"):
        assert isinstance("".join(kfine.Chat(run, longest=3, console=QUIET).say("x")), str)
        return
    with pytest.raises(ConfigError, match="chat is for a model that writes text"):
        kfine.Chat(run, console=QUIET)


def test_a_model_is_made_of_layers_that_keras_has(run: kfine.Run) -> None:
    """So that it loads in another process, and where there is no kfine."""
    with zipfile.ZipFile(run.path / "model.keras") as archive:
        assert "kfine" not in archive.read("config.json").decode()


def held_out(run: kfine.Run) -> Any:
    return load_data_of_run(run.folder, load_recipe(run.folder.info()["recipe"]), run.config, QUIET)


def test_the_truth_is_right_and_the_trivial_answer_is_not_better(run: kfine.Run) -> None:
    data, answer = held_out(run), run.answer
    truth = [one for one in data.train.labels if not lacks(one)]
    examples = [
        example
        for example, one in zip(data.train.examples(), data.train.labels, strict=True)
        if not lacks(one)
    ]
    perfect = answer.score(truth, truth)
    assert perfect.right.all()
    trivial = answer.score(answer.trivial(truth, examples).predict(examples), truth)
    sign = 1 if answer.direction == "max" else -1
    assert sign * perfect.metrics[answer.primary] >= sign * trivial.metrics[answer.primary]
    if perfect.resample is not None:
        rows = np.arange(len(truth))
        assert perfect.resample(rows) == pytest.approx(perfect.metrics[answer.primary])


def lacks(label: Any) -> bool:
    return isinstance(label, dict) and None in label.values()


def test_the_stage_of_a_file_gives_what_training_prepares(run: kfine.Run) -> None:
    """The same example by the two ways: stored rows and `prepare`, raw tensors and `stage`."""
    import keras

    device = run.input.device()
    (example,) = held_out(run).test.examples()[:1]
    encoded = run.input.encode([example])
    rows = keras.tree.map_structure(lambda one: one[np.arange(len(one))], encoded.rows)
    prepared = rows if run.input.prepare is None else run.input.prepare(rows)
    raw, staged = device.stage("fixed")
    tensors, places = device.tensors(example, "fixed")
    given = tensors if isinstance(raw, dict) else next(iter(tensors.values()))
    found = keras.Model(raw, staged)(given)
    keras.tree.map_structure(
        lambda one, other: np.testing.assert_allclose(one, other, atol=1e-5), found, prepared
    )
    np.testing.assert_array_equal(places.owner, encoded.places.owner)


@pytest.mark.slow
def test_a_bundle_answers_what_the_run_does(run: kfine.Run, program: Callable[[Path], Any]) -> None:
    if phone_format(run.answer.device()) == LITERTLM:
        _check_what_speaks(run)
        return
    report = kfine.export(run, max_drop=1, console=QUIET)
    assert report.verdict.passed, report.verdict.reasons
    assert report.verdict.metric == run.answer.primary
    assert report.bundle is not None
    card = (report.bundle / "model_card.md").read_text()
    assert "`snippets/` has programs for Android, iOS" in card
    sliced = "on slices of the test split:" in card
    assert sliced == ("slices" in run.metrics) != ("alike was not measured" in card)
    described = run.answer.device().tensors
    examples = held_out(run).test.examples()[:8]
    ours = list(run.predictor.predict(examples))
    exported = load_exported(report.bundle)
    theirs = list(exported.predict(examples))
    assert exported.answer.device().tensors == described
    labels = [run.answer.settle(one) for one in ours]
    assert run.answer.score(theirs, labels).each.mean() > 0.9
    golden = json.loads((report.bundle / "golden" / "golden.json").read_text())
    assert golden["examples"]
    (snippet,) = (report.bundle / "snippets").glob("*.py")
    values = run.answer.device().program_values()
    _check_program(program(snippet), report.bundle / "golden", golden["examples"], values)
    metrics = kfine.evaluate(report.bundle, console=QUIET)
    assert metrics["primary"] == run.answer.primary


def _check_what_speaks(run: kfine.Run) -> None:
    """A model that writes leaves for phones as a file for LiteRT-LM, and for servers."""
    with pytest.raises(ConfigError, match="phones as litertlm, and for servers as saved_model"):
        kfine.export(run, format="tflite", console=QUIET)
    report = kfine.export(run, format="saved_model", max_drop=1, console=QUIET)
    assert report.verdict.passed and report.verdict.metric == run.answer.primary
    examples = held_out(run).test.examples()[:8]
    ours = [run.answer.settle(one) for one in run.predictor.predict(examples)]
    theirs = list(load_exported(report.path).predict(examples))
    assert [run.answer.settle(one) for one in theirs] == ours
    report = kfine.export(run, max_drop=1, console=QUIET)
    assert report.verdict.passed, report.verdict.reasons
    assert report.verdict.metric == run.answer.primary and report.verdict.agreement >= 0.95
    assert report.bundle is not None
    exported = load_exported(report.bundle)
    golden = json.loads((report.bundle / "golden" / "golden.json").read_text())["examples"]
    assert golden
    said = list(exported.predict([one["prompt"]["text"] for one in golden]))
    assert [one.text for one in said] == [one["reply"]["text"] for one in golden]
    metrics = kfine.evaluate(report.bundle, console=QUIET)
    assert metrics["primary"] == run.answer.primary


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_search_compares_what_training_reports(
    cases: dict[str, dict[str, Any]], tmp_path: Path, case: str
) -> None:
    settings = {key: one for key, one in cases[case].items() if key != "learning_rate"}
    search = kfine.tune(
        case.split(":")[0],
        kfine.SearchSettings(trials=1),
        run_dir=tmp_path / "search",
        console=QUIET,
        **settings,
    )
    assert [one.status for one in search.trials] == ["completed"]
    (goal,) = search.settings["goals"]
    assert np.isfinite(search.best.scores[goal])


@pytest.mark.slow
@pytest.mark.parametrize("case", [one for one in CASES if one not in ("question_answering",)])
def test_folds_score_every_training_example_once(
    cases: dict[str, dict[str, Any]], tmp_path: Path, case: str
) -> None:
    from kfine.verbs.folds import cross_validate

    path = tmp_path / "folds"
    found = cross_validate(case.split(":")[0], folds=2, run_dir=path, console=QUIET, **cases[case])
    assert found["out_of_fold"]["count"] > 0
    names = [row["name"] for row in json.loads((path / "out_of_fold.json").read_text())]
    assert len(names) == len(set(names))


@pytest.mark.slow
@pytest.mark.parametrize(
    "case", ["audio_classification", "image_regression", "object_detection", "token_classification"]
)
def test_a_learning_curve_has_a_point_for_each_fraction(
    cases: dict[str, dict[str, Any]], tmp_path: Path, case: str
) -> None:
    found = kfine.learning_curve(
        case, fractions=(0.5, 1), run_dir=tmp_path / "curve", console=QUIET, **cases[case]
    )
    values = [one[found["primary"]] for one in (*found["points"], found["expected"])]
    assert np.isfinite(values).all() and found["words"]


def _check_program(
    module: Any, folder: Path, golden: list[dict[str, Any]], values: dict[str, Any]
) -> None:
    """The Python program makes the golden tensors, and gives what the file gives."""
    from PIL import Image

    for one in golden:
        if "photo" in one:
            example = (Image.open(folder / one["photo"]),)
        elif "recording" in one:
            example = (module.read(folder / one["recording"]),)
        elif "question" in one:
            example = one["question"], one["context"]
        else:
            example = (one["text"],)
        prepared = module.prepare(*example)
        (row,) = prepared if isinstance(prepared, list) else (prepared,)
        tensor = np.array([row.token_ids]) if "token_ids" in one else row
        np.testing.assert_array_equal(tensor, np.load(folder / one["tensor"]))
        found = dict(_numbers(getattr(module, values["verb"])(*example)))
        expected = dict(_numbers(one))
        assert found == {name: pytest.approx(expected[name], abs=0.01) for name in found}


def _numbers(found: Any) -> Iterator[tuple[str, float]]:
    """Every number of a prediction, or of a golden example, with its name."""
    parts = enumerate(found) if isinstance(found, list) else getattr(found, "items", tuple)()
    for name, value in parts:
        if isinstance(value, float) and name != "score":
            yield name, value
        yield from _numbers(value)


@pytest.mark.keras
@pytest.mark.parametrize(
    ("settings", "both"), [({}, True), ({"unfreeze": "all"}, True), ({"pooling": "last"}, False)]
)
def test_a_head_of_few_texts_sees_two_layers(
    settings: dict[str, Any], both: bool, cases: dict[str, dict[str, Any]]
) -> None:
    asked = {**cases["text_classification"], **settings}
    config = prepare("text_classification", None, asked)[1]
    module = load_recipe("text_classification")
    data = module.load_data(config)
    for given in (data, data.without_validation()):
        built = module.build_model(config, given)
        assert ("middle" in built.decisions["pooling"]) is both


@pytest.mark.keras
def test_of_many_texts_the_last_layer_is_enough_unless_the_head_trains_alone(
    cases: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kfine.data.labelled.SMALL", 10)
    module = load_recipe("text_classification")
    for unfreeze, both in (("all", False), ("none", True)):
        asked = {**cases["text_classification"], "unfreeze": unfreeze}
        config = prepare("text_classification", None, asked)[1]
        built = module.build_model(config, module.load_data(config))
        assert ("middle" in built.decisions["pooling"]) is both
