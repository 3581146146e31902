"""`kfine tune`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from kfine.cli.fit import RecipeGroup, parameters_of, resume_alone
from kfine.cli.options import json_option, make_console, print_json, print_table, quiet_option


class _Recipes(RecipeGroup):
    """One command per recipe: its settings, which are held, and the options of a search."""

    def own_options(self) -> list[click.Parameter]:
        return parameters_of(*reversed(_OPTIONS))

    def callback_for(self, recipe: str) -> Any:
        return _callback(recipe)


_LIMITS = (
    click.option(
        "--trials",
        type=click.IntRange(min=1),
        metavar="TRIALS",
        help="Run so many trials at most.  [default: 12 without --time]",
    ),
    click.option(
        "--time", metavar="TIME", help="Search so long at most, such as 20m, 90s or 1h30m."
    ),
    click.option(
        "--then-fit",
        is_flag=True,
        help="Fit the best config and the defaults again and compare them on the test split.",
    ),
    click.option(
        "--seeds",
        type=click.IntRange(min=1),
        metavar="SEEDS",
        help="How many fits of each --then-fit does.  [default: 1]",
    ),
)
_OPTIONS = (
    *_LIMITS,
    click.option(
        "--oracle",
        type=click.Choice(["bayesian", "hyperband", "random", "grid"]),
        default="bayesian",
        show_default=True,
        help="Who chooses the values.",
    ),
    click.option(
        "--objective",
        multiple=True,
        metavar="NAME",
        help="What to optimize, such as val_accuracy or val_loss; of several, which may be size "
        "and latency too, the first one leads.  [default: the primary metric on the validation "
        "split]",
    ),
    click.option(
        "--search",
        multiple=True,
        metavar="NAME=VALUES",
        help="Search a setting: learning_rate=1e-5..1e-3 or dropout=0,0.2,0.5 (values that hold "
        "a comma are separated by |). May be repeated.",
    ),
    click.option(
        "--fix",
        multiple=True,
        metavar="NAME[=VALUE]",
        help="Hold a setting; the same as giving it as an option. May be repeated.",
    ),
    click.option(
        "--only",
        multiple=True,
        metavar="NAME",
        help="Of the recipe's search space vary only this. May be repeated.",
    ),
    click.option(
        "--keep",
        type=click.IntRange(min=1),
        default=3,
        show_default=True,
        metavar="TRIALS",
        help="How many of the best trials keep their weights on disk.",
    ),
    click.option(
        "--prune/--no-prune",
        default=True,
        show_default=True,
        help="End trials early that fall behind the median at the same epoch.",
    ),
    click.option(
        "--max-size",
        metavar="SIZE",
        help="Refuse a trial whose exported file would be larger, such as 4MB, untrained.",
    ),
    click.option(
        "--max-latency",
        metavar="TIME",
        help="Refuse a trial whose exported file would take longer for an image on this "
        "machine, such as 15ms, untrained.",
    ),
    click.option(
        "--quantize",
        type=click.Choice(["none", "float16", "dynamic", "int8"]),
        default="float16",
        show_default=True,
        help="How the export is quantized whose size and latency count.",
    ),
    click.option(
        "--folds",
        type=click.IntRange(min=2),
        metavar="FOLDS",
        help="Cross-validate each trial: one run per fold, its score the mean.",
    ),
    click.option(
        "--groups",
        metavar="COLUMN",
        help="With --folds: examples that are equal in this column of the manifest are never "
        "divided.",
    ),
    click.option(
        "--config",
        metavar="FILE",
        help="YAML file with settings that trials have where they do not vary.",
    ),
    click.option(
        "--run-dir", metavar="FOLDER", help="Where to put the search.  [default: under runs/]"
    ),
    quiet_option,
    json_option,
)


def _callback(recipe: str) -> Any:
    def run(quiet: bool, as_json: bool, **options: Any) -> None:
        from kfine.verbs.tune import tune

        before = click.get_current_context().parent
        if before is not None:
            # `kfine tune --trials 9 RECIPE` means the same as `kfine tune RECIPE --trials 9`.
            quiet, as_json = quiet or before.params["quiet"], as_json or before.params["as_json"]
            for name in ("trials", "time", "then_fit", "seeds"):
                options[name] = options[name] or before.params[name]
        given = {name: value for name, value in options.items() if value not in (None, (), False)}
        given["prune"] = options["prune"]
        _print(tune(recipe, console=make_console(quiet), **given), as_json)

    return run


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
    shown = search.path
    if shown.is_relative_to(Path.cwd()):
        shown = shown.relative_to(Path.cwd())
    recipe = search.settings["recipe"]
    click.echo(f"next: kfine fit {recipe} --config {shown / 'best.yaml'}", err=True)


def _cells(values: dict[str, Any], names: list[str]) -> list[str]:
    found = (values.get(name, "") for name in names)
    return [f"{value:.3g}" if isinstance(value, float) else str(value) for value in found]


def _limited(function: Any) -> Any:
    for decorate in reversed(_LIMITS):
        function = decorate(function)
    return function


@click.group(
    "tune",
    cls=_Recipes,
    invoke_without_command=True,
    subcommand_metavar="RECIPE [SETTINGS]...",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option("--resume", metavar="SEARCH", help="Continue an interrupted search.")
@_limited
@quiet_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    resume: str | None,
    trials: int | None,
    time: str | None,
    then_fit: bool,
    seeds: int | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Search for better settings: every trial is a run, and the answer a config for `kfine fit`.

    `kfine tune RECIPE --help` shows every option. A setting that is given is held.
    """
    if resume is not None:
        from kfine.verbs.tune import tune

        if ctx.invoked_subcommand is not None:
            raise resume_alone(ctx.command_path)
        found = tune(
            resume=resume,
            trials=trials,
            time=time,
            then_fit=then_fit,
            seeds=seeds or 1,
            console=make_console(quiet),
        )
        _print(found, as_json)
    elif ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
