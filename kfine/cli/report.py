"""`kfine report`."""

from __future__ import annotations

from pathlib import Path

import click

from kfine.cli.options import json_option, make_console, near, print_json, quiet_option


@click.command("report")
@click.argument("run", metavar="RUN")
@quiet_option
@json_option
def command(run: str, quiet: bool, as_json: bool) -> None:
    """Write report.html into a finished run: what it is worth, on one page.

    The page holds all of its pictures, texts and sounds, and needs no network. A run that was not
    evaluated yet is evaluated first.
    """
    from kfine.verbs.report import NAME, report

    found = report(run, console=make_console(quiet))
    if as_json:
        print_json(found)
        return
    for line in (*found["verdict"], *found["advice"]):
        click.echo(line)
    click.echo(str(near(Path(found["run"]) / NAME)))
