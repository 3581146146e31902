"""Python child processes that import the same kfine as their parent."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import kfine
from kfine.backend import BACKEND, ENVIRONMENT


def module_command(module: str, *arguments: object) -> list[str]:
    """The command line of `python -m MODULE ARGUMENTS`.

    With `-P`: else a `random.py` among the user's files would be run in the place of Python's.
    """
    return [sys.executable, "-P", "-m", module, *map(str, arguments)]


def child_environment() -> dict[str, str]:
    """The parent's environment, quiet, without a GPU, and with this kfine first on the path."""
    own = {"CUDA_VISIBLE_DEVICES": "-1", "KERAS_BACKEND": BACKEND}
    return {**ENVIRONMENT, **same_kfine(), **own}


def same_kfine() -> dict[str, str]:
    """The parent's environment, with this kfine first on the path."""
    # An empty entry would stand for the current folder.
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    path = [str(Path(kfine.__file__).parents[1]), *filter(None, given)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path)}


def death_of(status: int) -> str:
    """How a child with a negative exit status ended, such as `SIGSEGV`."""
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
