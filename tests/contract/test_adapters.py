"""Adapters go on the backbone of every recipe, and leave nothing behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kfine.console import Console
from kfine.runs.folder import new_run
from kfine.training.data import load_data
from kfine.training.job import build_job, describe_run
from kfine.verbs.fit import prepare

from .test_recipes import CASES

pytestmark = pytest.mark.keras
QUIET = Console(quiet=True)


@pytest.mark.parametrize("case", CASES)
def test_every_recipe_trains_adapters(
    case: str, cases: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    from kfine.adapters.attaching import adapted_layers
    from kfine.adapters.file import NAME, read_adapter
    from kfine.training.fitting import fit_stages

    settings = {**cases[case], "adapter": "lora", "adapter_rank": 2, "unfreeze": "auto"}
    settings |= {"epochs": 1, "tuned_share": 1.0}
    module, config = prepare(case.split(":")[0], None, settings)
    data = load_data(module, config, QUIET)
    folder = new_run("adapters", tmp_path / "run")
    describe_run(folder, module, config, data)
    prepared = build_job(module, config, data, QUIET)
    job = prepared.job
    rest = [
        one
        for group in job.groups[:-1]
        for one in group.weights
        if one.trainable is False and "lora" not in one.path
    ]
    kernels = [layer.kernel for layer, _ in adapted_layers([job.model]) if hasattr(layer, "kernel")]
    known = {id(one) for one in kernels}
    base = [(one, one.numpy()) for one in rest if id(one) not in known]
    before = [one.numpy() for one in kernels]
    # The proof after the stage stops it where the base moves, or an adapter does not.
    fit_stages(folder, prepared, QUIET, folder.checkpoints)
    assert not adapted_layers([job.model])
    for variable, value in base:
        np.testing.assert_array_equal(variable.numpy(), value)
    moved = [not np.array_equal(one, two.numpy()) for one, two in zip(before, kernels, strict=True)]
    assert np.mean(moved) > 0.5
    assert len(read_adapter(folder.path / NAME).paths) == len(moved)
