"""The class of a kind: the folders of `kfine/inputs` and `kfine/answers` are the lists."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kfine.errors import RunError

# What tells a part from whatever else a recipe's module holds.
_PART = {"inputs": ("load", "requested"), "answers": ("load", "losses")}


def shipped_kinds(package: str) -> list[str]:
    """The kinds that come with kfine, of `inputs` or of `answers`."""
    root = Path(__file__).parents[1] / package
    return sorted(one.parent.name for one in root.glob("*/__init__.py"))


def part_class(package: str, values: Mapping[str, Any], own: Any = None) -> Any:
    """The class that a description's `kind` names; each kind's module names it `Part`.

    Args:
        package: `inputs` or `answers`.
        values: The description.
        own: A recipe's module: a class of it with this `kind` is taken first. A file that
            somebody else made is read without one, since it must not decide which code runs.

    Raises:
        RunError: No kind is named, or none of that name is known.
    """
    kind = values.get("kind") if isinstance(values, Mapping) else None
    for one in vars(own).values() if own is not None else ():
        is_part = isinstance(one, type) and all(hasattr(one, name) for name in _PART[package])
        if is_part and getattr(one, "kind", None) == kind:
            return one
    known = shipped_kinds(package)
    if kind not in known:
        raise RunError(
            f"There is no kind {kind!r} among kfine's {package}; there are: {', '.join(known)}."
        )
    return importlib.import_module(f"kfine.{package}.{kind}").Part
