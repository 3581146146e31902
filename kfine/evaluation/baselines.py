"""A tuned model beside the answers that cost little: the trivial one, and the frozen backbone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from kfine.answers import Answer
from kfine.answers.score import Score
from kfine.console import Console
from kfine.data.labelled import Data
from kfine.data.split import Split
from kfine.evaluation.gain import gain_over
from kfine.inputs import Encoded
from kfine.inputs.places import mean_of_rows
from kfine.recipe import Recipe
from kfine.training.job import build_job
from kfine.training.run import TrainedRun


class Reads(Protocol):
    """A config and the input of its model, of a run or of one that is not there yet."""

    @property
    def config(self) -> Any: ...

    @property
    def input(self) -> Any: ...


# Examples that go through the frozen backbone at a time.
_ROWS = 32
# A head on cached features takes a second per epoch.
HEAD_EPOCHS = 10


def beside_baselines(
    run: TrainedRun,
    module: Recipe,
    own: Data,
    scored: Sequence[tuple[Split, Score]],
    console: Console,
    untuned: Untuned | None = None,
) -> list[dict[str, Any]]:
    """The trivial answer and the frozen backbone, and what tuning gained over the latter.

    The frozen backbone is a linear model on its features where the answer has one, else the
    recipe's own head, trained alone; or, where it answers without training, itself.

    Args:
        run: The run.
        module: Its recipe.
        own: Its data, on which both baselines are made.
        scored: What the tuned model was scored on, and how; both baselines are made once for all.
        console: Hears of the pass through the frozen layers.
        untuned: The model as its preset has it, where the answer needs no training.

    Returns:
        For each, `baselines`, name -> metrics, and `gain`.
    """
    answer = run.answer
    trivial = answer.trivial(own.train.labels, own.train.examples())
    tests = [test for test, _ in scored]
    name, predictions, facts = _frozen(run, module, own, tests, console, untuned)
    found = []
    for (test, score), predicted in zip(scored, predictions, strict=True):
        guessed = answer.score(trivial.predict(test.examples()), test.labels)
        frozen = answer.score(predicted, test.labels)
        baselines = {
            trivial.name: {**guessed.to_dict(answer), **trivial.facts},
            name: {**frozen.to_dict(answer), **facts},
        }
        found.append({"baselines": baselines, "gain": gain_over(name, score, frozen)})
    return found


def _frozen(
    run: TrainedRun,
    module: Recipe,
    own: Data,
    tests: Sequence[Split],
    console: Console,
    untuned: Untuned | None,
) -> tuple[str, list[Sequence[Any]], dict[str, Any]]:
    """What the frozen backbone is called, its predictions for each split, and facts about it."""
    answer: Answer = run.answer
    if answer.probes:
        validation = own.validation
        splits = [own.train, *([validation] if validation else []), *tests]
        base = module.build_model(run.config, own).model
        features = backbone_features(run, base, splits, console)
        learned, parts = splits[: -len(tests)], features[-len(tests) :]
        predictions, facts = _probed(answer, learned, features, parts, run.config.seed)
        return "linear_probe", predictions, facts
    if untuned is not None:
        return "untuned", [untuned.predictions(test) for test in tests], {}
    return "head_alone", head_alone(run, module, own, tests), {}


def _probed(
    answer: Answer,
    learned: Sequence[Split],
    features: Sequence[np.ndarray],
    parts: Sequence[np.ndarray],
    seed: int,
) -> tuple[list[Sequence[Any]], dict[str, Any]]:
    """What one linear model of frozen features says of each of several parts, and facts about it.

    Args:
        answer: With a `probe`.
        learned: The training split, and that of validation if there is one.
        features: Of these.
        parts: Features of what it is asked about.
        seed: Of the model.
    """
    held = (features[1], learned[1].labels) if len(learned) > 1 else (features[0][:0], ())
    train = features[0], learned[0].labels
    predictions, facts = answer.probe(train, held, np.concatenate(parts), seed)
    ends = np.cumsum([len(one) for one in parts])
    starts = [0, *ends[:-1]]
    return [predictions[start:end] for start, end in zip(starts, ends, strict=True)], facts


def features_of(
    run: Reads, model: Any, depth: int, encoded: Sequence[Encoded], console: Console
) -> Any:
    """The suffix above `depth` groups and what it takes for each set; `None` if not cached."""
    from kfine.models.cutting import CannotCut
    from kfine.models.groups import layer_groups
    from kfine.training.frozen import features_below, request_for
    from kfine.training.trunk_pass import NoRoom

    if run.config.feature_cache == "none":
        return None
    try:
        return features_below(
            model,
            layer_groups(model),
            depth,
            [request_for(one.rows, run.input.prepare, one.lengths) for one in encoded],
            input=run.input.to_dict(),
            precision=run.config.feature_cache,
            memory_budget=int(run.config.cache_memory * 1e9),
            console=console,
        )
    except (CannotCut, NoRoom):
        return None


def backbone_features(
    run: Reads, base: Any, splits: Sequence[Split], console: Console
) -> list[np.ndarray]:
    """`(examples, features)` float32 of each split, as an untouched backbone gives its head.

    Args:
        run: How examples are read, and where features are kept.
        base: The model as its preset has it.
        splits: The examples.
        console: Hears of the pass.
    """
    from kfine.training.frozen import head_inputs

    encoded = [run.input.encode(split.inputs) for split in splits]
    found = features_of(run, base, 0, encoded, console)
    if found is None:
        given = head_inputs(base, [(one.rows, run.input.prepare, one.lengths) for one in encoded])
    else:
        suffix, cached = found
        given = head_inputs(suffix, [(rows, None, lengths) for rows, lengths in cached])
    return [mean_of_rows(rows, one.places) for rows, one in zip(given, encoded, strict=True)]


class LinearBase:
    """A linear model of the frozen backbone's features, on examples that come in parts.

    Args:
        run: A run whose answer has a linear model.
        module: Its recipe.
        own: Its data, from which the linear model learns.
        console: Hears of the pass through the frozen layers.
    """

    def __init__(self, run: TrainedRun, module: Recipe, own: Data, console: Console) -> None:
        self._run = run
        self._base = module.build_model(run.config, own).model
        self._splits = [own.train, *([own.validation] if own.validation else [])]
        self._learned = backbone_features(run, self._base, self._splits, console)
        self._below: Any = None
        self._seen: list[np.ndarray] = []

    def see(self, examples: Sequence[Any]) -> None:
        """Compute the features of some examples."""
        from kfine.models.forward import predict_rows
        from kfine.models.linear_head import below_head

        # Once: a new model would be traced anew for each part.
        self._below = self._below or below_head(self._base)
        encoded = self._run.input.encode(list(examples))
        rows = predict_rows(
            self._below, encoded.rows, self._run.input.prepare, _ROWS, encoded.lengths
        )
        self._seen.append(mean_of_rows(rows, encoded.places))

    def predictions(self) -> list[Sequence[Any]]:
        """What the linear model says of each part that was seen."""
        run = self._run
        found, _ = _probed(run.answer, self._splits, self._learned, self._seen, run.config.seed)
        return found


class Untuned:
    """A run's model as its preset has it, where the answer needs no training.

    Args:
        run: The run.
        module: Its recipe.
        own: Its data.

    Attributes:
        model: Not trained.
    """

    def __init__(self, run: TrainedRun, module: Recipe, own: Data) -> None:
        self._run = run
        self.model = module.build_model(run.config, own).model
        self._predictions: dict[int, Sequence[Any]] = {}

    @classmethod
    def of(cls, run: TrainedRun, module: Recipe, own: Data) -> Untuned | None:
        """That model; `None` where the answer needs training."""
        return cls(run, module, own) if getattr(run.answer, "pretrained", False) else None

    def predictions(self, split: Split) -> Sequence[Any]:
        """What it says of a split, computed once."""
        if id(split) not in self._predictions:
            (self._predictions[id(split)],) = _predicted(self.model, self._run, [split])
        return self._predictions[id(split)]


def head_alone(
    run: TrainedRun, module: Recipe, own: Data, tests: Sequence[Split]
) -> list[Sequence[Any]]:
    """Predictions for each split of a head that was trained alone, on what the run trained on."""
    from kfine.training.engine import run_stages

    quiet = Console(quiet=True)
    config = replace(run.config, unfreeze="none", epochs=HEAD_EPOCHS, ema=0.0)
    learned = own.without_validation() if run.refit else own
    job = build_job(module, config, learned, quiet, validated=not run.refit).job
    run_stages(job, checkpoints=None, console=quiet)
    return _predicted(job.model, run, tests)


def _predicted(model: Any, run: TrainedRun, tests: Sequence[Split]) -> list[Sequence[Any]]:
    """What another model of a run says of each split."""
    from kfine.runtimes.keras_model import KerasPredictor

    predictor = KerasPredictor(model, run.input, run.answer, run.config.batch_size)
    return [predictor.predict_split(test) for test in tests]
