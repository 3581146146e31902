"""`kfine tune`."""

from __future__ import annotations

import shlex
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import click

from kfine.cli.fit import RecipeGroup, parameters_of, resume_alone
from kfine.cli.options import (
    json_option,
    make_console,
    near,
    print_json,
    print_table,
    quiet_option,
)
from kfine.cli.tune_options import LIMITS, OPTIONS

if TYPE_CHECKING:
    from kfine.tuning.plan import SearchSettings


class _Recipes(RecipeGroup):
    """One command per recipe: its settings, which are held, and the options of a search."""

    def own_options(self) -> list[click.Parameter]:
        return parameters_of(*reversed(OPTIONS))

    def callback_for(self, recipe: str) -> Any:
        return _callback(recipe)


def _callback(recipe: str) -> Any:
    def run(quiet: bool, as_json: bool, **options: Any) -> None:
        from kfine.tuning.plan import AGAIN
        from kfine.verbs.tune import tune

        before = click.get_current_context().parent
        if before is not None:
            # `kfine tune --trials 9 RECIPE` means the same as `kfine tune RECIPE --trials 9`.
            quiet, as_json = quiet or before.params["quiet"], as_json or before.params["as_json"]
            for name in AGAIN:
                options[name] = options[name] or before.params[name]
        given = {name: value for name, value in options.items() if value not in (None, (), False)}
        given["prune"] = options["prune"]
        search, settings = _divided(given)
        _print(tune(recipe, search, console=make_console(quiet), **settings), as_json)

    return run


def _divided(options: dict[str, Any]) -> tuple[SearchSettings, dict[str, Any]]:
    """How to search, and the rest of the options."""
    from kfine.tuning.plan import SearchSettings

    names = [one.name for one in fields(SearchSettings) if one.name in options]
    return SearchSettings(**{name: options.pop(name) for name in names}), options


def _print(search: Any, as_json: bool) -> None:
    best = search.best
    if as_json:
        print_json(
            {
                "search": str(search.path),
                "best": vars(best),
                "trials": [vars(one) for one in search.trials],
                "answer": search.answer,
            }
        )
        return
    names = list(search.settings["goals"])
    varied = [name for name in best.values if not name.startswith("tuner/")]
    rows = []
    for record in search.ranked[:10]:
        scores = [f"{record.scores[name]:.4g}" for name in names]
        rows.append([record.trial, *scores, str(record.epochs), *_cells(record.values, varied)])
    print_table(["trial", *names, "epochs", *varied], rows)
    if len(names) > 1:
        front = [one.trial for one in search.pareto]
        click.echo(f"no trial is better in all of {', '.join(names)} than: {', '.join(front)}")
    if search.answer:
        click.echo(search.answer["sentence"])
    left = len(search.trials) - len(rows)
    if left:
        click.echo(f"and {left} more trials in {search.path / 'trials'}", err=True)
    best_config = near(search.path) / "best.yaml"
    command = ["kfine", "fit", search.settings["recipe"], "--config", str(best_config)]
    click.echo(f"next: {shlex.join(command)}", err=True)


def _cells(values: dict[str, Any], names: list[str]) -> list[str]:
    found = (values.get(name, "") for name in names)
    return [f"{value:.3g}" if isinstance(value, float) else str(value) for value in found]


def _limited(function: Any) -> Any:
    for decorate in reversed(LIMITS):
        function = decorate(function)
    return function


@click.group(
    "tune",
    cls=_Recipes,
    invoke_without_command=True,
    subcommand_metavar="RECIPE [SETTINGS]...",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option("--resume", metavar="SEARCH", help="Continue a search, or fit its answer.")
@click.option(
    "--join",
    metavar="ADDRESS",
    help="Run trials of the search at HOST:PORT, whose folder --resume names.",
)
@click.option("--as", "name", hidden=True)
@_limited
@quiet_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    resume: str | None,
    join: str | None,
    name: str | None,
    trials: int | None,
    time: str | None,
    then_fit: bool,
    seeds: int | None,
    workers: int | None,
    chief: str | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Search for better settings: every trial is a run, and the answer a config for `kfine fit`.

    `kfine tune RECIPE --help` shows every option. A setting that is given is held.
    """
    if join is not None:
        from kfine.errors import ConfigError
        from kfine.tuning.reopening import join as join_in

        if resume is None or ctx.invoked_subcommand is not None:
            raise ConfigError(
                "--join takes the folder of the search: --join ADDRESS --resume SEARCH"
            )
        join_in(join, resume, name=name, console=make_console(quiet))
    elif resume is not None:
        from kfine.tuning.plan import SearchSettings
        from kfine.verbs.tune import tune

        if ctx.invoked_subcommand is not None:
            raise resume_alone(ctx.command_path)
        again = SearchSettings(
            trials=trials,
            time=time,
            then_fit=then_fit,
            seeds=seeds or 1,
            workers=workers or 0,
            chief=chief,
        )
        _print(tune(search=again, resume=resume, console=make_console(quiet)), as_json)
    elif ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
