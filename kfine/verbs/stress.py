"""`stress`: whether a model holds outside of its test split."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kfine.answers import Answer
from kfine.backend import load_backend
from kfine.console import Console
from kfine.data.changes import Change
from kfine.data.labelled import Data
from kfine.data.split import Split
from kfine.errors import ConfigError, DataError, RunError
from kfine.examination.stress import add_base, changed_scores, unfamiliar_scores, what_to_fear
from kfine.inputs import Request
from kfine.inputs.places import mean_of_rows
from kfine.recipe import Recipe
from kfine.runs.files import plain_disk_errors, write_json
from kfine.training.data import read_again
from kfine.training.run import TrainedRun, as_run
from kfine.verbs.evaluate_file import file_evaluation_folder
from kfine.verbs.files import is_run, load_file, run_around, warn_if_refused

NAME = "stress.json"
# More test examples change a figure little and cost minutes.
MOST_EXAMPLES = 300


def stress(
    model: TrainedRun | str | Path,
    *,
    examples: int = MOST_EXAMPLES,
    base: bool = True,
    unfamiliar: str | Path | None = None,
    console: Console | None = None,
) -> dict[str, Any]:
    """Try a finished run, or an exported file inside it, on changed and on unfamiliar examples.

    The test split goes through the model again and again, each time changed in one way that photos,
    texts or recordings meet outside, in three steps of strength. An exported file is tried as it
    is: int8 may take changes worse than the model that it came from. Then the model is given what
    is none of its classes: it should be less sure of that.

    Writes `stress.json` into the run folder, or into `evaluations/NAME/` beside the file.

    Args:
        model: A run, its folder, or what `kfine export` wrote into it.
        examples: How many test examples are tried at most; drawn by the seed of the run.
        base: Whether a linear model of the frozen backbone is tried beside it: does tuning, or the
            file, take changes worse?
        unfamiliar: Examples of something else, as for `predict`, of which it should be less sure.
        console: Hears of the progress; standard error if omitted.

    Returns:
        `primary` and its `direction`; `count`; `unchanged`, the metric without a change; `changes`,
        each with `name`, `unit` and `steps`; `base`, what it has `unchanged`, and a sentence
        `words`, `None` without; `unfamiliar`, each with `name`, the mean confidence `sure`,
        `auroc` and, of a run, `energy_auroc`, empty for answers without one confidence; `fear`, a
        sentence; `left_out`, what was not tried.

    Raises:
        KfineError: The run has not finished, the file lies in no run, or the data has no test
            split or is of a kind for which no changes are known.
    """
    console = console or Console()
    start = time.monotonic()
    if examples < 1:
        raise ConfigError(f"examples must be 1 or more. Received: {examples}")
    if unfamiliar is not None and not Path(unfamiliar).exists():
        raise DataError(f"There is no file or folder {unfamiliar} of unfamiliar examples.")
    run, predictor, target = _opened(model, console)
    others = {} if unfamiliar is None else _others(run, unfamiliar, examples, console)
    module, data, test = _test(run, console)
    assert data.examiner is not None
    chosen = _drawn(len(test), examples, run.config.seed)
    shown, labels = test.examples(chosen), [test.labels[one] for one in chosen]
    answer: Answer = predictor.answer

    def predict(some: list[Any]) -> list[Any]:
        return list(predictor.predict(some))

    with console.timed("predicting the examples as they are"):
        plain = predict(shown)
    score = answer.score(plain, labels)
    # What is in an example elsewhere makes targets that move wrong.
    changes = [one for one in data.examiner.changes if not (one.moves and answer.moves)]
    left_out = [
        f"{one.name}: it moves what the labels speak of"
        for one in data.examiner.changes
        if one not in changes
    ]
    idle = [one for one in changes if not _does_something(one, shown, run.config.seed)]
    changes = [one for one in changes if one not in idle]
    left_out += [f"{one.name}: it changes none of these {data.examiner.many}" for one in idle]
    found: dict[str, Any] = {
        "model": str(target),
        "primary": answer.primary,
        "direction": answer.direction,
        "scale": score.scale,
        "count": len(shown),
        "unchanged": float(score.metrics[answer.primary]),
    }
    beside = None
    if base and not answer.probes:
        left_out.append(f"the base model: the answer {answer.kind} has no linear model of it")
    elif base:
        load_backend()
        from kfine.evaluation.baselines import LinearBase

        beside = LinearBase(run, module, data, console)
        beside.see(shown)
    progress = console.count("changes")
    found["changes"] = changed_scores(
        predict, answer, changes, shown, labels, run.config.seed, progress, beside
    )
    found["base"] = None
    if beside is not None:
        with console.timed("fitting the linear model of the frozen backbone"):
            add_base(found, answer, beside, labels)
    if hasattr(answer, "calibrated"):
        known = np.array([float(np.max(one)) for one in plain])
        energy = None if target.parent != run.path else _energy(predictor)
        found["unfamiliar"] = unfamiliar_scores(
            predict, data.examiner, shown, known, run.config.seed, others, energy
        )
    else:
        found["unfamiliar"] = []
        left_out.append(f"unfamiliar {data.examiner.many}: the answer has not one confidence")
    found |= {"fear": what_to_fear(found), "left_out": left_out}
    found["seconds"] = round(time.monotonic() - start, 1)
    with plain_disk_errors(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
    write_json(target, found)
    return found


def _does_something(change: Change, examples: list[Any], seed: int) -> bool:
    """Whether the strongest step of a change changes one of the examples."""
    for place, one in enumerate(examples):
        changed = change.apply(one, change.values[-1], np.random.default_rng((seed, place)))
        if np.shape(changed) != np.shape(one) or np.any(changed != one):
            return True
    return False


def _opened(model: TrainedRun | str | Path, console: Console) -> tuple[TrainedRun, Any, Path]:
    """The run, what predicts, and where the result goes."""
    if isinstance(model, TrainedRun) or is_run(model):
        run = as_run(model)
        run.folder.require_finished()
        with console.timed("loading TensorFlow and the model"):
            predictor = run.predictor
        return run, predictor, run.path / NAME
    path = Path(model)
    if not path.exists():
        raise RunError(f"{path} does not exist; `kfine runs` lists the runs there are.")
    around = run_around(path)
    if around is None:
        raise DataError(f"{path} lies in no run, so that there is no test split to try it on.")
    warn_if_refused(path, console)
    with console.timed("loading the model"):
        return TrainedRun(around), load_file(path), file_evaluation_folder(path, None) / NAME


def _others(
    run: TrainedRun, given: str | Path, most: int, console: Console
) -> dict[str, list[Any]]:
    """Examples of another source, by its name.

    Raises:
        DataError: None of them can be read.
    """
    requested = run.input.requested(Request([given], run.columns.get("text_column")))
    found: list[Any] = []
    for _, raw in requested.read(console):
        found += raw
        if len(found) >= most:
            break
    if not found:
        raise DataError(f"{given} holds no {run.input.many} that can be read.")
    return {Path(given).name or str(given): found[:most]}


def _energy(predictor: Any) -> Callable[[Sequence[Any]], np.ndarray] | None:
    """From examples to the logarithm of the sum of what their logits say; `None` without logits."""
    if len(predictor.model.outputs) != 1 or len(predictor.model.outputs[0].shape) != 2:
        return None

    def energy(examples: Sequence[Any]) -> np.ndarray:
        from scipy.special import logsumexp

        from kfine.models.forward import predict_rows

        encoded = predictor.input.encode(list(examples))
        logits = predict_rows(
            predictor.model,
            encoded.rows,
            predictor.input.prepare,
            predictor.batch_size,
            encoded.lengths,
        )
        found: np.ndarray = logsumexp(mean_of_rows(logits, encoded.places), axis=-1)
        return found

    return energy


def _test(run: TrainedRun, console: Console) -> tuple[Recipe, Data, Split]:
    module, _, data = read_again(run.folder, console)
    if data.test is None:
        raise DataError(f"The data of {run.path} has no test split to try the model on.")
    if data.examiner is None or not data.examiner.changes:
        raise DataError(
            f"No changes are known for the examples of {run.path}: stress tries images, plain "
            "texts and recordings."
        )
    return module, data, data.test


def _drawn(count: int, most: int, seed: int) -> list[int]:
    if count <= most:
        return list(range(count))
    drawn = np.random.default_rng(seed).choice(count, most, replace=False)
    return sorted(int(one) for one in drawn)
