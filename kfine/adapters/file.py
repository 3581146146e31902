"""The one file of an adapter: what it changes of which base, and the head that goes with it.

A safetensors file, which any reader of the format opens; what it means is in its metadata, as JSON
under `kfine`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kfine.adapters.options import AdapterOptions
from kfine.errors import ConfigError, RunError
from kfine.runs.files import whole_file

NAME = "adapter.safetensors"
_KEY, _VERSION = "kfine", 1
_HEAD = "head"


@dataclass(frozen=True)
class AdapterFile:
    """What is in the file.

    Attributes:
        options: Of the adapter.
        base: SHA-256 of the weights of the backbone that it was trained on.
        paths: Of each layer with an adapter, from the input side.
        layers: Of each, its arrays by name, float32.
        head: The weights of the head, float32.
        about: What else is to be known of it, JSON-able: preset, recipe, classes.
    """

    options: AdapterOptions
    base: str
    paths: tuple[str, ...]
    layers: Sequence[Mapping[str, np.ndarray]]
    head: Sequence[np.ndarray]
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def parameters(self) -> int:
        """How many weights the adapters have, without the head."""
        return sum(one.size for layer in self.layers for one in layer.values())


def write_adapter(path: Path, adapter: AdapterFile) -> None:
    """Write the file whole."""
    from safetensors.numpy import save

    tensors = {
        f"{number:04d}/{layer}/{name}": np.ascontiguousarray(value)
        for number, (layer, values) in enumerate(zip(adapter.paths, adapter.layers, strict=True))
        for name, value in values.items()
    }
    heads = {f"{_HEAD}/{number:04d}": value for number, value in enumerate(adapter.head)}
    about = {
        "version": _VERSION,
        "base": adapter.base,
        "options": vars(adapter.options),
        "layers": list(adapter.paths),
        **adapter.about,
    }
    with whole_file(path) as unfinished:
        unfinished.write_bytes(save({**tensors, **heads}, {_KEY: json.dumps(about)}))


def read_adapter(path: Path) -> AdapterFile:
    """Read what `write_adapter` wrote.

    Raises:
        RunError: There is no such file, or it is none of kfine's.
    """
    about, tensors = _read(path)
    try:
        return _made(about, tensors)
    except (KeyError, TypeError, IndexError, ValueError, ConfigError) as error:
        raise RunError(
            f"The adapter {path} is damaged ({type(error).__name__}: {error}); fit the run again."
        ) from error


def _made(about: dict[str, Any], tensors: dict[str, np.ndarray]) -> AdapterFile:
    layers: list[dict[str, np.ndarray]] = [{} for _ in about["layers"]]
    head = []
    for key, value in sorted(tensors.items()):
        number, _, rest = key.partition("/")
        if number == _HEAD:
            head.append(value)
        else:
            layers[int(number)][rest.rpartition("/")[2]] = value
    for name in ("preset", "class_names"):
        about[name]
    known = {"version", "base", "options", "layers"}
    return AdapterFile(
        options=AdapterOptions(**about["options"]),
        base=about["base"],
        paths=tuple(about["layers"]),
        layers=layers,
        head=head,
        about={name: value for name, value in about.items() if name not in known},
    )


def _read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise RunError(
            f"There is no adapter at {path}; fit a run with --adapter lora, which writes {NAME}."
        )
    try:
        with safe_open(path, "numpy") as file:
            about = json.loads((file.metadata() or {}).get(_KEY, "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise RunError(f"The adapter {path} cannot be read: {error}.") from error
    if not isinstance(about, dict) or about.get("version") != _VERSION:
        raise RunError(
            f"The file {path} is no adapter of this version of kfine; fit the run again. "
            f"Received: {'no description' if about is None else about.get('version')!r}"
        )
    return about, tensors
