"""`fit`: from a recipe and a config to a finished run folder."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from kfine.backend import load_backend
from kfine.config import dump_yaml, make_config
from kfine.console import Console
from kfine.errors import ConfigError, RunError
from kfine.runs.files import whole_file
from kfine.runs.folder import Folder, RunFolder, new_run, now, open_run, removed_on_failure
from kfine.runs.lock import locked
from kfine.runs.provenance import environment
from kfine.training.divergence import diverged
from kfine.verbs.data import load_data, load_unchanged, say_data
from kfine.verbs.recipes import (
    load_recipe,
    objective_of,
    recipe_name,
    recipe_of_run,
    recipe_reference,
    source_of,
)
from kfine.verbs.run import Run


def fit(
    recipe: str | Path | None = None,
    *,
    config: str | Path | None = None,
    run_dir: str | Path | None = None,
    resume: str | Path | None = None,
    console: Console | None = None,
    **settings: Any,
) -> Run:
    """Fine-tune a model and leave a run folder.

    Args:
        recipe: Name of a recipe, or path of a recipe file.
        config: YAML file with settings; keyword arguments win over it.
        run_dir: Where to put the run; `runs/RECIPE-DATE-TIME` if omitted.
        resume: A run folder to continue instead; takes no recipe and no settings.
        console: Hears of the progress; standard error if omitted.
        **settings: Fields of the recipe's `Config`.

    Returns:
        The finished run.

    Raises:
        KfineError: The settings, the data, the preset or the folder cannot be used.

    Example:

    ```python
    run = kfine.fit("image_classification", data="flowers", epochs=8)
    print(run.metrics["accuracy"])
    ```
    """
    console = console or Console()
    if resume is not None:
        if recipe or settings or config or run_dir:
            raise ConfigError("resume takes no recipe and no settings: the run has its own.")
        return _resume(open_run(resume), console)
    module, resolved = prepare(recipe, config, settings)
    # The folder comes first: reading the data may take minutes, a wrong folder is found at once.
    folder = new_run(recipe_name(module), run_dir)
    with locked(folder.path):
        with removed_on_failure(folder):
            data = load_data(module, resolved, console)
            describe_run(folder, module, resolved, data)
            say_data(data, console)
            prepared = build_job(module, resolved, data, console)
        return train(folder, prepared, console)


def prepare(
    recipe: str | Path | None, config: str | Path | None, settings: dict[str, Any]
) -> tuple[ModuleType, Any]:
    """Load a recipe and resolve its config; cheap, and imports no Keras."""
    if recipe is None:
        raise ConfigError("fit needs a recipe, such as image_classification, or a run to resume.")
    module = load_recipe(recipe)
    return module, module.resolve(make_config(module.Config, settings, config))


def describe_beginning(folder: Folder, module: ModuleType, config: Any, data: Any) -> None:
    """Write what a run or a search is made of: settings, recipe, environment, data and splits."""
    folder.write_text("config.yaml", dump_yaml(config))
    folder.write_text("recipe.py", source_of(module))
    folder.write("environment.json", environment(config.seed))
    folder.write("data.json", data.summary())
    folder.write("splits.json", data.split_lists())


def describe_run(folder: RunFolder, module: ModuleType, config: Any, data: Any) -> None:
    """Write what a run begins with; from then on it can be resumed."""
    describe_beginning(folder, module, config, data)
    # Written last: with it the folder counts as a run that can be resumed.
    folder.update(
        recipe=recipe_reference(module),
        objective=objective_of(module),
        status="running",
        started=now(),
        class_names=list(data.class_names),
    )


def _resume(folder: RunFolder, console: Console) -> Run:
    with locked(folder.path):
        if folder.info()["status"] == "finished":
            raise RunError(f"The run {folder.path} has finished; there is nothing to resume.")
        module, note = recipe_of_run(folder)
        if note:
            console.warn(note)
        config = make_config(module.Config, {}, folder.path / "config.yaml")
        data = load_unchanged(
            folder,
            module,
            config,
            console,
            since="the run began",
            so="it cannot be resumed to the same result; restore the data, or start a new run",
        )
        console.say(f"resuming {folder.path}")
        return train(folder, build_job(module, config, data, console), console)


@dataclass
class Prepared:
    """A compiled job and the built model behind it."""

    job: Any
    built: Any


def build_job(module: ModuleType, config: Any, data: Any, console: Console) -> Prepared:
    """Build and compile the model and its input pipelines; seeds everything first."""
    with console.timed("loading TensorFlow and the preset"):
        load_backend()
        from kfine.data.augmentation import seeded
        from kfine.data.pipeline import Batches
        from kfine.models.groups import layer_groups
        from kfine.seeds import seed_everything
        from kfine.training.engine import Job, compile_job
        from kfine.training.unfreezing import plan_stages

        seed_everything(config.seed)
        built = module.build_model(config, data)
    groups = layer_groups(built.model)
    weights = built.sample_weights

    def batches(split: Any, **options: Any) -> Batches:
        rows = built.preprocessing.rows(split.inputs)
        return Batches(
            inputs=rows,
            targets=built.targets(split),
            batch_size=config.batch_size,
            seed=config.seed,
            prepare=built.preprocessing.prepare,
            lengths=built.preprocessing.lengths(rows),
            **options,
        )

    job = Job(
        model=built.model,
        loss=built.loss,
        metrics=built.metrics,
        groups=groups,
        stages=plan_stages(
            config.unfreeze,
            config.epochs,
            [one.name for one in groups[:-1]],
            automatic=built.unfrozen,
        ),
        batches=batches(
            data.train,
            sample_weights=weights(data.train.labels) if weights else None,
            augment=seeded(built.augmentation),
            min_steps=config.min_steps,
        ),
        validation=batches(data.validation),
        config=config,
        preprocessing=built.preprocessing.to_dict(),
        augmentation=built.augmentation,
    )
    compile_job(job)
    return Prepared(job, built)


def train(
    folder: RunFolder,
    prepared: Prepared,
    console: Console,
    *,
    plots: bool = True,
    enough: Callable[[Sequence[dict[str, Any]]], bool] | None = None,
    unsaved: Callable[[dict[str, Any]], str] | None = None,
) -> Run:
    """Train a described run to its end, from its newest checkpoint if it has one.

    Args:
        folder: Its folder, locked.
        prepared: From `build_job`.
        console: Hears of the progress.
        plots: Draw the learning curves.
        enough: Told the history after each epoch, says whether training may end there; without,
            it ends where the loss is no number any more.
        unsaved: Told the scores of the best epoch, says why the model is not worth a file; the
            empty text saves it.
    """
    from kfine.evaluation.plots import learning_curves_png
    from kfine.training.checkpoints import Checkpoints
    from kfine.training.engine import run_stages, stage_span
    from kfine.training.features import Features, decisions_from_json, decisions_to_json
    from kfine.training.freezing import release

    job, built = prepared.job, prepared.built
    folder.write("preprocessing.json", built.preprocessing.to_dict())
    built.preprocessing.save(folder.path)
    stages = [vars(stage) for stage in job.stages]
    groups = [group.name for group in job.groups]
    folder.update(status="running", decisions=built.decisions, stages=stages, groups=groups)
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
    return Run(folder)


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
