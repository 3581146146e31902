"""`kfine stress`."""

from __future__ import annotations

from typing import Any

import click

from kfine.cli.options import json_option, make_console, print_json, print_table, quiet_option

_EXAMPLES = 300


@click.command("stress")
@click.argument("model", metavar="RUN_OR_FILE")
@click.option(
    "--examples",
    type=click.IntRange(1),
    default=_EXAMPLES,
    show_default=True,
    metavar="EXAMPLES",
    help="How many test examples are tried at most.",
)
@quiet_option
@json_option
def command(model: str, examples: int, quiet: bool, as_json: bool) -> None:
    """Try a run, or a file that it exported, on changed and unfamiliar test examples.

    Photos in bad light, blurred, small or covered; texts with typos; recordings with noise: each
    in three steps of strength. An int8 file may take them worse than its model.
    """
    from kfine.verbs.stress import stress

    found = stress(model, examples=examples, console=make_console(quiet))
    if as_json:
        print_json(found)
        return
    _print(found)


def _print(found: dict[str, Any]) -> None:
    primary = found["primary"]
    words = primary.replace("_", " ")
    click.echo(f"{words} {found['unchanged']:.3f} on {found['count']} test examples as they are")
    rows = []
    for one in found["changes"]:
        strengths = ", ".join(f"{step['value']:g}" for step in one["steps"])
        scores = [f"{step[primary]:.3f}" for step in one["steps"]]
        rows.append([one["name"], *scores, f"{strengths} {one['unit']}"])
    print_table(["change", "weak", "middle", "strong", "that is"], rows)
    if found["unfamiliar"]:
        click.echo()
        rows = [
            [one["name"], f"{one['sure']:.3f}", f"{one['auroc']:.3f}"]
            for one in found["unfamiliar"]
        ]
        print_table(["none of the classes", "how sure", "AUROC"], rows)
    click.echo(f"\n{found['fear']}")
    for line in found["left_out"]:
        click.echo(f"not tried: {line}", err=True)
