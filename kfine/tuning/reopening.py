"""Going on with a search that was described before, alone or beside others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kfine.config import make_config
from kfine.console import Console
from kfine.recipe import Recipe, recipe_of_run
from kfine.runs.lock import locked
from kfine.tuning.plan import Plan
from kfine.tuning.records import SearchFolder, open_search
from kfine.tuning.search import Search
from kfine.tuning.searching import join_search, run_search
from kfine.tuning.space import Space


def make_space(module: Recipe, base: Any, plan: Plan) -> Space:
    """The search space of a plan."""
    return Space(module, base, plan.searched, set(plan.fixed), set(plan.only))


def resume_search(
    folder: SearchFolder,
    trials: int | None,
    seconds: float | None,
    final_seeds: int,
    console: Console,
    **how: Any,
) -> Search:
    """Continue a search; see `kfine.tune`.

    Args:
        folder: Of the search.
        trials: Another number of them, or `None`.
        seconds: Another time, which begins now, or `None`.
        final_seeds: Fits of the best config and of the defaults at the end; 0 for none.
        console: Hears of the progress.
        **how: As in `run_search`.
    """
    with locked(folder.path):
        kept = folder.read("search.json")
        if trials is not None:
            kept["trials"] = trials
        if seconds is not None:
            kept["seconds"] = seconds
        folder.write("search.json", kept)
        space, plan = reopen(folder, console)
        console.say(f"resuming {folder.path}: {len(folder.records())} trials have ended")
        return run_search(folder, space, plan, kept["goals"], final_seeds, console, **how)


def reopen(folder: SearchFolder, console: Console) -> tuple[Space, Plan]:
    """The search space and the plan of a search that was described before."""
    module, note = recipe_of_run(folder)
    if note:
        console.warn(note)
    plan = Plan.from_dict(folder.read("search.json"))
    base = make_config(module.Config, {}, folder.path / "config.yaml")
    return make_space(module, base, plan), plan


def join(
    address: str,
    search: str | Path,
    *,
    name: str | None = None,
    console: Console | None = None,
) -> None:
    """Run trials of a search that another process leads (`chief` or `workers` of `tune`).

    Args:
        address: Where it listens.
        search: The folder of the search, as this machine sees it.
        name: Tuner id of this worker; made up if omitted.
        console: Hears of the progress; standard error if omitted.

    Raises:
        KfineError: Nobody answers, or the folder is none.
    """
    console = console or Console()
    folder = open_search(search)
    space, plan = reopen(folder, console)
    goals = folder.read("search.json")["goals"]
    join_search(folder, space, plan, goals, console, address=address, name=name)
