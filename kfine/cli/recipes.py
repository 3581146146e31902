"""`kfine recipes`."""

from __future__ import annotations

import shlex

import click

from kfine.cli.options import json_option, print_json, print_table


@click.group("recipes", invoke_without_command=True)
@json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """List the recipes, or copy one to edit."""
    if ctx.invoked_subcommand is not None:
        return
    from kfine.recipe import load_recipe, recipe_names, summary_of

    found = {name: summary_of(load_recipe(name)) for name in recipe_names()}
    if as_json:
        print_json(found)
    else:
        print_table(["recipe", ""], [list(one) for one in found.items()])


@command.command("copy")
@click.argument("name")
@click.argument("destination")
def copy(name: str, destination: str) -> None:
    """Copy the recipe NAME to the file DESTINATION, to edit and pass to `kfine fit`."""
    from kfine.recipe import copy_recipe

    path = copy_recipe(name, destination)
    click.echo(f"{path}")
    shown = path if path.is_absolute() else f"./{path}"
    click.echo(f"next: kfine fit {shlex.quote(str(shown))} --help", err=True)
