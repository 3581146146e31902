"""`kfine predict`."""

from __future__ import annotations

import csv
import sys
from typing import TYPE_CHECKING, Any

import click

from kfine.cli.options import json_option, make_console, print_json, quiet_option

if TYPE_CHECKING:
    from kfine.verbs.predict import Prediction


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
@click.option(
    "--context",
    metavar="TEXT_OR_FILE",
    help="For a model that answers questions: the text that holds the answers, or a .txt file.",
)
@click.option(
    "--text-column",
    metavar="NAME",
    help="Column of the texts in tables; the one that the model learned from, if omitted.",
)
@click.option(
    "--every",
    type=float,
    metavar="SECONDS",
    help="For a model of sounds: predict parts of recordings that begin so many seconds apart.",
)
@click.option(
    "--label-track",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="With --every, of one recording: write what is heard when, for Audacity to import.",
)
@click.option(
    "--draw",
    metavar="FOLDER",
    type=click.Path(file_okay=False),
    help="Write pictures of what was found inside images, masks, and boxes in COCO's JSON, into "
    "this folder.",
)
@quiet_option
@json_option
def command(
    model: str,
    examples: tuple[str, ...],
    top: int,
    unsure_below: float,
    context: str | None,
    text_column: str | None,
    every: float | None,
    label_track: str | None,
    draw: str | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Ask a run, or a file that `kfine export` wrote, about images or texts.

    A text is given as it is, in a .txt file, in a .csv, .tsv or .jsonl table, or as - for the
    lines of standard input. Folders, tables and - give CSV on standard output.
    """
    from kfine.inputs.walking import is_list
    from kfine.verbs.predict import as_rows, most_probable, predict, times_of

    found = predict(
        model,
        examples,
        context=context,
        text_column=text_column,
        unsure_below=unsure_below,
        every=every,
        label_track=label_track,
        draw=draw,
        console=make_console(quiet),
    )
    if as_json:
        print_json(as_rows(found, top))
    elif not any("label" in row for one in found for row in one.rows):
        _print_rows(found)
    elif every is not None or any(is_list(one) for one in examples):
        if not all(_is_class(row) for one in found for row in one.rows):
            _print_rows(found)
            return
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(["name", *times_of(found[0]), "label", "probability"])
        writer.writerows(
            [one.name, *times_of(one).values(), one.label, f"{one.rows[0]['probability']:.4f}"]
            for one in found
        )
    else:
        for one in found:
            shown = ", ".join(map(_in_words, most_probable(one.rows, top)))
            click.echo(f"{one.name}: {'unsure: ' if one.unsure else ''}{shown}")


def _is_class(row: dict[str, Any]) -> bool:
    return set(row) == {"label", "probability"}


def _in_words(row: dict[str, Any]) -> str:
    """A row of a prediction in a line with others."""
    if "label" in row:
        return f"{row['label']} {row['probability']:.3f}"
    return f"{row.get('number', '')} {row.get('value', ''):g} {row.get('unit', '')}".strip()


def _print_rows(found: list[Prediction]) -> None:
    """A line for each row of a prediction, as CSV; one with nothing but the name if it has none."""
    from kfine.verbs.predict import times_of

    names = list(dict.fromkeys(key for one in found for row in one.rows for key in row))
    times = times_of(found[0])
    writer = csv.DictWriter(sys.stdout, ["name", *times, *names], lineterminator="\n")
    writer.writeheader()
    for one in found:
        rows: list[dict[str, Any]] = list(one.rows) or [{}]
        writer.writerows({"name": one.name, **times_of(one), **row} for row in rows)
