"""Running a search that is described in its folder: in this process, or by workers."""

from __future__ import annotations

import gc
import shlex
import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Any

from kfine.backend import load_backend
from kfine.config import dump_yaml
from kfine.console import Console, format_seconds
from kfine.errors import RunError
from kfine.training.data import load_unchanged
from kfine.tuning.plan import Plan
from kfine.tuning.records import SearchFolder, saved_by_pruning
from kfine.tuning.search import Search
from kfine.tuning.space import Space
from kfine.tuning.trial import Bench, run_one


def run_search(
    folder: SearchFolder,
    space: Space,
    plan: Plan,
    goals: Mapping[str, str],
    final_seeds: int,
    console: Console,
    *,
    workers: int = 0,
    chief: str | None = None,
) -> Search:
    """Run the trials of a search to the end, and answer it.

    Args:
        folder: Described by `tune`, locked.
        space: What varies.
        plan: What was asked for.
        goals: Objectives with their directions.
        final_seeds: Fits of the best config and of the defaults at the end; 0 for none.
        console: Hears of the progress.
        workers: Local processes that run the trials; 0 runs them in this one.
        chief: Address to listen on for workers of other machines.

    Raises:
        KfineError: Trials fail, or none was completed.
    """
    with console.timed("loading TensorFlow"):
        load_backend()
    import tensorflow as tf

    # It warns of a model in each trial as if it were a mistake.
    tf.get_logger().setLevel("ERROR")
    from kfine.tuning.keeping import keep_best
    from kfine.tuning.report import write_report

    bench = make_bench(folder, space, plan, goals, console)
    objective, direction = bench.objective, bench.direction
    continued = plan.oracle == "hyperband"

    def finished() -> None:
        seconds = [one.seconds for one in folder.records() if one.status == "completed"]
        tuner.oracle.slowest = statistics.median(seconds) if seconds else 0.0
        keep_best(folder, objective, direction, plan.keep, continued=continued)

    try:
        tuner = make_tuner(bench, finished)
        if workers or chief:
            from kfine.tuning.workers import run_with_workers

            run_with_workers(bench, tuner.oracle, workers, chief, finished)
        else:
            run_here(tuner)
    except KeyboardInterrupt:
        path = shlex.quote(str(folder.path))
        console.say(f"interrupted; continue with: kfine tune --resume {path}")
        raise
    kept = keep_best(folder, objective, direction, plan.keep, continued=False)
    search = _answer(folder, kept, console)
    if final_seeds:
        from kfine.tuning.retraining import retrain

        best, default = search.best_run.config, space.resolved
        found = retrain(folder, space.module, best, default, final_seeds, console)
        console.say(found["sentence"])
    with console.timed("drawing the report"):
        page = write_report(folder, goals, search.answer)
    console.say(f"report: {page}")
    return search


def run_here(tuner: Any) -> None:
    """Run trials in this process until there are no more."""
    from kfine.models.pretrained import pretrained_in_memory

    # The libraries stay as they are: looking through them after each trial takes a second.
    gc.collect()
    gc.freeze()
    with pretrained_in_memory():
        tuner.search()


def join_search(
    folder: SearchFolder,
    space: Space,
    plan: Plan,
    goals: Mapping[str, str],
    console: Console,
    *,
    address: str,
    name: str | None,
) -> None:
    """Run trials of a search that another process leads, until it has no more.

    Args:
        folder: Of the search, which all its workers see.
        space: What varies.
        plan: What was asked for.
        goals: Objectives with their directions.
        console: Hears of the progress.
        address: Of the other process.
        name: Tuner id; made up if omitted.

    Raises:
        KfineError: Nobody answers, or trials fail.
    """
    from kfine.tuning.workers import default_name, join

    def work() -> None:
        with console.timed("loading TensorFlow"):
            load_backend()
        bench = make_bench(folder, space, plan, goals, console)
        run_here(make_tuner(bench, lambda: None))

    join(address, name or default_name(), work)


def make_bench(
    folder: SearchFolder,
    space: Space,
    plan: Plan,
    goals: Mapping[str, str],
    console: Console,
) -> Bench:
    """What the trials of a search work with, its clock started."""
    from kfine.tuning.sharing import Remembered

    def read(config: Any) -> Any:
        return load_unchanged(
            folder,
            space.module,
            config,
            console,
            since="the search began",
            so="its trials cannot be compared; restore the data, or start a new search",
        )

    return Bench(
        folder=folder,
        module=space.module,
        plan=plan,
        space=space,
        data=Remembered(read, room=1),
        goals=goals,
        console=console,
        deadline=time.time() + plan.seconds if plan.seconds else None,
    )


def make_tuner(bench: Bench, finished: Any) -> Any:
    """KerasTuner's tuner of a search, reloaded where there is something to reload."""
    from kfine.tuning.oracles import make_oracle
    from kfine.tuning.tuner import RunTuner

    plan, space = bench.plan, bench.space
    oracle = make_oracle(
        plan.oracle,
        hyperparameters=space.hyperparameters(),
        objective=bench.objective,
        direction=bench.direction,
        trials=plan.trials,
        epochs=space.resolved.epochs,
        seed=space.resolved.seed,
    )
    oracle.deadline = bench.deadline
    oracle.verbose = 0
    return RunTuner(
        oracle,
        bench.folder,
        lambda trial, values: run_one(bench, trial, values),
        objective=bench.objective,
        direction=bench.direction,
        console=bench.console,
        finished=finished,
    )


def _answer(folder: SearchFolder, kept: Sequence[str], console: Console) -> Search:
    """Write the best config, and say what was found."""
    search = Search(folder)
    if not search.ranked:
        refused = sum(one.status == "refused" for one in search.trials)
        raise RunError(
            f"No trial of {folder.path} was completed ({refused} refused, "
            f"{len(search.trials) - refused} failed); see {folder.trials}."
        )
    best = search.best
    config = dump_yaml(search.best_run.config)
    if search.answer and folder.best_config.read_text(encoding="utf-8") != config:
        (folder.path / "answer.json").unlink()  # it speaks of the best trial of then
    folder.write_text("best.yaml", config)
    objective = next(iter(best.scores))
    console.say(
        f"best: trial {best.trial}, {objective} {best.scores[objective]:.4f}; "
        f"{len(kept)} of {len(search.trials)} trials keep their weights"
    )
    epochs, seconds = saved_by_pruning(search.trials)
    if epochs:
        console.say(f"pruning saved {epochs} epochs, about {format_seconds(seconds)}")
    console.say(f"search: {folder.path}")
    return search
