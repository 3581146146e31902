"""`kfine report`."""

from __future__ import annotations

from pathlib import Path

import click

from kfine.cli.options import (
    json_option,
    make_console,
    near,
    print_json,
    quiet_option,
    slices_options,
)


@click.command("report")
@click.argument("run", metavar="RUN")
@click.argument("others", nargs=-1, metavar="[RUN_OR_FILE]...")
@slices_options
@quiet_option
@json_option
def command(
    run: str,
    others: tuple[str, ...],
    slices: tuple[str, ...],
    sensitive: tuple[str, ...],
    quiet: bool,
    as_json: bool,
) -> None:
    """Write report.html into a finished run: what it is worth, on one page.

    The page holds all of its pictures, texts and sounds, and needs no network. A run that was not
    evaluated yet is evaluated first. Other runs, and exported files, stand beside it: with a paired
    test, and the examples on which they differ.
    """
    from kfine.verbs.report import NAME, report

    found = report(run, *others, slices=slices, sensitive=sensitive, console=make_console(quiet))
    if as_json:
        print_json(found)
        return
    for line in (*found["verdict"], *found["advice"]):
        click.echo(line)
    for one in found["beside"]:
        click.echo(
            f"{one['name']}: {one['other_right']:.1%} right on {one['count']} examples, "
            f"{one['difference']:+.3f} ({one['interval'][0]:+.3f} to {one['interval'][1]:+.3f}, "
            f"p = {one['p_value']:.2g}): {one['said']}; {one['gained']['count']} gained, "
            f"{one['lost']['count']} lost"
        )
    click.echo(str(near(Path(found["run"]) / NAME)))
