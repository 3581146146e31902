"""What a tuned backbone forgot: `forgetting.py RUN OTHER` prints scores on other data as JSON.

A linear model is fitted on the features of the other data's training examples and scored on its
test examples, once with the backbone as it was pretrained and once with that of the run.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import Any

from kfine.console import Console
from kfine.evaluation.baselines import backbone_features
from kfine.recipe import recipe_of_run
from kfine.training.data import load_data
from kfine.training.run import TrainedRun


def main(path: str, source: str) -> dict[str, float]:
    """Scores of the linear models, and their difference."""
    run, quiet = TrainedRun(path), Console(quiet=True)
    module, _ = recipe_of_run(run.folder)
    config = module.resolve(replace(run.config, data=source))
    data = load_data(module, config, quiet)
    tuned = run.model  # loads Keras quietly, which what is imported next would not
    from kfine.models.groups import layer_groups

    built = module.build_model(config, data)
    reads: Any = type("Reads", (), {"config": config, "input": built.input})
    before = _score(built, reads, data, quiet)
    for ours, theirs in zip(layer_groups(built.model)[:-1], layer_groups(tuned)[:-1], strict=True):
        for one, other in zip(ours.weights, theirs.weights, strict=True):
            one.assign(other)
    after = _score(built, reads, data, quiet)
    return {"other before": before, "other after": after, "forgotten": before - after}


def _score(built: Any, reads: Any, data: Any, console: Console) -> float:
    splits = [data.train, *([data.validation] if data.validation else []), data.test]
    *features, test = backbone_features(reads, built.model, splits, console)
    held = (features[1], splits[1].labels) if len(features) > 1 else (features[0][:0], ())
    predictions, _ = built.answer.probe((features[0], splits[0].labels), held, test, 0)
    answer = built.answer
    return float(answer.score(predictions, data.test.labels).metrics[answer.primary])


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
