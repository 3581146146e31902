"""From a recipe, a config and its data to a job: what `fit`, folds and trials all begin with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kfine.backend import load_backend
from kfine.config import dump_yaml
from kfine.console import Console
from kfine.data.labelled import Data
from kfine.data.split import Split
from kfine.errors import DataError
from kfine.recipe import Recipe, recipe_reference, source_of
from kfine.runs.folder import Folder, RunFolder, now
from kfine.runs.provenance import environment
from kfine.training.rehearsal import rehearsed

if TYPE_CHECKING:
    from kfine.answers import Answer
    from kfine.data.pipeline import Batches
    from kfine.models.built import Built
    from kfine.models.groups import LayerGroup
    from kfine.training.adapting import Adapted
    from kfine.training.engine import Job
    from kfine.training.unfreezing import Stage


def describe_beginning(folder: Folder, module: Recipe, config: Any, data: Data) -> None:
    """Write what a run or a search is made of: settings, recipe, environment, data and splits."""
    folder.write_text("config.yaml", dump_yaml(config))
    folder.write_text("recipe.py", source_of(module))
    folder.write("environment.json", environment(config.seed))
    folder.write("data.json", data.summary())
    folder.write("splits.json", data.split_lists())


def describe_run(folder: RunFolder, module: Recipe, config: Any, data: Data, **more: Any) -> None:
    """Write what a run begins with; from then on it can be resumed.

    Args:
        folder: The new run.
        module: Its recipe.
        config: Its settings.
        data: Its data.
        **more: For `run.json`.
    """
    describe_beginning(folder, module, config, data)
    # Written last: with it the folder counts as a run that can be resumed.
    folder.update(
        recipe=recipe_reference(module),
        status="running",
        started=now(),
        class_names=list(data.class_names),
        **more,
    )


@dataclass
class Prepared:
    """A compiled job, the built model behind it, the examples that validate, the adapters."""

    job: Job
    built: Built
    held: Split | None = None
    adapted: Adapted | None = None


def build_job(
    module: Recipe,
    config: Any,
    data: Data,
    console: Console,
    *,
    stages: Sequence[Stage] = (),
    validated: bool = True,
) -> Prepared:
    """Build and compile the model and its input pipelines; seeds everything first.

    Args:
        module: The recipe.
        config: Its settings.
        data: What it trains and validates on.
        console: Hears of the loading.
        stages: Of an earlier fit, to go through again; planned if omitted.
        validated: Whether epochs are chosen by validation.

    Raises:
        KfineError: The data, the preset or the schedule cannot be used.
    """
    data = rehearsed(data)
    with console.timed("loading TensorFlow and the preset"):
        load_backend()
        from kfine.adapters.attaching import take_away
        from kfine.models.groups import layer_groups
        from kfine.seeds import seed_everything
        from kfine.training.adapting import add_adapters_of
        from kfine.training.precision import restore

        seed_everything(config.seed)
        built = module.build_model(config, data)
    for line in built.warnings:
        console.warn(line)
    groups = layer_groups(built.model)
    adapted = None
    if config.adapter_options is not None:
        adapted = add_adapters_of(groups, config.adapter_options, config.seed)
        built.decisions["adapter"] = adapted.sentence
        console.say(adapted.sentence)
    try:
        job = _job(built, groups, config, data, stages, adapted, validated=validated)
    except BaseException:
        # The backbone may serve another model of a search.
        take_away([built.model])
        restore([built.model])
        raise
    return Prepared(job, built, data.validation if validated else None, adapted)


def _job(
    built: Built,
    groups: Sequence[LayerGroup],
    config: Any,
    data: Data,
    stages: Sequence[Stage],
    adapted: Adapted | None,
    *,
    validated: bool,
) -> Job:
    """A compiled job of a built model."""
    from kfine.data.augmentation import mixes, seeded
    from kfine.training.adapting import check_reach
    from kfine.training.engine import Job, compile_job
    from kfine.training.head_start import linear_model_for, rates_from_probe
    from kfine.training.precision import compute_in
    from kfine.training.unfreezing import plan_stages

    compute_in(groups, config.precision)
    held = data.validation
    if validated and held is None:
        raise DataError(f"the data {data.source} has no validation split to choose epochs by")
    answer = built.answer
    if built.unfrozen == 0 and adapted is None and config.unfreeze == "auto" and not stages:
        built.decisions["unfreeze"] = (
            f"auto trains the head alone: {len(data.train)} training examples are few"
        )
    linear_model = linear_model_for(config, answer, built.model)
    if not stages:
        stages = plan_stages(
            config.unfreeze,
            config.epochs,
            [one.name for one in groups[:-1]],
            automatic=built.unfrozen if adapted is None else adapted.reach,
            started=linear_model is not None,
            # An adapter begins as nothing, and a head that is still random does it no harm.
            pretrained=adapted is not None or getattr(answer, "pretrained", False),
            whole=None if adapted is None else adapted.reach,
        )
        if linear_model is not None:
            stages = rates_from_probe(stages, config)
    if adapted is not None:
        check_reach(groups, max(stage.depth for stage in stages), config.unfreeze)
    job = Job(
        model=built.model,
        loss=for_outputs(answer.losses()),
        metrics=for_outputs(answer.metrics()),
        groups=groups,
        stages=stages,
        batches=batches_of(
            built,
            data.train,
            config,
            weigh=True,
            augment=seeded(built.augmentation, answer.moves),
            min_steps=config.min_steps,
        ),
        validation=held if held is None else batches_of(built, held, config),
        config=config,
        input=built.input.to_dict(),
        augmentation=built.augmentation,
        moves=bool(answer.moves) or mixes(built.augmentation),
        loss_weights=getattr(answer, "loss_weights", None),
        fed=getattr(answer, "fed", {}),
        linear_model=linear_model,
        parts=config.accumulate or 1,
    )
    compile_job(job)
    return job


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
    from kfine.models.feeding import feed_of_model

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
        target=getattr(built.answer, "target", None),
        feed=feed_of_model(built.model, getattr(built.answer, "fed", {})),
        lengths=lengths,
        **options,
    )


def positions_of(answer: Answer) -> frozenset[str]:
    """Target rows whose second axis is as long as a row of the input."""
    return frozenset(getattr(answer, "positions", ()))
