"""`report`: what a run is worth, on one page."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from kfine.console import Console
from kfine.data.examining import Marked
from kfine.data.labelled import Data
from kfine.data.split import Split
from kfine.errors import ConfigError, DataError, RunError
from kfine.runs.files import plain_disk_errors, read_json
from kfine.training.cost import cost_sentence
from kfine.training.data import read_again
from kfine.training.run import TrainedRun, as_run
from kfine.verbs.evaluate import evaluate
from kfine.verbs.evaluate_file import file_evaluation_folder
from kfine.verbs.files import is_run
from kfine.verbs.stress import NAME as STRESS

NAME = "report.html"
CARD = "model_card.md"
# Mistakes, and right predictions, of which is shown what the model looks at.
_LOOKED = 6
# Of what stands inside images: a fifth of the PNG, and edges stay sharp.
_QUALITY = 85


def report(
    run: TrainedRun | str | Path,
    *others: TrainedRun | str | Path,
    slices: Sequence[str] = (),
    sensitive: Sequence[str] = (),
    console: Console | None = None,
) -> dict[str, Any]:
    """Write one page on a finished run: `report.html`, and the same as `report.json`.

    Beside it `model_card.md`: what is known of the model for whoever answers for it, with a line to
    fill in for each thing that only people know, such as what it is for.

    How good it is and beside what; by class; what is taken for what, with the examples; the most
    confident mistakes and where it is least sure; whether it is as often right as it says, with a
    temperature learned on validation; data, learning curves with their stages and what they
    suggest; the exported files with the gate's word. Pictures, texts and sounds are inside: the
    page needs no other file and no network.

    A run that was not evaluated yet is evaluated first.

    Args:
        run: A run or its folder.
        *others: Other runs, or exported files inside their runs, to stand beside it: a paired test
            on the test examples that both have, and which of them changed.
        slices: As for `evaluate`; those that it was evaluated by last, if omitted.
        sensitive: The same.
        console: Hears of the progress; standard error if omitted.

    Returns:
        What `report.json` holds.

    Raises:
        KfineError: The run has not finished, its data cannot be read, its folder not written, or
            another model shares no test example with it.
    """
    from kfine.reporting import compose
    from kfine.reporting.advice import advice
    from kfine.reporting.calibration import calibration
    from kfine.reporting.card import facts_of, run_card

    console = console or Console()
    start = time.monotonic()
    trained = as_run(run)
    trained.folder.require_finished()
    if slices or sensitive or not (trained.path / "predictions.json").is_file():
        evaluate(trained, slices=slices, sensitive=sensitive, console=console)
    metrics, rows = trained.folder.read("metrics.json"), trained.folder.read("predictions.json")
    besides = _besides(trained, rows, others, console)
    info, exports = trained.folder.info(), _exports(trained.path)
    data = _data(trained, console)
    left_out: list[str] = []
    single = compose.has_confidence(rows)
    if not single:
        left_out.append(
            f"mistakes one by one, and calibration: the answer {trained.answer.kind} has not one "
            "label and one probability for each example"
        )
    calibrated = None
    if single:
        with console.timed("learning a temperature on validation"):
            held = _validation_rows(trained, data, left_out)
        calibrated = calibration(rows, trained.answer.names, held)
    looked = [*compose.worst(rows)[:_LOOKED], *compose.surest(rows)[:_LOOKED]] if single else []
    heated = _heated(trained, data, [one["name"] for one in looked], console)
    if single and not heated:
        left_out.append("what it looks at: that is known of images with maps and of plain texts")
    found = {
        "name": f"{info['recipe']} on {Path(str(trained.config.data)).name}",
        "run": str(trained.path),
        "verdict": compose.verdict(metrics, exports),
        "compared": compose.compared(metrics),
        "beside": besides,
        "per_class": compose.per_class(metrics),
        "slices": compose.slices(metrics),
        "confusion": compose.confusion(metrics, trained.answer.names),
        "confused": compose.confused(rows) if single else [],
        "worst": compose.worst(rows) if single else [],
        "looked_by": _looked_by(heated),
        "looked": [one for one in looked if one["name"] in heated],
        "unsure": compose.least_sure(rows) if single else [],
        "calibration": calibrated,
        "thresholds": _thresholds(calibrated),
        "stress": compose.stressed(_stress(trained)),
        "data": compose.data_table(trained.folder.read("data.json")),
        "advice": advice(trained.history, trained.answer.watched, trained.config),
        "stages": compose.stages(info),
        "exports": compose.export_rows(exports),
        "made": _made(trained, info),
        "left_out": left_out,
    }
    card = run_card(found, facts_of(trained, info))
    place = _write(trained, found, card, data, heated)
    if place != CARD:
        console.warn(f"{CARD} was edited and is left as it is; the new one is {place}")
    seconds = time.monotonic() - start
    console.say(f"{NAME}, {place} and report.json in {trained.path}: {seconds:.1f} s")
    return found


def _besides(
    trained: TrainedRun,
    rows: list[dict[str, Any]],
    others: tuple[TrainedRun | str | Path, ...],
    console: Console,
) -> list[dict[str, Any]]:
    """Each other model beside this one, evaluated first where it was not yet.

    Raises:
        ConfigError: The answer has not one label and one prediction for each example.
        DataError: They share no test example.
    """
    from kfine.reporting.beside import beside
    from kfine.reporting.compose import has_confidence

    if others and not has_confidence(rows):
        raise ConfigError(
            "Models are compared by one label and one prediction for each example. Received: a "
            f"run that answers {trained.answer.kind}"
        )
    found = []
    for other in others:
        folder, name = _evaluated(other, console)
        compared = beside(name, rows, read_json(folder / "predictions.json"))
        if compared is None:
            raise DataError(
                f"{other} shares no test example with {trained.path}: compare models of the same "
                "data"
            )
        found.append(compared)
    return found


def _evaluated(model: TrainedRun | str | Path, console: Console) -> tuple[Path, str]:
    """Where the predictions of a run or a file lie, and what it is called."""
    if isinstance(model, TrainedRun) or is_run(model):
        run = as_run(model)
        folder, name = run.path, run.path.name
    else:
        folder = file_evaluation_folder(Path(model), None)
        name = "/".join(Path(model).parts[-2:])
    if not (folder / "predictions.json").is_file():
        evaluate(model, console=console)
    return folder, name


def _exports(run: Path) -> list[dict[str, Any]]:
    """The reports of the exported files, the smallest first."""
    found = []
    for path in sorted((run / "exports").glob("*.json")):
        try:
            one = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(one, dict) and "verdict" in one:
            found.append(one)
    return sorted(found, key=lambda one: one["size_bytes"])


def _data(trained: TrainedRun, console: Console) -> Data | None:
    """The data of the run; `None` where it is gone, so that the page has no pictures."""
    try:
        return read_again(trained.folder, console)[2]
    except DataError as error:
        console.warn(f"without pictures: {error}")
        return None


def _validation_rows(
    trained: TrainedRun, data: Data | None, left_out: list[str]
) -> list[dict[str, Any]] | None:
    """Predictions of validation examples that the model did not train on."""
    validation = None if data is None else data.validation
    if trained.refit or validation is None:
        why = (
            "the model trained on the validation examples too"
            if trained.refit
            else "there are no validation examples"
        )
        left_out.append(f"a temperature: {why}")
        return None
    answer = trained.answer
    predictions = trained.predictor.predict_split(validation)
    return [
        answer.row(one, label) for one, label in zip(predictions, validation.labels, strict=True)
    ]


def _thresholds(calibrated: dict[str, Any] | None) -> list[list[Any]]:
    if calibrated is None:
        return []
    return [
        [f"{one['threshold']:.0%}", f"{one['kept']:.0%}", one["right"]]
        for one in calibrated["thresholds"]
    ]


def _made(trained: TrainedRun, info: dict[str, Any]) -> list[list[Any]]:
    """How to make it again."""
    made = trained.folder.read("environment.json")
    versions = made.get("packages", {})
    found = [
        ["recipe", info["recipe"]],
        ["data", str(trained.config.data)],
        ["preset", str(getattr(trained.config, "preset", "") or "none")],
        ["seed", str(trained.config.seed)],
        ["started", str(info.get("started", ""))],
        *([["took", took]] if (took := cost_sentence(info)) else []),
        ["again", f"kfine fit {info['recipe']} --config {trained.path / 'config.yaml'}"],
    ]
    return found + [[name, str(version)] for name, version in sorted(versions.items())]


def _stress(trained: TrainedRun) -> dict[str, Any] | None:
    found = trained.path / STRESS
    return read_json(found) if found.is_file() else None


def _looked_by(heated: dict[str, Any]) -> str | None:
    """How it was found what a model looks at."""
    if not heated:
        return None
    words = any(isinstance(one, Marked) for one in heated.values())
    return "integrated gradients" if words else "Grad-CAM"


def _place_of_card(trained: TrainedRun) -> str:
    """The first name for a card under which nobody wrote: there is none, or as a report left it."""
    written = None
    with suppress(RunError):  # none yet, or one that is torn
        written = read_json(trained.path / "report.json").get("card")
    for number in count(0):
        name = CARD if not number else f"model_card.new{'' if number == 1 else number}.md"
        path = trained.path / name
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() == written:
            return name
    raise AssertionError("there is always another number")


def _heated(
    trained: TrainedRun, data: Data | None, names: list[str], console: Console
) -> dict[str, Any]:
    """Test images and texts with what speaks for their prediction marked, by name.

    Empty where the model has neither a map of an image nor the words of a text.
    """
    import numpy as np

    test = None if data is None else data.test
    if test is None or not names:
        return {}
    places = {name: number for number, name in enumerate(test.names)}
    names = [name for name in names if name in places]
    numbers = [places[name] for name in names]
    rows = test.inputs[numbers]
    if not (isinstance(rows, np.ndarray) and rows.ndim == 4 and rows.dtype == np.uint8):
        return _marked(trained, test, dict(zip(names, numbers, strict=True)), console)
    with console.timed("finding what the model looks at"):
        model, prepare = trained.model, trained.input.prepare
        from kfine.evaluation.activation import class_activation, with_heat

        heat = class_activation(model, rows if prepare is None else np.asarray(prepare(rows)))
    if heat is None:
        return {}
    return {name: with_heat(row, one) for name, row, one in zip(names, rows, heat, strict=True)}


def _marked(
    trained: TrainedRun, test: Split, numbers: dict[str, int], console: Console
) -> dict[str, Any]:
    """Test texts with how much their words speak for what the model says, by name."""
    texts = test.examples(list(numbers.values()))
    if not all(isinstance(one, str) for one in texts):
        return {}
    encoded = trained.input.encode(texts)
    spoken: Any = encoded.places
    if not hasattr(spoken, "pieces"):
        return {}
    with console.timed("finding which words decide"):
        model = trained.model
        from kfine.evaluation.deciding import deciding_words

        found = deciding_words(model, encoded.rows, spoken)
    if found is None:
        return {}
    marked = {}
    for name, text, shares in zip(numbers, spoken.texts, found, strict=True):
        parts = zip(text.spans, shares.tolist(), strict=True)
        marked[name] = Marked(text.text, tuple((*span, share) for span, share in parts))
    return marked


def _drawn(trained: TrainedRun) -> str:
    """The picture that an evaluation drew of what stands inside images, WebP in base64."""
    from PIL import Image

    name = trained.folder.read("metrics.json").get("pictures")
    path = trained.path / str(name)
    if not name or not path.is_file():
        return ""
    kept = io.BytesIO()
    with Image.open(path) as image:
        image.convert("RGB").save(kept, "WEBP", quality=_QUALITY)
    return base64.b64encode(kept.getvalue()).decode()


def _write(
    trained: TrainedRun,
    found: dict[str, Any],
    card: str,
    data: Data | None,
    heated: dict[str, Any],
) -> str:
    """Write the page, the card and the JSON; returns the name that the card got."""
    from markupsafe import Markup

    from kfine.drawing.pages import render
    from kfine.reporting import charts

    places: dict[str, int] = {}
    test = None if data is None else data.test
    if test is not None:
        places = {name: number for number, name in enumerate(test.names)}

    def show(name: str, *, heat: bool = False) -> Markup:
        if name not in places or data is None or test is None or data.examiner is None:
            return Markup()
        number = places[name]
        # The examiner escapes what it shows.
        example = heated[name] if heat else test.inputs[[number]][0]
        return Markup(data.examiner.html(example, test.records[number]))

    history, watched = trained.history, trained.answer.watched
    drawn = {
        "curves": {
            name: charts.curves(history, name)
            for name in dict.fromkeys(("loss", watched))
            if history and name in history[0]
        },
        "worst": _drawn(trained),
        "reliability": charts.reliability_chart((found["calibration"] or {}).get("bins", [])),
    }
    with plain_disk_errors(trained.path):
        page = render("kfine.reporting", "report.html", found=found, charts=drawn, show=show)
        trained.folder.write_text(NAME, page)
        place = _place_of_card(trained)
        trained.folder.write_text(place, card)
        digest = hashlib.sha256((trained.path / place).read_bytes()).hexdigest()
        trained.folder.write("report.json", {**found, "card": digest})
    return place
