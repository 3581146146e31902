"""From a recipe, a config and its data to a trained run: what `fit`, folds and trials all do."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kfine.backend import load_backend
from kfine.config import dump_yaml
from kfine.console import Console
from kfine.data.labelled import Data
from kfine.data.split import Split
from kfine.errors import DataError, RunError
from kfine.recipe import Recipe, recipe_reference, source_of
from kfine.runs.files import whole_file
from kfine.runs.folder import Folder, RunFolder, now
from kfine.runs.provenance import environment
from kfine.training.divergence import diverged
from kfine.training.parts import keep_parts
from kfine.training.run import TrainedRun

if TYPE_CHECKING:
    import keras

    from kfine.answers import Answer
    from kfine.data.pipeline import Batches
    from kfine.models.built import Built
    from kfine.training.engine import Job


def describe_beginning(folder: Folder, module: Recipe, config: Any, data: Data) -> None:
    """Write what a run or a search is made of: settings, recipe, environment, data and splits."""
    folder.write_text("config.yaml", dump_yaml(config))
    folder.write_text("recipe.py", source_of(module))
    folder.write("environment.json", environment(config.seed))
    folder.write("data.json", data.summary())
    folder.write("splits.json", data.split_lists())


def describe_run(folder: RunFolder, module: Recipe, config: Any, data: Data) -> None:
    """Write what a run begins with; from then on it can be resumed."""
    describe_beginning(folder, module, config, data)
    # Written last: with it the folder counts as a run that can be resumed.
    folder.update(
        recipe=recipe_reference(module),
        status="running",
        started=now(),
        class_names=list(data.class_names),
    )


@dataclass
class Prepared:
    """A compiled job and the built model behind it."""

    job: Job
    built: Built


def build_job(module: Recipe, config: Any, data: Data, console: Console) -> Prepared:
    """Build and compile the model and its input pipelines; seeds everything first."""
    with console.timed("loading TensorFlow and the preset"):
        load_backend()
        from kfine.data.augmentation import seeded
        from kfine.models.groups import layer_groups
        from kfine.seeds import seed_everything
        from kfine.training.engine import Job, compile_job
        from kfine.training.head_start import linear_model_for
        from kfine.training.unfreezing import plan_stages

        seed_everything(config.seed)
        built = module.build_model(config, data)
    for line in built.warnings:
        console.warn(line)
    if data.validation is None:
        raise DataError(f"the data {data.source} has no validation split to choose epochs by")
    groups = layer_groups(built.model)
    answer = built.answer
    if built.unfrozen == 0 and config.unfreeze == "auto":
        built.decisions["unfreeze"] = (
            f"auto trains the head alone: {len(data.train)} training examples are few"
        )
    linear_model = linear_model_for(config, answer, built.model)
    job = Job(
        model=built.model,
        loss=for_outputs(answer.losses()),
        metrics=for_outputs(answer.metrics()),
        groups=groups,
        stages=plan_stages(
            config.unfreeze,
            config.epochs,
            [one.name for one in groups[:-1]],
            automatic=built.unfrozen,
            started=linear_model is not None,
        ),
        batches=batches_of(
            built,
            data.train,
            config,
            weigh=True,
            augment=seeded(built.augmentation, answer.moves),
            min_steps=config.min_steps,
        ),
        validation=batches_of(built, data.validation, config),
        config=config,
        input=built.input.to_dict(),
        augmentation=built.augmentation,
        moves=bool(answer.moves),
        loss_weights=getattr(answer, "loss_weights", None),
        linear_model=linear_model,
    )
    compile_job(job)
    return Prepared(job, built)


def for_outputs(by_name: Any) -> Any:
    """What Keras is compiled with: one output's own, or those of several outputs by name."""
    return by_name if len(by_name) > 1 else next(iter(by_name.values()))


def batches_of(
    built: Built, split: Split, config: Any, *, weigh: bool = False, **options: Any
) -> Batches:
    """The batches of a split, as its input and its answer encode it.

    Args:
        built: Input and answer.
        split: The examples.
        config: Batch size and seed.
        weigh: Weigh the examples as the recipe says; labels that are missing are masked anyway.
        **options: Of `Batches`.

    Raises:
        DataError: A label contradicts the answer.
    """
    from kfine.data.pipeline import Batches

    encoded = built.input.encode(split.inputs)
    targets = built.answer.encode(split.labels, encoded.places)
    weights = dict(targets.weights)
    if weigh and built.weights is not None:
        own = built.weights(split.labels)[encoded.places.owner]
        weights = {name: own * weights.get(name, 1.0) for name in targets.rows}
    if weights:
        import numpy as np

        ones = np.ones(len(encoded.places.owner), np.float32)
        weights = {name: weights.get(name, ones) for name in targets.rows}
    lengths = encoded.lengths
    if lengths is not None:
        along = positions_of(built.answer)
        lengths = replace(lengths, targets=tuple(name in along for name in sorted(targets.rows)))
    return Batches(
        inputs=encoded.rows,
        targets=for_outputs(dict(sorted(targets.rows.items()))),
        sample_weights=for_outputs(dict(sorted(weights.items()))) if weights else None,
        masked=bool(targets.weights),
        batch_size=config.batch_size,
        seed=config.seed,
        prepare=built.input.prepare,
        lengths=lengths,
        **options,
    )


