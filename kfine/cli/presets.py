"""`kfine presets`."""

from __future__ import annotations

import click

from kfine.cli.options import json_option, make_console, print_json, print_table, quiet_option
from kfine.console import format_bytes


@click.command("presets")
@click.argument("recipe", default="image_classification")
@click.option("--offline", is_flag=True, help="Only those that need no network.")
@quiet_option
@json_option
def command(recipe: str, offline: bool, quiet: bool, as_json: bool) -> None:
    """List the pretrained backbones that fit RECIPE (image_classification if omitted)."""
    from kfine.verbs.presets import list_presets

    found = list_presets(recipe, offline=offline, console=make_console(quiet))
    if as_json:
        print_json(found)
        return
    if not found:
        click.echo(f"no preset for {recipe} is on this machine; a local folder works too", err=True)
        return
    rows = [
        [
            one["name"],
            f"{one['parameters'] / 1e6:.1f} M" if one["parameters"] else "",
            format_bytes(one["bytes"]) if one["bytes"] else "",
            f"{one['image_size']} px" if one["image_size"] else "",
            one["origin"],
        ]
        for one in found
    ]
    print_table(["preset", "parameters", "size", "input", ""], rows)
