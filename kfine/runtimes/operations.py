"""The operations that a SavedModel's further signatures need."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kfine.errors import MissingPackage

# What a file may name; importing it registers the operations.
_PACKAGES = ("tensorflow_text",)


def require_operations(info: Mapping[str, Any], path: Path) -> None:
    """Register the operations that a SavedModel needs beside TensorFlow's own.

    TensorFlow loads none of its signatures without them.

    Args:
        info: The SavedModel's facts.
        path: The SavedModel.

    Raises:
        MissingPackage: One of the packages is not installed.
    """
    signatures = info.get("signatures")
    stated = signatures.values() if isinstance(signatures, dict) else ()
    needed = {one.get("requires") for one in stated if isinstance(one, dict)}
    for package in needed & set(_PACKAGES):
        name = str(package).replace("_", "-")
        try:
            importlib.import_module(str(package))
        except ImportError:
            raise MissingPackage(
                f"{path} takes strings too, for which TensorFlow needs the package {name}: "
                f"pip install {name}."
            ) from None
