"""`predict`: images or texts in, named classes with probabilities out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from kfine.backend import load_backend
from kfine.console import Console
from kfine.errors import DataError
from kfine.exporting.kinds import find_model, kind_of
from kfine.verbs.examples import AT_ONCE, examples_of
from kfine.verbs.files import is_run, warn_if_refused
from kfine.verbs.recipes import recipe_of_run
from kfine.verbs.run import Run, as_run


@dataclass(frozen=True)
class Answers:
    """What was found in one example.

    Attributes:
        name: The text itself, or where it was read.
        found: For entities their `type`, `text`, `start`, `end` and `probability`; for a question
            its answer with `text`, `start`, `end` and `score`.
    """

    name: str
    found: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Prediction:
    """The answer for one example.

    Attributes:
        name: The image's path as given; the text itself, or where it was read.
        classes: Class names with probabilities, the most probable first.
        unsure: Whether the best probability is below the asked-for limit.
    """

    name: str
    classes: tuple[tuple[str, float], ...]
    unsure: bool = False

    @property
    def label(self) -> str:
        """The most probable class, or `unsure`."""
        return "unsure" if self.unsure else self.classes[0][0]


def predict(
    model: Run | str | Path,
    examples: str | Path | Sequence[str | Path],
    *,
    context: str | Path | None = None,
    unsure_below: float = 0.0,
    console: Console | None = None,
) -> list[Prediction] | list[Answers]:
    """Ask a run, or what `kfine export` wrote, about images or texts.

    Args:
        model: A run, its folder, or an exported file or folder of any format.
        examples: For a model of images: image files; a folder stands for all images below it.
            For one of texts: texts as they are, `.txt` files of one text each, tables (CSV, TSV,
            JSONL), folders of `.txt` files, or `-` for the lines of standard input.
        context: For a model that answers questions: the text with the answers, or a `.txt` file.
        unsure_below: Call a prediction unsure when its best probability is below this.
        console: Hears of examples that cannot be read.

    Returns:
        One `Prediction` per readable example; of a model that finds things in texts, `Answers`.

    Raises:
        KfineError: The model or a path is missing or not usable, or no example can be read.
    """
    console = console or Console()
    if not isinstance(model, Run):
        model = find_model(model)
        kind_of(model)
    given = [examples] if isinstance(examples, (str, Path)) else list(examples)
    described, column = _asks_for(model)
    asked = examples_of(described, given, column=column, context=context)
    with console.timed("loading the model"):
        classify, describe = _classifier(model, console)
    progress = console.count("predicting")
    found: list[Any] = []
    done = 0
    for names, raw in asked.read(console):
        if raw:
            for name, row in zip(names, classify(raw), strict=True):
                found.append(_described(name, tuple(describe(row)), unsure_below))
        done = min(done + AT_ONCE, len(asked))
        progress(done, len(asked))
    if not found:
        raise DataError(f"None of the {len(asked)} {asked.medium}s can be read.")
    return found


def _described(name: str, answer: tuple[Any, ...], unsure_below: float) -> Prediction | Answers:
    """A recipe's words for one prediction: classes with probabilities, or things found."""
    if answer and isinstance(answer[0], tuple):
        return Prediction(name, answer, answer[0][1] < unsure_below)
    return Answers(name, answer)


def _asks_for(model: Run | Path) -> tuple[dict[str, Any], str | None]:
    """What a model's preprocessing says of itself, and the column that its run has texts in."""
    if isinstance(model, Run) or is_run(model):
        run = as_run(model)
        run._folder.require_finished()
        values: dict[str, Any] = run._folder.read("preprocessing.json")
        return values, getattr(run.config, "text_column", None)
    from kfine.exporting.metadata import read_metadata

    facts = read_metadata(model)[1].get("preprocessing")
    return facts if isinstance(facts, dict) else {}, None


def _classifier(
    model: Run | str | Path, console: Console
) -> tuple[Callable[[list[Any]], Any], Callable[[Any], Any]]:
    """What turns raw examples into predictions, and one of those into words."""
    if not isinstance(model, Run) and not is_run(model):
        return _exported_classifier(Path(model), console)
    run = as_run(model)
    # First, since it loads Keras quietly and what is imported next would not.
    network, raw = run.model, run.preprocessing
    from kfine.models.forward import predict_rows
    from kfine.verbs.predictions import interpreted

    module, note = recipe_of_run(run._folder)
    if note:
        console.warn(note)

    def classify(examples: list[Any]) -> Any:
        rows = raw.encode(examples)
        outputs = predict_rows(network, rows, raw.prepare, AT_ONCE, raw.lengths(rows))
        return interpreted(run, outputs, examples)

    return classify, partial(module.describe, class_names=run.class_names)


def _exported_classifier(
    path: Path, console: Console
) -> tuple[Callable[[list[Any]], Any], Callable[[Any], Any]]:
    warn_if_refused(path, console)
    if kind_of(path) == "saved_model":
        load_backend()
    from kfine.exporting import load_exported
    from kfine.verbs.reading import read_answers, recipe_of_file

    exported = load_exported(path)
    module = recipe_of_file(exported)

    def classify(examples: list[Any]) -> Any:
        return read_answers(module, exported, exported.predict(examples), lambda: examples)

    return classify, partial(module.describe, class_names=exported.class_names)


def as_rows(
    predictions: Sequence[Prediction] | Sequence[Answers], top: int
) -> list[dict[str, Any]]:
    """Predictions as JSON-able rows with the `top` classes, or with what was found."""
    return [
        {"name": one.name, "found": list(one.found)}
        if isinstance(one, Answers)
        else {
            "name": one.name,
            "label": one.label,
            "classes": {name: round(value, 6) for name, value in one.classes[:top]},
        }
        for one in predictions
    ]
