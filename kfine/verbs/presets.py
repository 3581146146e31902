"""`presets`: the pretrained backbones that fit a recipe."""

from __future__ import annotations

from typing import Any

from kfine.backend import load_backend
from kfine.console import Console
from kfine.presets import Preset, find_preset, hub_task, local_image_size, shipped_names
from kfine.recipe import load_recipe


def list_presets(
    recipe: str, *, offline: bool = False, console: Console | None = None
) -> list[dict[str, Any]]:
    """Presets that fit a recipe: first those that ship, then KerasHub's by size.

    Args:
        recipe: Name of a recipe, or path of a recipe file.
        offline: Leave out those that need the network; also avoids importing KerasHub where
            no preset is cached.
        console: Hears of the import.

    Returns:
        Rows of name, parameters, bytes and image size in pixels (where the preset is local),
        and origin: `ships`, `cached` or `needs the network`.
    """
    console = console or Console()
    task = load_recipe(recipe).TASK
    rows = [_local(find_preset(name)) for name in shipped_names(task)]
    with console.timed("asking KerasHub"):
        load_backend()
        import keras_hub

        known = getattr(keras_hub.models, hub_task(task)).presets
    hub = []
    for name, facts in known.items():
        preset = find_preset(name)
        row = _local(preset) if preset.folder else _remote(name)
        row["parameters"] = facts.get("metadata", {}).get("params") or row["parameters"]
        if preset.folder or not offline:
            hub.append(row)
    return rows + sorted(hub, key=lambda row: row["parameters"] or 0)


def _local(preset: Preset) -> dict[str, Any]:
    assert preset.folder is not None
    return {
        "name": preset.name,
        "parameters": preset.read_json("metadata.json").get("parameter_count"),
        "bytes": sum(file.stat().st_size for file in preset.folder.glob("*.weights.h5")),
        "image_size": local_image_size(preset),
        "origin": preset.origin,
    }


def _remote(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "parameters": None,
        "bytes": None,
        "image_size": None,
        "origin": "needs the network",
    }
