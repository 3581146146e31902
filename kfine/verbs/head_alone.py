"""The baseline of tasks without classes: the same head, trained on the untouched backbone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kfine.console import Console
from kfine.verbs.fit import build_job
from kfine.verbs.predictions import gain, predict_split, right_of
from kfine.verbs.run import Run

# A head on cached features takes a second per epoch.
EPOCHS = 10


def beside_head_alone(
    run: Run, module: Any, own: Any, scored: Any, predictions: Any
) -> dict[str, Any]:
    """The recipe's own baselines and the head alone, and what tuning gained over the latter.

    Args:
        run: The run.
        module: Its recipe.
        own: Its data, on which the head is trained.
        scored: Data whose test split is scored.
        predictions: The tuned model's.

    Returns:
        `baselines`, name -> metrics, and `gain`.
    """
    answers = _head_alone(run, module, own, scored)
    return {
        "baselines": {
            **module.baselines(own, scored),
            "head_alone": module.evaluate(answers, scored),
        },
        "gain": gain(
            "head_alone",
            right_of(module, predictions, scored.test),
            right_of(module, answers, scored.test),
        ),
    }


def _head_alone(run: Run, module: Any, own: Any, scored: Any) -> Any:
    """Predictions for the test split of a head that was trained alone."""
    from kfine.training.engine import run_stages

    quiet = Console(quiet=True)
    config = replace(run.config, unfreeze="none", epochs=EPOCHS, ema=0.0)
    job = build_job(module, config, own, quiet).job
    run_stages(job, checkpoints=None, console=quiet)
    return predict_split(run, job.model, scored.test)
