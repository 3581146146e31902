"""`kfine runs`."""

from __future__ import annotations

from pathlib import Path

import click

from kfine.cli.options import json_option, print_json, print_table


@click.command("runs")
@click.argument("folder", default="runs")
@json_option
def command(folder: str, as_json: bool) -> None:
    """List the runs in FOLDER (runs/ if omitted)."""
    from kfine.verbs.runs import list_all

    # Somebody who has made no run yet has done nothing wrong.
    found = [] if folder == "runs" and not Path(folder).is_dir() else list_all(folder)
    if as_json:
        print_json(found)
    elif not found:
        click.echo(f"There are no runs in {folder}.", err=True)
    else:
        shown = [[str(value or "") for value in one.values()] for one in found]
        print_table(list(found[0]), shown)
