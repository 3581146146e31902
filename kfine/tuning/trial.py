"""One trial of a search: a run on the same path as `fit`, without plots and without the test."""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kfine.adapters.attaching import take_away, without_adapters
from kfine.config import dump_yaml
from kfine.console import Console
from kfine.data.labelled import Data
from kfine.recipe import Recipe
from kfine.runs.folder import RunFolder
from kfine.runs.lock import locked
from kfine.training.fitting import train
from kfine.training.folds import divide
from kfine.training.job import build_job, describe_run
from kfine.training.memory import memory_given_back
from kfine.training.run import TrainedRun
from kfine.tuning.log import TrialConsole
from kfine.tuning.plan import Plan
from kfine.tuning.pruning import Ending
from kfine.tuning.records import SearchFolder, TrialRecord, in_order, ranked
from kfine.tuning.space import Space


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
    module: Recipe
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
    path = bench.folder.trial(trial)
    path.mkdir(parents=True, exist_ok=True)
    record = TrialRecord(trial, values, "completed")
    kept = []
    with locked(path):
        for name, data in _parts(bench, config):
            part = _Part(bench, RunFolder(path / name), config, data, values)
            found = part.train(TrialConsole(path / "log.txt", bench.console, f"trial {trial}"))
            if found is not None:
                kept.append(found)
                record.curve, record.epochs = part.ending.curve(found.history), len(found.history)
            record.status, record.reason = part.ending.status, part.ending.reason
            if record.status != "completed":
                break
    record.seconds = round(time.monotonic() - start, 3)
    if record.scored:
        _score(record, bench, kept, part.costs)
    return record


def _parts(bench: Bench, config: Any) -> list[tuple[str, Any]]:
    """The runs of a trial, by the names of their folders below it: one, or one for each fold."""
    data, plan = bench.data(config), bench.plan
    if not plan.folds:
        return [("", data)]
    folds = divide(data, config, plan.folds, plan.groups)
    return [(f"fold-{number}", one) for number, one in enumerate(folds, start=1)]


def _score(
    record: TrialRecord, bench: Bench, runs: Sequence[TrainedRun], costs: Mapping[str, float]
) -> None:
    """Mean and spread over the runs of a trial, of the weights that each of them kept."""
    found = [{**run.folder.info()["validation"], **costs} for run in runs]
    for name in bench.goals:
        values = [float(one[name]) for one in found]
        record.scores[name] = statistics.fmean(values)
        if len(values) > 1:
            record.spread[name] = statistics.stdev(values)


class _Part:
    """One run of a trial.

    Args:
        bench: Of the search.
        run: Its folder.
        config: Of the trial.
        data: What it trains and validates on.
        values: The hyperparameters of the trial.
    """

    def __init__(
        self, bench: Bench, run: RunFolder, config: Any, data: Data, values: Mapping[str, Any]
    ) -> None:
        self.bench, self.run, self.config, self.data = bench, run, config, data
        self.continued: str | None = values.get("tuner/trial_id")
        self.costs: dict[str, float] = {}
        # Folds are not compared epoch by epoch: each of them validates on other examples.
        compared = bench.plan.prune and not bench.plan.folds
        self.ending = Ending(
            bench.objective,
            bench.direction,
            others=_curves(bench) if compared else None,
            budget=min(config.epochs, values.get("tuner/epochs", config.epochs)),
            deadline=bench.deadline,
        )

    def train(self, console: Console) -> TrainedRun | None:
        """Train it, unless a limit forbids that; `ending` then says how it ended."""
        self.run.path.mkdir(parents=True, exist_ok=True)
        if not _begun(self.run, self.config):
            self._begin()
        elif self.run.model_path.is_file() and self.run.info()["status"] == "finished":
            return TrainedRun(self.run)
        with memory_given_back():
            prepared = build_job(self.bench.module, self.config, self.data, console)
            if self._refused(prepared.built):
                take_away([prepared.job.model])
                return None
            self.ending.last_stage = len(prepared.job.stages) - 1
            return train(
                self.run,
                prepared,
                console,
                plots=False,
                enough=self.ending,
                unsaved=self._unsaved,
            )

    def _unsaved(self, scores: Mapping[str, Any]) -> str:
        """Why the weights are not written: what is not among the best now never will be."""
        bench, keep = self.bench, self.bench.plan.keep
        if bench.plan.folds:
            return ""  # ranked by the mean of all folds
        # A trial has one run here, in its folder, whose name is its number.
        own = TrialRecord(self.run.path.name, {}, "completed", scores={**scores, **self.costs})
        records = in_order([own, *bench.folder.records()])
        if own in ranked(records, bench.objective, bench.direction)[:keep]:
            return ""
        return f"not saved, since it is not among the best {keep} trials of its search"

    def _refused(self, built: Any) -> bool:
        plan = self.bench.plan
        if not plan.measures_footprint:
            return False
        from kfine.tuning.footprint import refusal

        # A phone gets the model without them.
        with without_adapters([built.model]):
            found = _footprint(self.bench, built, self.config, self.data)
        self.costs = vars(found)
        broken = refusal(found, plan.max_size, plan.max_latency)
        if broken:
            self.ending.status, self.ending.reason = "refused", broken
        return bool(broken)

    def _begin(self) -> None:
        """Describe a new run, and give it the checkpoint of the trial that it continues."""
        if self.continued is None:
            describe_run(self.run, self.bench.module, self.config, self.data)
            return
        before = RunFolder(self.bench.folder.trial(self.continued))
        if before.checkpoints.is_dir():
            shutil.copytree(before.checkpoints, self.run.checkpoints, dirs_exist_ok=True)
        describe_run(self.run, self.bench.module, self.config, self.data)
        # Automatic choices are obeyed by whoever goes on from a checkpoint.
        self.run.update(features=before.info().get("features", []))


def _footprint(bench: Bench, built: Any, config: Any, data: Data) -> Any:
    """Size and latency of a trial's model."""
    from kfine.tuning.footprint import footprint

    chosen = range(min(64, len(data.train)) if bench.plan.quantize == "int8" else 0)
    return footprint(
        built,
        bench.folder.path / "footprints.json",
        quantize=bench.plan.quantize,
        representative=data.train.examples(chosen),
        own=bench.module,
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
