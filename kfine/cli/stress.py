"""`kfine stress`."""

from __future__ import annotations

from typing import Any

import click

from kfine.cli.options import json_option, make_console, print_json, print_table, quiet_option

_EXAMPLES = 300
_UNFAMILIAR = {"sure": "how sure", "auroc": "AUROC", "energy_auroc": "by energy"}


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
@click.option(
    "--base/--no-base",
    default=True,
    show_default=True,
    help="Try a linear model of the frozen backbone beside it.",
)
@click.option(
    "--unfamiliar",
    metavar="SOURCE",
    help="Examples of something else, of which it should be less sure: files, a folder, a table.",
)
@quiet_option
@json_option
def command(
    model: str, examples: int, base: bool, unfamiliar: str | None, quiet: bool, as_json: bool
) -> None:
    """Try a run, or a file that it exported, on changed and unfamiliar test examples.

    Photos in bad light, blurred, small or covered; texts with typos; recordings with noise: each
    in three steps of strength. An int8 file may take them worse than its model.
    """
    from kfine.verbs.stress import stress

    found = stress(
        model, examples=examples, base=base, unfamiliar=unfamiliar, console=make_console(quiet)
    )
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
        beside = [f"{step['base']:.3f}" for step in one["steps"] if "base" in step]
        rows.append([one["name"], *scores, *beside, f"{strengths} {one['unit']}"])
    titles = ["weak", "middle", "strong", *(["base: weak", "middle", "strong"] * bool(beside))]
    print_table(["change", *titles, "that is"], rows)
    if found["unfamiliar"]:
        click.echo()
        keys = [key for key in _UNFAMILIAR if key in found["unfamiliar"][0]]
        rows = [
            [one["name"], str(one["count"]), *(f"{one[key]:.3f}" for key in keys)]
            for one in found["unfamiliar"]
        ]
        print_table(["none of the classes", "examples", *(_UNFAMILIAR[key] for key in keys)], rows)
    click.echo(f"\n{found['fear']}")
    if found["base"]:
        click.echo(found["base"]["words"])
    for line in found["left_out"]:
        click.echo(f"not tried: {line}", err=True)
