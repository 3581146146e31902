"""The documentation says what the code does."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest

from kfine.cli import cli
from kfine.config import make_config
from kfine.recipe import copy_recipe, load_recipe

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "README.md"])
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")


def generator() -> ModuleType:
    path = ROOT / "scripts" / "generate_docs.py"
    spec = importlib.util.spec_from_file_location("generate_docs", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def blocks(page: Path, language: str) -> list[str]:
    return [text for kind, text in _BLOCK.findall(page.read_text("utf-8")) if kind == language]


def command_lines() -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        for block in blocks(page, "sh"):
            lines = block.replace("\\\n", " ").splitlines()
            found += [(page.name, line) for line in lines if line.startswith("kfine ")]
    return found


def parse(command: click.Command, name: str, words: list[str], parent: Any = None) -> click.Context:
    """The innermost context of a command line; nothing is run."""
    context = command.make_context(name, words, parent=parent)
    # What a group leaves to its subcommand; click keeps it under this name.
    rest = [*context._protected_args, *context.args]
    if not isinstance(command, click.Group) or not rest:
        return context
    found, below, after = command.resolve_command(context, rest)
    assert found is not None and below is not None
    return parse(below, found, after, context)


@pytest.mark.keras
@pytest.mark.parametrize("name", ["settings.md", "help.md", "api.md"])
def test_generated_pages_are_up_to_date(name: str) -> None:
    rendered = generator().PAGES[name]()
    assert (ROOT / "docs" / name).read_text("utf-8") == rendered, "run scripts/generate_docs"


@pytest.mark.parametrize(("page", "line"), command_lines())
def test_command_lines_of_the_docs_parse(
    page: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    copy_recipe("image_classification", tmp_path / "mine.py")
    (tmp_path / "stages.yaml").write_text("- {epochs: 1, groups: [head]}")
    words = shlex.split(line.split(" > ")[0], comments=True)[1:]
    try:
        context = parse(cli, "kfine", words)
    except click.exceptions.Exit:
        assert "--help" in words or "--version" in words
        return
    if context.parent is not None and context.parent.info_name == "fit":
        names = {setting.name for setting in context.command.params if hasattr(setting, "group")}
        given = {k: v for k, v in context.params.items() if k in names and v is not None}
        make_config(load_recipe(context.info_name or "").Config, given)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_settings_files_and_programs_of_the_docs_are_valid(page: Path, tmp_path: Path) -> None:
    for text in blocks(page, "yaml"):
        file = tmp_path / "settings.yaml"
        file.write_text(text, encoding="utf-8")
        make_config(load_recipe("image_classification").Config, {}, file)
    for text in blocks(page, "python"):
        compile(text, page.name, "exec")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_the_docs_lead_to_files(page: Path) -> None:
    links = [link for link in _LINK.findall(page.read_text("utf-8")) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_index_names_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text("utf-8")
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert pages == set(_LINK.findall(index)) & pages
