"""Python child processes that import the same kfine as their parent."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import kfine
from kfine.backend import ENVIRONMENT


def module_command(module: str, *arguments: object) -> list[str]:
    """The command line of `python -m MODULE ARGUMENTS`."""
    return [sys.executable, "-m", module, *map(str, arguments)]


def child_environment() -> dict[str, str]:
    """The parent's environment, quiet, without a GPU, and with this kfine first on the path."""
    environment = {**ENVIRONMENT, **os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
    parents = [str(Path(kfine.__file__).parents[1]), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, parents))
    return environment


def death_of(status: int) -> str:
    """How a child with a negative exit status ended, such as `SIGSEGV`."""
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
