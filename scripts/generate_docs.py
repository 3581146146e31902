"""The pages of docs/ that are made from the code: settings.md, help.md and api.md.

`scripts/generate_docs` writes them; tests/test_docs.py fails when they are out of date.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import click

import kfine
from kfine.backend import load_backend
from kfine.cli import cli
from kfine.config import Setting, settings_of
from kfine.recipe import load_recipe, recipe_names, summary_of

DOCS = Path(__file__).resolve().parent.parent / "docs"
_NOTE = "<!-- Made by scripts/generate_docs from the code; do not edit. -->"
# Help is wrapped to the terminal's width, and a page has none.
_COLUMNS = 88
_SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Example|Reference):$", re.MULTILINE)
# The further lines of an item are indented.
_ITEM = re.compile(r"^(\S[^:\n]*): ", re.MULTILINE)


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


def api_page() -> str:
    """Every public name of `import kfine`: its signature and its docstring."""
    load_backend()
    parts = [
        "# The Python API",
        _NOTE,
        "`import kfine` loads neither TensorFlow nor Keras: a name loads what it needs when it is "
        "first used. Types are for editors and mypy. A mistake that a user can fix raises a "
        "`kfine.KfineError`, whose message is one sentence. [recipes.md](recipes.md) has a program "
        "that uses most of these, [training.md](training.md) says what training does.",
    ]
    for name in kfine.__all__:
        thing = getattr(kfine, name)
        parts += [f"## `kfine.{name}`", f"```python\n{_declared(name, thing)}\n```"]
        parts += [*_docstring(thing), *(_members(thing) if inspect.isclass(thing) else ())]
    return "\n\n".join(parts) + "\n"


def _declared(name: str, thing: Any) -> str:
    """The head of a function or a class, with types and defaults, as a program that compiles."""
    if not inspect.isclass(thing):
        return f"def {name}{_signature(thing)}: ..."
    foreign = [base.__name__ for base in thing.__bases__ if not _of_kfine(base)]
    bases = "" if foreign in ([], ["object"]) else f"({', '.join(foreign)})"
    if not inspect.isfunction(thing.__init__):
        return f"class {name}{bases}: ..."
    made = f"def __init__{_signature(thing.__init__)}: ..."
    return f"class {name}{bases}:\n{textwrap.indent(made, '    ')}"


def _signature(function: Any) -> str:
    signature = inspect.signature(function)
    words = [_parameter(one) for one in signature.parameters.values()]
    kinds = [one.kind for one in signature.parameters.values()]
    if inspect.Parameter.KEYWORD_ONLY in kinds and inspect.Parameter.VAR_POSITIONAL not in kinds:
        words.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), "*")
    line = ", ".join(words)
    if len(line) > _COLUMNS - 30:
        line = "\n" + "".join(f"    {word},\n" for word in words)
    return f"({line}) -> {signature.return_annotation}"


def _parameter(one: inspect.Parameter) -> str:
    stars = {one.VAR_POSITIONAL: "*", one.VAR_KEYWORD: "**"}.get(one.kind, "")
    typed = "" if one.annotation is one.empty else f": {one.annotation}"
    default = "" if one.default is one.empty else f" = {one.default!r}"
    return f"{stars}{one.name}{typed}{default}"


def _of_kfine(thing: Any) -> bool:
    return thing.__module__.split(".")[0] == "kfine"


def _docstring(thing: Any) -> Iterator[str]:
    """The parts of a docstring: sections under bold headings, their items as lists."""
    opening, *sections = _SECTION.split(inspect.getdoc(thing) or "")
    yield opening.strip()
    for heading, body in zip(sections[::2], sections[1::2], strict=True):
        text = textwrap.dedent(body).strip()
        if heading in ("Args", "Attributes", "Raises"):
            text = _ITEM.sub(r"- `\1`: ", text)
        yield from (f"**{heading}**", text)


def _members(thing: type) -> Iterator[str]:
    """A table of what an object of a class offers beyond its bases outside of kfine."""
    own = [base for base in reversed(thing.__mro__) if _of_kfine(base)]
    known = {name for base in thing.__mro__ if not _of_kfine(base) for name in vars(base)}
    found = {
        name: member
        for base in own
        for name, member in vars(base).items()
        if not name.startswith("_") and name not in known
    }
    rows = [
        f"| `{name}{_call(member)}` | {_cell(_summary(member))} |"
        for name, member in found.items()
        if inspect.isfunction(member) or isinstance(member, (property, cached_property))
    ]
    if rows:
        yield "\n".join(["| member | |", "|---|---|", *rows])


def _summary(member: Any) -> str:
    return (inspect.getdoc(member) or "").partition("\n\n")[0].replace("\n", " ")


def _call(member: Any) -> str:
    """The parameters of a method without their types; nothing for a property."""
    if not inspect.isfunction(member):
        return ""
    given = list(inspect.signature(member).parameters.values())[1:]
    return str(inspect.Signature([one.replace(annotation=one.empty) for one in given]))


PAGES = {"settings.md": settings_page, "help.md": help_page, "api.md": api_page}


def main() -> None:
    """Write the pages."""
    for name, render in PAGES.items():
        (DOCS / name).write_text(render(), encoding="utf-8")
        print(f"docs/{name}")


if __name__ == "__main__":
    main()
