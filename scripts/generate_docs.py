"""The pages of docs/ that are made from the code: docs/settings.md and docs/help.md.

`scripts/generate_docs` writes them; tests/test_docs.py fails when they are out of date.
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import click

from kfine.cli import cli
from kfine.config import Setting, settings_of
from kfine.verbs.recipes import load_recipe, recipe_names, summary_of

DOCS = Path(__file__).resolve().parent.parent / "docs"
_NOTE = "<!-- Made by scripts/generate_docs from the code; do not edit. -->"
# Help is wrapped to the terminal's width, and a page has none.
_COLUMNS = 88


def settings_page() -> str:
    """Every setting of every recipe, under the headings of `--help`."""
    parts = [
        "# Settings",
        _NOTE,
        "Each setting is an option of `kfine fit`, a line of a YAML file (`--config`, options win "
        "over it) and a keyword argument of `kfine.fit`. The option `--batch-size` is "
        "`batch_size` in YAML and in Python. An option left out, and a line or argument left "
        "out, has the default.",
    ]
    for name in recipe_names():
        recipe = load_recipe(name)
        parts += [f"## {name}", summary_of(recipe)]
        for heading, settings in groupby(settings_of(recipe.Config), key=lambda one: one.group):
            rows = ["| setting | values | default | |", "|---|---|---|---|"]
            parts += [f"### {heading}", "\n".join([*rows, *map(_row, settings)])]
    return "\n\n".join(parts) + "\n"


def _row(one: Setting) -> str:
    default = "chosen automatically" if one.default is None else f"`{one.default}`"
    return f"| `{one.name}` | {_values(one)} | {default} | {_cell(one.help)} |"


def _values(one: Setting) -> str:
    if one.choices:
        return ", ".join(f"`{choice}`" for choice in one.choices)
    kinds = {int: "whole number", float: "number", bool: "yes or no"}
    words = one.unit or kinds.get(one.kind, "text")
    ends = (("from", one.minimum), ("to", one.maximum))
    return " ".join([words, *(f"{word} {end:,.10g}" for word, end in ends if end is not None)])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def help_page() -> str:
    """The `--help` output of every command."""
    pages = [f"## `{path} --help`\n\n```text\n{text}\n```" for path, text in _helps(cli, None)]
    return "\n\n".join(["# Commands", _NOTE, *pages]) + "\n"


def _helps(command: click.Command, parent: click.Context | None) -> list[tuple[str, str]]:
    context = click.Context(
        command,
        info_name=command.name if parent else "kfine",
        parent=parent,
        terminal_width=_COLUMNS,
        **command.context_settings,
    )
    found = [(context.command_path, command.get_help(context).rstrip())]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            found += _helps(below, context)
    return found


PAGES = {"settings.md": settings_page, "help.md": help_page}


def main() -> None:
    """Write the pages."""
    for name, render in PAGES.items():
        (DOCS / name).write_text(render(), encoding="utf-8")
        print(f"docs/{name}")


if __name__ == "__main__":
    main()
