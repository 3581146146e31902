"""`kfine cache`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from kfine.cli.options import json_option, print_json, print_table
from kfine.console import format_bytes


@click.group("cache")
def command() -> None:
    """What all runs share: features of frozen layers, and photos that are slow to decode."""


@command.command("list")
@json_option
def list_command(as_json: bool) -> None:
    """List what is cached, the last used first, and where."""
    from kfine.data.cache import cache_folder, cache_limit
    from kfine.verbs.cache import list_cache

    entries = list_cache()
    if as_json:
        print_json(entries)
        return
    size = sum(entry["bytes"] for entry in entries)
    for entry in entries:
        entry["bytes"] = format_bytes(entry["bytes"])
        entry["folder"] = Path(entry["folder"]).name
    if entries:
        print_table(list(entries[0]), [[str(cell) for cell in one.values()] for one in entries])
    click.echo(
        f"{format_bytes(size)} of at most {format_bytes(cache_limit())} in {cache_folder()}",
        err=True,
    )


@command.command("clear")
@click.option("--yes", is_flag=True, help="Remove without asking.")
def clear_command(yes: bool) -> None:
    """Remove all that is cached; runs compute again what they need."""
    from kfine.errors import ConfigError
    from kfine.verbs.cache import empty_cache, list_cache

    size = sum(entry["bytes"] for entry in list_cache())
    if not yes and not sys.stdin.isatty():
        raise ConfigError("Nobody is there to ask: kfine cache clear --yes removes all of it.")
    if not yes:
        click.confirm(f"Remove {format_bytes(size)} of cached features and photos?", abort=True)
    click.echo(f"removed {format_bytes(empty_cache())}")
