"""`predict`: examples in, predictions out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kfine.backend import load_backend
from kfine.console import Console
from kfine.errors import ConfigError, DataError
from kfine.inputs import Request
from kfine.inputs.walking import AT_ONCE
from kfine.runs.files import plain_disk_errors
from kfine.runtimes.kinds import find_model, kind_of
from kfine.training.data import warn_cut
from kfine.training.run import TrainedRun, as_run
from kfine.verbs.files import is_run, load_file, warn_if_refused

UNSURE = "unsure"


@dataclass(frozen=True)
class Prediction:
    """What a model says of one example.

    Attributes:
        name: The path as given; the text itself, or where it was read.
        rows: Named values, the most probable first: `label` and `probability` of classes; `type`,
            `text`, `start`, `end` and `probability` of entities; `text`, `start`, `end` and
            `score` of an answer; `text` and `probability` of speech; columns and their numbers.
        unsure: Whether the best probability is below the limit that was asked for.
        cut: Whether the model does not see all of the example, such as the end of a long text.
        value: The prediction itself, as the answer has it.
        times: Start and end in seconds, where it is of a part of a recording.
    """

    name: str
    rows: tuple[dict[str, Any], ...]
    unsure: bool = False
    cut: bool = False
    value: Any = None
    times: tuple[float, float] | None = None

    @property
    def label(self) -> str:
        """The most probable label, or `unsure`; empty where there are no labels."""
        if self.unsure:
            return UNSURE
        return str(self.rows[0].get("label", "")) if self.rows else ""


def predict(
    model: TrainedRun | str | Path,
    examples: str | Path | Sequence[str | Path],
    *,
    context: str | Path | None = None,
    text_column: str | None = None,
    unsure_below: float = 0.0,
    every: float | None = None,
    label_track: str | Path | None = None,
    draw: str | Path | None = None,
    console: Console | None = None,
) -> list[Prediction]:
    """Ask a run, or what `kfine export` wrote, about examples.

    Args:
        model: A run, its folder, or an exported file or folder of any format.
        examples: For a model of images: image files; a folder stands for all images below it.
            For one of texts: texts as they are, `.txt` files of one text each, tables (CSV, TSV,
            JSONL), folders of `.txt` files, or `-` for the lines of standard input.
        context: For a model that answers questions: the text with the answers, or a `.txt` file.
        text_column: Column of the texts in tables; if omitted that which the model learned from,
            and a guess for a model that learned from no table.
        unsure_below: Call a prediction unsure when its best probability is below this.
        every: For a model of sounds: predict parts of recordings that begin so many seconds apart,
            each as long as what the model hears at a time.
        label_track: With `every`, of one recording: a file for what was heard when, which
            Audacity imports as a label track: start, end and label, separated by tabs. Parts that
            say the same are joined.
        draw: A folder, made if missing, for pictures of what was found inside images; of boxes
            also for `coco.json`, which annotation tools read.
        console: Hears of examples that cannot be read.

    Returns:
        One `Prediction` per readable example.

    Raises:
        KfineError: The model or a path is missing or not usable, or no example can be read.
    """
    console = console or Console()
    if not isinstance(model, TrainedRun):
        model = find_model(model)
        kind_of(model)
    given = [examples] if isinstance(examples, (str, Path)) else list(examples)
    parts, column = _parts_of(model)
    _check_times(parts, every, label_track)
    requested = parts.requested(Request(given, text_column or column, context, every))
    if label_track is not None and len(requested) != 1:
        raise ConfigError(f"A label track is of one recording. Received: {len(requested)}")
    if not len(requested):
        raise DataError(f"There are no {parts.many} to predict.")
    with console.timed("loading the model"):
        ask, answer = _predictor(model, console)
    if draw is not None and not hasattr(answer, "write_drawn"):
        raise ConfigError(
            "draw is for models that find something inside images. Received: one that answers "
            f"{answer.called}"
        )
    drawn: set[str] = set()
    progress = console.count("predicting")
    found: list[Prediction] = []
    done, step = 0, getattr(requested, "at_once", AT_ONCE)
    for names, raw in requested.read(console):
        cut = set(parts.cut(raw))
        pairs = zip(names, ask(raw) if raw else (), strict=True)
        for number, (name, value) in enumerate(pairs):
            rows = tuple(answer.describe(value))
            sure = rows[0].get("probability", 1.0) if rows else 1.0
            found.append(Prediction(name, rows, sure < unsure_below, number in cut, value))
            if draw is not None:
                _write_drawn(Path(draw), drawn, name, answer, raw[number], value)
        done = min(done + step, len(requested))
        progress(done, len(requested))
    if times := getattr(requested, "times", ()):
        found = [replace(one, times=when) for one, when in zip(found, times, strict=True)]
    if not found:
        raise DataError(f"None of the {len(requested)} {parts.many} can be read.")
    warn_cut(parts, [one.name[:60] for one in found if one.cut], len(found), "", console)
    if label_track is not None:
        with plain_disk_errors(Path(label_track)):
            Path(label_track).write_text(_label_track(found), encoding="utf-8")
        console.say(f"the label track is {label_track}")
    if draw is not None:
        if hasattr(answer, "written"):
            with plain_disk_errors(Path(draw)):
                answer.written(Path(draw), [(Path(one.name), one.value) for one in found])
        console.say(f"pictures are in {draw}")
    return found


def _check_times(parts: Any, every: float | None, label_track: str | Path | None) -> None:
    if label_track is not None and every is None:
        raise ConfigError("A label track says what is heard when: give every too, such as 0.5.")
    if every is None:
        return
    if not getattr(parts, "timed", False):
        raise ConfigError(f"every is for a model of recordings. Received: one of {parts.many}")
    if not every > 0:
        raise ConfigError(f"every is a number of seconds above 0, such as 0.5. Received: {every}")


def _label_track(found: Sequence[Prediction]) -> str:
    """Start, end and label of each stretch with one label; what is unsure is left out."""
    stretches: list[tuple[float, float, str]] = []
    for one in found:
        assert one.times is not None
        start, end = one.times
        # What was said twice is no longer stretch of one thing.
        text = one.rows[0].get("text", "") if one.rows else ""
        if one.unsure or not (one.label or text):
            continue
        if stretches and not text and stretches[-1][2] == one.label and start <= stretches[-1][1]:
            start = stretches.pop()[0]
        stretches.append((start, end, one.label or text))
    return "".join(f"{start:.3f}\t{end:.3f}\t{label}\n" for start, end, label in stretches)


def _write_drawn(
    folder: Path, drawn: set[str], name: str, answer: Any, image: Any, value: Any
) -> None:
    """Pictures of one example, under a name that no other of the same call has."""
    if Path(name).resolve().parent == folder.resolve():
        raise ConfigError(f"draw would write over the images in {folder}; give another folder.")
    stem, number = Path(name).stem, 2
    while stem in drawn:
        stem, number = f"{Path(name).stem}-{number}", number + 1
    drawn.add(stem)
    with plain_disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        answer.write_drawn(folder, stem, image, value)


def _parts_of(model: TrainedRun | Path) -> tuple[Any, str | None]:
    """What a model is given, and the column of the texts that it learned from."""
    if isinstance(model, TrainedRun) or is_run(model):
        run = as_run(model)
        run.folder.require_finished()
        return run.input, run.columns.get("text_column")
    from kfine.runtimes.carried import columns_of, read_metadata
    from kfine.runtimes.exported import parts_of_file
    from kfine.training.parts import recipe_around

    info = read_metadata(model)[1]
    parts, _ = parts_of_file(model, info, recipe_around(model))
    return parts, columns_of(info).get("text_column")


def _predictor(
    model: TrainedRun | Path, console: Console
) -> tuple[Callable[[Iterable[Any]], Iterator[Any]], Any]:
    """What predicts raw examples, and the answer that says what that means."""
    if isinstance(model, TrainedRun) or is_run(model):
        run = as_run(model)
        predictor = run.predictor
        predictor.batch_size = AT_ONCE
        return predictor.predict, run.answer
    warn_if_refused(model, console)
    if kind_of(model) == "saved_model":
        load_backend()
    exported = load_file(model)
    return exported.predict, exported.answer


def as_rows(predictions: Sequence[Prediction], top: int) -> list[dict[str, Any]]:
    """Predictions as JSON-able rows; of labels the `top` most probable ones."""
    rows = []
    for one in predictions:
        labelled = bool(one.rows) and "label" in one.rows[0]
        label = {"label": one.label} if labelled else {}
        cut = {"cut": True} if one.cut else {}
        found = most_probable(one.rows, top)
        rows.append({"name": one.name, **times_of(one), **label, **cut, "predictions": found})
    return rows


def times_of(one: Prediction) -> dict[str, float]:
    """`start` and `end` in seconds of a part of a recording; nothing for whole examples."""
    if one.times is None:
        return {}
    start, end = one.times
    return {"start": round(start, 3), "end": round(end, 3)}


def most_probable(rows: Sequence[dict[str, Any]], top: int) -> list[dict[str, Any]]:
    """The first rows that hold a label, so many of each answer, and all others."""
    seen: Counter[Any] = Counter()
    kept = []
    for row in rows:
        if "label" in row:
            seen[row.get("answer")] += 1
            if seen[row.get("answer")] > top:
                continue
        kept.append(row)
    return kept
