"""Worker: the least that a fit with frozen layers has to compute.

One pass of the training and validation images through the frozen layers, and the steps and the
validation of what is above them, in bare loops over tensors in memory, traced before. Counted
apart: reading the photos and building the model, which any program has to do first.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from kfine_fit import fit_settings
from worker import BATCH_SIZE, arrays, read_settings, report

from kfine.backend import load_backend
from kfine.console import Console

load_backend()
import tensorflow as tf  # noqa: E402

from kfine.models.cutting import cut_model, joined_trunk  # noqa: E402
from kfine.models.forward import forward_of  # noqa: E402
from kfine.training.data import load_data  # noqa: E402
from kfine.training.engine import Job  # noqa: E402
from kfine.training.freezing import apply_stage  # noqa: E402
from kfine.training.job import build_job  # noqa: E402
from kfine.verbs.fit import prepare  # noqa: E402

Batches = list[tuple[tf.Tensor, ...]]


def divided(*rows: Any) -> Batches:
    """Rows as a list of batches."""
    starts = range(0, len(rows[0]), BATCH_SIZE)
    return [tuple(tf.constant(one[i : i + BATCH_SIZE]) for one in rows) for i in starts]


def seconds_of(call: Callable[..., Any], batches: Batches, times: int = 1) -> float:
    """Of a traced function over all batches, several times."""
    for shape_of in (batches[0], batches[-1]):
        call(*shape_of)
    start = time.perf_counter()
    for _ in range(times):
        for batch in batches:
            call(*batch)
    return time.perf_counter() - start


def training_step(suffix: Any, job: Job) -> Callable[..., Any]:
    """Forward, backward, update."""
    optimizer: Any = job.model.optimizer

    @tf.function
    def step(features: Any, targets: Any) -> None:
        with tf.GradientTape() as tape:
            loss = job.loss(targets, suffix(features, training=True))
        trained = suffix.trainable_variables
        optimizer.apply(tape.gradient(loss, [one.value for one in trained]), trained)

    return step


def main() -> None:
    """Measure the pass and, stage by stage, the steps."""
    settings = read_settings()
    module, config = prepare("image_classification", None, fit_settings(settings))
    start = time.perf_counter()
    data = load_data(module, config, Console(quiet=True))
    prepared = build_job(module, config, data, Console(quiet=True))
    setup = time.perf_counter() - start
    job, normalize = prepared.job, prepared.built.input.normalize
    cuts = [cut_model(job.model, job.groups, stage.depth) for stage in job.stages]
    trunk = joined_trunk(cuts)
    call = forward_of(trunk, exact=False)

    def forward(images: Any) -> Any:
        return call(normalize(images))

    splits = [arrays(data.train)[0], arrays(data.validation)[0]]
    passes = [seconds_of(forward, divided(images)) for images in splits]
    found: dict[str, Any] = {
        "setup_seconds": setup,
        "pass_seconds": sum(passes),
        "seconds": sum(passes),
    }
    for number, (stage, cut) in enumerate(zip(job.stages, cuts, strict=True)):
        apply_stage(job.model, job.groups, stage.depth, batch_norm=config.batch_norm)
        train, validation = (
            divided(
                tf.concat([tf.nest.flatten(forward(*b))[number] for b in divided(images)], 0),
                batches.targets,
            )
            for images, batches in zip(splits, (job.batches, job.validation), strict=True)
        )
        epochs = stage.end_epoch - stage.first_epoch
        predict = tf.function(lambda features, targets, suffix=cut.suffix: suffix(features))
        found["seconds"] += seconds_of(training_step(cut.suffix, job), train, epochs)
        found["seconds"] += seconds_of(predict, validation, epochs)
    report(found)


if __name__ == "__main__":
    main()