def positions_of(answer: Answer) -> frozenset[str]:
    """Target rows whose second axis is as long as a row of the input."""
    return frozenset(getattr(answer, "positions", ()))


def train(
    folder: RunFolder,
    prepared: Prepared,
    console: Console,
    *,
    plots: bool = True,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    enough: Callable[[Sequence[dict[str, Any]]], bool] | None = None,
    unsaved: Callable[[dict[str, Any]], str] | None = None,
) -> TrainedRun:
    """Train a described run to its end, from its newest checkpoint if it has one.

    Args:
        folder: Its folder, locked.
        prepared: From `build_job`.
        console: Hears of the progress.
        plots: Draw the learning curves.
        callbacks: Of the user, for every stage's `fit`.
        enough: Told the history after each epoch, says whether training may end there; without,
            it ends where the loss is no number any more.
        unsaved: Told the scores of the best epoch, says why the model is not worth a file; the
            empty text saves it.
    """
    from kfine.training.checkpoints import Checkpoints
    from kfine.training.engine import run_stages, stage_span
    from kfine.training.features import Features, decisions_from_json, decisions_to_json
    from kfine.training.freezing import release
    from kfine.training.plots import learning_curves_png

    job, built = prepared.job, prepared.built
    keep_parts(folder, built.input, built.answer)
    stages = [vars(stage) for stage in job.stages]
    groups = [group.name for group in job.groups]
    folder.update(
        status="running",
        decisions=built.decisions,
        stages=stages,
        groups=groups,
        objective=f"val_{built.answer.watched}",
    )
    recorded = decisions_from_json(folder.info().get("features", []))
    features = Features(job, console, recorded)
    try:
        history, best = run_stages(
            job,
            checkpoints=Checkpoints(folder.checkpoints),
            console=console,
            features=features,
            decided=lambda: folder.update(features=decisions_to_json(features.decisions)),
            enough=enough or (lambda history: bool(diverged(history))),
            callbacks=callbacks,
        )
    except KeyboardInterrupt:
        folder.update(status="interrupted")
        path = shlex.quote(str(folder.path))
        console.say(f"interrupted; continue with: kfine fit --resume {path}")
        raise
    except RunError:
        path = shlex.quote(str(folder.path))
        console.say(f"stopped; continue later with: kfine fit --resume {path}")
        raise
    release(job.model)
    kept = history[best.epoch]
    if enough is None and diverged(history):
        _say_diverged(folder, diverged(history), kept, console)
    reason = unsaved(kept) if unsaved else ""
    if reason:
        folder.update(model=reason)
    else:
        _save_model(folder, job.model)
    folder.write("history.json", history)
    if plots:
        learning_curves_png(
            folder.path / "plots" / "learning_curves.png",
            history,
            [(stage.first_epoch + 1, stage_span(job.groups, stage)) for stage in job.stages],
        )
    folder.update(status="finished", finished=now(), best_epoch=best.epoch + 1, validation=kept)
    console.say(
        f"kept the weights of epoch {best.epoch + 1}: "
        + ", ".join(f"{k} {v:.3f}" for k, v in kept.items() if k.startswith("val_"))
    )
    console.say(f"run: {folder.path}")
    return TrainedRun(folder)


def _say_diverged(folder: RunFolder, what: str, kept: dict[str, Any], console: Console) -> None:
    """Warn of a run that ended early, and refuse one without a single usable epoch."""
    if not math.isfinite(kept["val_loss"]):
        folder.update(status="diverged")
        raise RunError(f"Training diverged: {what}; start a new run with a lower learning_rate.")
    console.warn(
        f"{what}, so training ends there, with the weights of epoch {kept['epoch']}; a lower "
        "learning_rate may help"
    )


def _save_model(folder: RunFolder, model: Any) -> None:
    import keras

    # A KerasHub task comes to life with a fresh Adam. Loading warns where the file holds other
    # optimizer state than that, or a compile config.
    model.compiled = False
    model.optimizer = keras.optimizers.Adam()
    with whole_file(folder.model_path) as temporary:
        model.save(temporary)
