"""`kfine adapters`."""

from __future__ import annotations

import shlex

import click

from kfine.cli.memory import require_address_space
from kfine.cli.options import json_option, make_console, near, print_json, print_table, quiet_option
from kfine.console import format_bytes


@click.group("adapters")
def command() -> None:
    """The small files that runs with --adapter leave: list them, or add several together."""


@command.command("list")
@click.argument("folder", default="runs", metavar="[FOLDER]")
@json_option
def list_command(folder: str, as_json: bool) -> None:
    """List the adapters of the runs in a folder, runs/ if omitted, or that of one run."""
    from kfine.verbs.adapters import list_adapters

    found = list_adapters(folder)
    if as_json:
        print_json(found)
        return
    if not found:
        click.echo(f"no run in {folder} has an adapter; kfine fit ... --adapter lora makes one")
        return
    rows = [{**one, "bytes": format_bytes(one["bytes"])} for one in found]
    print_table(list(rows[0]), [[str(cell) for cell in one.values()] for one in rows])


@command.command("merge")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option(
    "--weights",
    metavar="NUMBER,...",
    help="How much each counts; 1 divided by their number if omitted, so that they are averaged.",
)
@click.option("--run-dir", metavar="FOLDER", help="Where to put the new run; in runs/ if omitted.")
@quiet_option
@json_option
def merge_command(
    runs: tuple[str, ...], weights: str | None, run_dir: str | None, quiet: bool, as_json: bool
) -> None:
    """Make one run of the adapters of several, which are added to the base that they share."""
    require_address_space()
    from kfine.verbs.adapters import merge_runs

    made = merge_runs(runs, weights=_numbers(weights), run_dir=run_dir, console=make_console(quiet))
    info = made.folder.info()
    if as_json:
        print_json({"run": str(made.path), **info})
        return
    print_table(
        ["run", "weight", "method"],
        [[one["run"], f"{one['weight']:g}", one["method"]] for one in info["merged"]],
    )
    shown = near(made.path)
    for name, score in info["validation"].items():
        click.echo(f"{shown}: {name} {score:.3f}")
    if not quiet:
        click.echo(f"next: kfine evaluate {shlex.quote(str(shown))}", err=True)


def _numbers(text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        return [float(one) for one in text.split(",")]
    except ValueError:
        raise click.BadParameter(
            f"must be numbers with commas between, such as 0.5,0.5. Received: {text!r}",
            param_hint="--weights",
        ) from None
