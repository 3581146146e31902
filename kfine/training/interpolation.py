"""The mean of the weights that training ended with and those that it began with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from kfine.console import Console
from kfine.training.callbacks import BestWeights, validation_scores
from kfine.training.engine import compile_part
from kfine.training.features import Features
from kfine.training.settings import LEAST_TO_CHOOSE

if TYPE_CHECKING:
    from kfine.training.engine import Job
    from kfine.training.unfreezing import Stage

# Shares of the tuned weights that validation chooses among; 1 is what training ended with.
SHARES = (0.25, 0.5, 0.75)
# Where too few examples validate to choose. That of the paper, which found it near the best.
USUAL = 0.5


def interpolate(
    job: Job,
    features: Features,
    history: Sequence[Mapping[str, Any]],
    best: BestWeights,
    share: float | None,
    console: Console,
) -> float:
    """Give the model the mean of its best weights and of those that it began with.

    Fine-tuning moves away from what the pretrained layers and the linear model on their features
    know; a point on the way is often better than its end, costs nothing where the model runs, and
    is never far below either (Wortsman et al., 2022, WiSE-FT, https://arxiv.org/abs/2109.01903).

    Args:
        job: It has been trained, and holds the weights of `best`.
        features: Of the training, which feeds the validation.
        history: Of the training.
        best: With the weights of the beginning; with the scores of the mean afterwards.
        share: Of the tuned weights, 0 to 1. `None` chooses the one with the lowest validation
            loss, or takes `USUAL` where fewer than `LEAST_TO_CHOOSE` examples validate.
        console: Hears of it.

    Returns:
        The share; 1 where there is no mean to take: the head began at random, or only it trained.
    """
    reached = job.stages[: history[-1]["stage"]]
    deepest = max(reached, key=lambda stage: stage.depth)
    if best.start is None or not deepest.depth or share == 1:
        return 1.0
    chooses = share is None and job.held_out >= LEAST_TO_CHOOSE
    shares = SHARES if chooses else (USUAL if share is None else share,)
    scores: dict[float, dict[str, float]] = {1.0: {"val_loss": best.value}} if chooses else {}
    validate = _validator(job, features, deepest) if job.held_out else dict
    for one in shares:
        best.put_back(one)
        scores[one] = validate()
    chosen = shares[0]
    if chooses:
        chosen = min(scores, key=lambda one: scores[one]["val_loss"])
        best.put_back(chosen)
    best.scores = scores[chosen]
    if chosen < 1:
        why = ", as validation chose" if chooses else ""
        console.say(f"the weights are {chosen:.0%} tuned and {1 - chosen:.0%} as they began{why}")
    return chosen


def _validator(job: Job, features: Features, stage: Stage) -> Callable[[], dict[str, float]]:
    """What scores the model as it is on the validation examples."""
    model, batches = features.validator(stage)
    compile_part(model, job, job.model.optimizer)
    return partial(validation_scores, model, batches)
