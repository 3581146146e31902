"""`kfine soup`."""

from __future__ import annotations

import shlex

import click

from kfine.cli.options import json_option, make_console, near, print_json, print_table, quiet_option


@click.command("soup")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("--run-dir", metavar="FOLDER", help="Where to put the new run; in runs/ if omitted.")
@quiet_option
@json_option
def command(runs: tuple[str, ...], run_dir: str | None, quiet: bool, as_json: bool) -> None:
    """Make one run of several, its weights the mean of theirs.

    The runs have the same recipe, preset and splits: the trials of a search, or its folder, or
    fits with other settings. The best on validation comes first, then each with which the mean is
    no worse.
    """
    from kfine.verbs.soup import soup

    made = soup(runs, run_dir=run_dir, console=make_console(quiet))
    info = made.folder.info()
    if as_json:
        print_json({"run": str(made.path), **info})
        return
    metric = info["objective"].removeprefix("val_")
    rows = [
        [one["run"], f"{one[metric]:.3f}", "yes" if one["kept"] else "no"] for one in info["soup"]
    ]
    shown = near(made.path)
    score = info["validation"][info["objective"]]
    print_table(
        ["run", f"validation {metric}", "in the mean"], [*rows, [str(shown), f"{score:.3f}", ""]]
    )
    if not quiet:
        click.echo(f"next: kfine evaluate {shlex.quote(str(shown))}", err=True)
