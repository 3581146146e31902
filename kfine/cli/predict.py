"""`kfine predict`."""

from __future__ import annotations

import csv
import sys

import click

from kfine.cli.options import json_option, make_console, print_json, quiet_option


@click.command("predict")
@click.argument("model", metavar="RUN_OR_FILE")
@click.argument("examples", nargs=-1, required=True, metavar="EXAMPLE...")
@click.option(
    "--top", default=3, show_default=True, type=click.IntRange(1), help="Classes to show."
)
@click.option(
    "--unsure-below",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 1),
    metavar="PROBABILITY",
    help='Answer "unsure" when the best class is less probable than this.',
)
@quiet_option
@json_option
def command(
    model: str,
    examples: tuple[str, ...],
    top: int,
    unsure_below: float,
    quiet: bool,
    as_json: bool,
) -> None:
    """Classify images or texts with a run or with a file that `kfine export` wrote.

    A text is given as it is, in a .txt file, in a .csv, .tsv or .jsonl table, or as - for the
    lines of standard input. Folders, tables and - give CSV on standard output.
    """
    from kfine.verbs.examples import is_list
    from kfine.verbs.predict import as_rows, predict

    found = predict(model, examples, unsure_below=unsure_below, console=make_console(quiet))
    if as_json:
        print_json(as_rows(found, top))
        return
    if any(is_list(one) for one in examples):
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(["name", "label", "probability"])
        writer.writerows([one.name, one.label, f"{one.classes[0][1]:.4f}"] for one in found)
        return
    for one in found:
        shown = ", ".join(f"{name} {value:.3f}" for name, value in one.classes[:top])
        click.echo(f"{one.name}: {'unsure: ' if one.unsure else ''}{shown}")
