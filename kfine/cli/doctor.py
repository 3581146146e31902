"""`kfine doctor`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from kfine.cli.options import json_option, make_console, near, print_json, print_table, quiet_option
from kfine.errors import ConfigError

_CLASSES = 30


@click.command(
    "doctor",
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
)
@click.argument("data", metavar="DATA_OR_RUN")
@click.option(
    "--recipe",
    metavar="NAME_OR_FILE",
    help="Recipe that reads the data, whose preset's frozen features are used: they tell labels "
    "in doubt, outliers, and splits that differ. A run has its own. Without, the files say how "
    "they are read, and no model is loaded.",
)
@click.option("--config", metavar="FILE", help="YAML file with settings of the recipe.")
@click.option(
    "--output",
    metavar="FOLDER",
    help="Where the report goes, a new folder.  [default: under runs/]",
)
@quiet_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    data: str,
    recipe: str | None,
    config: str | None,
    output: str | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Say what is in a data set and what may be wrong with it; change nothing.

    Settings of the recipe, such as --label-column, may follow. Writes doctor.html, doctor.json and
    clean.csv, which is edited and given back: kfine fit ... --exclude clean.csv --relabel
    clean.csv.
    """
    from kfine.verbs.doctor import doctor

    settings = _settings(ctx, data, recipe)
    found = doctor(
        data,
        recipe=recipe,
        config=config,
        output=output,
        console=make_console(quiet),
        **settings,
    )
    if as_json:
        print_json(found)
        return
    _print_classes(found)
    for line in found["sentences"] or ["nothing was found that looks wrong"]:
        click.echo(f"- {line}")
    for line in found["left_out"]:
        click.echo(f"not looked for: {line}", err=True)
    folder = near(Path(found["folder"]))
    click.echo(f"doctor.html, doctor.json and clean.csv are in {folder}", err=True)
    if found["examples"] and not quiet:
        listed = shlex.quote(str(folder / "clean.csv"))
        click.echo(
            f"edit clean.csv, then: kfine fit {found['recipe']} ... --exclude {listed} "
            f"--relabel {listed}",
            err=True,
        )


def _settings(ctx: click.Context, data: str, recipe: str | None) -> dict[str, Any]:
    """Settings of the recipe among the arguments that doctor itself does not know."""
    if not ctx.args:
        return {}
    from kfine.cli.fit import SettingsCommand
    from kfine.config import click_options
    from kfine.recipe import load_recipe
    from kfine.verbs.guess import guess_recipe

    module = load_recipe(recipe or guess_recipe(data))
    inner = SettingsCommand("doctor", params=[*click_options(module.Config)])
    given = inner.make_context("doctor", list(ctx.args), parent=ctx.parent).params
    found = {name: value for name, value in given.items() if value is not None}
    if "data" in found:
        raise ConfigError(
            f"doctor takes the data as its argument: kfine doctor {shlex.quote(found['data'])} "
            f"--recipe {recipe or data}"
        )
    return found


def _print_classes(found: dict[str, Any]) -> None:
    splits = found["data"]["splits"]
    rows = [["all", *(str(one["used"]) for one in splits.values())]]
    named = list(found["classes"].items())
    rows += [[name, *map(str, counts)] for name, counts in named[:_CLASSES]]
    print_table(["examples", *splits], rows)
    if len(named) > _CLASSES:
        click.echo(f"and {len(named) - _CLASSES} more, in doctor.json")
    click.echo()
