"""Options and output that several verbs share."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from kfine.console import Console

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def quiet_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--quiet`."""
    return click.option("--quiet", "-q", is_flag=True, help="Print results and warnings only.")(
        function
    )


def json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--json`."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print the result as JSON on standard output."
    )(function)


def slices_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--slices` and `--sensitive`."""
    slices = click.option(
        "--slices",
        metavar="COLUMN,...",
        callback=_columns,
        help="Columns of the data's table by which it is scored too, such as light,device.",
    )
    sensitive = click.option(
        "--sensitive",
        metavar="COLUMN,...",
        callback=_columns,
        help="The same of people, such as sex, with four fifths and equalised odds.",
    )
    return slices(sensitive(function))


def _columns(context: click.Context, option: click.Parameter, value: str | None) -> tuple[str, ...]:
    if value is None:
        return ()
    # A name with a comma stands in quotes, as in a table.
    (names,) = csv.reader([value], skipinitialspace=True) if value else ([],)
    found = tuple(one.strip() for one in names if one.strip())
    if not found:
        raise click.BadParameter(f"names no column. Received: {value!r}", context, option)
    return found


def make_console(quiet: bool) -> Console:
    """The console of a verb."""
    return Console(quiet=quiet)


def near(path: Path) -> Path:
    """A path as one would type it here: relative where it lies below the present folder."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def print_json(value: Any) -> None:
    """Print a result for machines."""
    click.echo(json.dumps(value, indent=1, ensure_ascii=False, default=str))


def print_table(headings: list[str], rows: list[list[str]]) -> None:
    """Print aligned columns; a column whose cells are all numbers is aligned right."""
    columns = list(zip(headings, *rows, strict=True))
    widths = [max(len(str(cell)) for cell in column) for column in columns]
    numeric = [all(_is_number(cell) for cell in column[1:]) and len(rows) > 0 for column in columns]
    for row in [headings, *rows]:
        cells = [
            str(cell).rjust(width) if right else str(cell).ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ]
        click.echo("  ".join(cells).rstrip())


def _is_number(cell: str) -> bool:
    first = str(cell).lstrip("+-").split(" ")[0].rstrip("%")
    return first.replace(".", "", 1).replace(",", "").isdigit()
