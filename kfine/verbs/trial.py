"""One trial of a search: a run on the same path as `fit`, without plots and without the test."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from kfine.config import dump_yaml
from kfine.console import Console
from kfine.runs.folder import RunFolder
from kfine.runs.lock import locked
from kfine.tuning.log import TrialConsole
from kfine.tuning.plan import Plan
from kfine.tuning.pruning import Ending
from kfine.tuning.records import SearchFolder, TrialRecord
from kfine.tuning.sharing import free_models
from kfine.tuning.space import Space
from kfine.verbs.fit import build_job, describe_run, train
from kfine.verbs.run import Run


@dataclass
class Bench:
    """What all trials of a search work with.

    Attributes:
        folder: Of the search.
        module: The recipe.
        plan: What the search was asked to do.
        space: From hyperparameter values to a config.
        data: From a config to its data, read once.
        goals: Objectives with their directions; the first one leads.
        console: Of the search.
        deadline: Seconds since 1970 when the time is up, or `None`.
    """

    folder: SearchFolder
    module: ModuleType
    plan: Plan
    space: Space
    data: Callable[[Any], Any]
    goals: Mapping[str, str]
    console: Console
    deadline: float | None = None

    @property
    def objective(self) -> str:
        """The objective that leads the search."""
        return next(iter(self.goals))

    @property
    def direction(self) -> str:
        """Its direction."""
        return self.goals[self.objective]


def run_one(bench: Bench, trial: str, values: dict[str, Any]) -> TrialRecord:
    """Train one trial, or go on with it where it was interrupted.

    Args:
        bench: Of the search.
        trial: Its number.
        values: Its hyperparameters; those that begin with `tuner/` are Hyperband's.

    Returns:
        How it ended.

    Raises:
        KfineError: The values do not go together, or something that a user can fix.
    """
    known = [one for one in bench.folder.records() if one.trial == trial]
    if known and known[0].scored:
        return known[0]
    start = time.monotonic()
    config = bench.space.config(values)
    run = RunFolder(bench.folder.trial(trial))
    run.path.mkdir(parents=True, exist_ok=True)
    ending = Ending(
        bench.objective,
        bench.direction,
        others=_curves(bench) if bench.plan.prune else None,
        budget=min(config.epochs, values.get("tuner/epochs", config.epochs)),
        deadline=bench.deadline,
    )
    with locked(run.path):
        if not _begun(run, config):
            _begin(bench, run, config, values.get("tuner/trial_id"))
        free_models()
        from kfine.tuning.footprint import refusal

        console = TrialConsole(run.path / "log.txt", bench.console, f"trial {trial}")
        prepared = build_job(bench.module, config, bench.data(config), console)
        costs = _footprint(bench, prepared.built, config)
        broken = refusal(costs, bench.plan.max_size, bench.plan.max_latency) if costs else ""
        if broken:
            return TrialRecord(
                trial, values, "refused", broken, seconds=round(time.monotonic() - start, 3)
            )
        ending.last_stage = len(prepared.job.stages) - 1
        done = train(run, prepared, console, plots=False, enough=ending)
    seconds = round(time.monotonic() - start, 3)
    found = vars(costs) if costs else {}
    return _record(bench, trial, values, done, ending, seconds, found)


def _footprint(bench: Bench, built: Any, config: Any) -> Any:
    """Size and latency of a trial's model, where somebody wants to know."""
    if not bench.plan.measures_footprint:
        return None
    from kfine.tuning.footprint import footprint

    data = bench.data(config)
    return footprint(
        bench.module.export_spec(config, built.model, built.preprocessing, input_kind="any"),
        built.preprocessing.image_size,
        data.class_names,
        bench.folder.path / "footprints.json",
        quantize=bench.plan.quantize,
        representative=list(data.train.inputs[range(min(64, len(data.train)))])
        if bench.plan.quantize == "int8"
        else [],
    )


def _record(
    bench: Bench,
    trial: str,
    values: dict[str, Any],
    run: Run,
    ending: Ending,
    seconds: float,
    costs: dict[str, float],
) -> TrialRecord:
    kept = {**run._folder.info()["validation"], **costs}
    finite = ending.status != "failed"
    return TrialRecord(
        trial,
        values,
        ending.status,
        ending.reason,
        scores={name: float(kept[name]) for name in bench.goals} if finite else {},
        curve=ending.curve(run.history) if finite else [],
        epochs=len(run.history),
        seconds=seconds,
    )


def _curves(bench: Bench) -> list[list[float]]:
    return [one.curve for one in bench.folder.records() if one.scored]


def _begun(run: RunFolder, config: Any) -> bool:
    """Whether the folder holds this very trial, interrupted."""
    if not (run.path / "run.json").is_file():
        return False
    if (run.path / "config.yaml").read_text(encoding="utf-8") == dump_yaml(config):
        return True
    shutil.rmtree(run.path / "checkpoints", ignore_errors=True)
    return False


def _begin(bench: Bench, run: RunFolder, config: Any, continued: str | None) -> None:
    """Describe a new run, and give it the checkpoint of the trial that it continues."""
    if continued is not None:
        before = RunFolder(bench.folder.trial(continued))
        if before.checkpoints.is_dir():
            shutil.copytree(before.checkpoints, run.checkpoints, dirs_exist_ok=True)
    describe_run(run, bench.module, config, bench.data(config))
    if continued is not None:
        # Automatic choices are obeyed by whoever goes on from a checkpoint.
        run.update(features=json.loads(json.dumps(before.info().get("features", []))))
