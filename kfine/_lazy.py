"""Public names that load their module on first use (PEP 562)."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def attach(
    package: str, names: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Make the module-level `__getattr__`, `__dir__` and `__all__` of a lazy package.

    Args:
        package: The package's `__name__`.
        names: Public name -> submodule of the package that defines it; `submodule:name` where it
            has another name there.
    """

    def __getattr__(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        place, _, attribute = names[name].partition(":")
        module = importlib.import_module(f"{package}.{place}")
        value = getattr(module, attribute or name)
        setattr(sys.modules[package], name, value)
        return value

    def __dir__() -> list[str]:
        return sorted(names)

    return __getattr__, __dir__, sorted(names)
