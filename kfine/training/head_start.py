"""A head that starts where a linear model on the frozen features ends."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from kfine.console import Console
from kfine.models.linear_head import linear_head

if TYPE_CHECKING:
    from kfine.answers import Answer
    from kfine.training.engine import Job, LinearModel
    from kfine.training.features import Features
    from kfine.training.settings import TrainingConfig
    from kfine.training.unfreezing import Stage

# Of the learning rate, for a head that trains alone from the best linear model on.
ALONE = 1e-3
# The last one: the trials of a search mostly ask for the same, and a fit takes seconds.
_FITTED: dict[str, tuple[np.ndarray, np.ndarray]] = {}


def linear_model_for(
    config: TrainingConfig, answer: Answer, model: keras.Model
) -> LinearModel | None:
    """What gives the head its first weights: none where it is not to, or the head is another."""
    if config.head_start != "probe" or not answer.probes or linear_head(model) is None:
        return None
    return getattr(answer, "linear_model", None)


def rates_from_probe(stages: Sequence[Stage], config: TrainingConfig) -> list[Stage]:
    """The stages of a job whose head starts at a linear model, none of which undoes it.

    A head that trains alone from there is at its best already: the linear model is regularised as
    held-out examples want it, and steps at the rate of a random head take that away again.

    Args:
        stages: As planned. Where the schedule gives a rate, that is kept.
        config: Of the job.
    """
    return [
        replace(stage, learning_rate=ALONE * config.learning_rate)
        if stage.depth == 0 and stage.learning_rate is None
        else stage
        for stage in stages
    ]


def start_at_probe(job: Job, features: Features, console: Console) -> None:
    """Give the head the weights of a linear model on the features of the layers below it.

    A random head sends useless gradients into pretrained layers, and is far from the best one of
    few examples even after many steps (Kumar et al., 2022, https://arxiv.org/abs/2202.10054).

    Args:
        job: Its model is as the recipe built it, and it has a `linear_model`.
        features: What gives the features, from its cache.
        console: Hears of it.
    """
    head = linear_head(job.model)
    assert head is not None and job.linear_model is not None
    trained, *held = features.before_head()
    train = trained, _only(job.batches.targets)
    validation = trained[:0], train[1][:0]
    if job.validation is not None:
        validation = held[0], _only(job.validation.targets)
    weights = _only(job.batches.sample_weights)
    # Of the answer, its shares alone make another linear model.
    shares = getattr(getattr(job.linear_model, "__self__", None), "shares", ())
    about = (job.linear_model.__qualname__, shares, job.config.seed)
    key = _digest([*train, *validation, weights], about)
    if key not in _FITTED:
        _FITTED.clear()
        _FITTED[key] = job.linear_model(train, validation, weights, job.config.seed)
    kernel, bias = _FITTED[key]
    # The gradients of the backbone grow with the head: from one as large as that of a probe on few
    # or hard examples its first steps lead far away. Smaller logits mean the same classes, and the
    # kernels of standardised numbers are mostly smaller than random ones anyway.
    random = float(np.linalg.norm(keras.ops.convert_to_numpy(head.kernel)))
    deep = any(stage.depth for stage in job.stages)
    shrink = min(1.0, random / float(np.linalg.norm(kernel) or 1.0)) if deep else 1.0
    head.kernel.assign(shrink * kernel)
    head.bias.assign(shrink * bias)
    console.say("the head starts as a linear model of the frozen features")


def _digest(arrays: Sequence[np.ndarray | None], more: Any) -> str:
    digest = hashlib.sha256(repr(more).encode())
    for one in arrays:
        if one is not None:
            digest.update(repr((one.shape, one.dtype)).encode())
            digest.update(np.ascontiguousarray(one).data)
    return digest.hexdigest()


def _only(rows: Any) -> Any:
    """What there is of a model's one output: its targets, or its weights or `None`."""
    return None if rows is None else np.asarray(keras.tree.flatten(rows)[0])
