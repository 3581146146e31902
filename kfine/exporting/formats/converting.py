"""Both sides of a conversion in a child process: who starts it, and how it ends."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from kfine.child import child_environment, death_of, module_command
from kfine.errors import ExportError

_FAILED = "conversion failed: "


def run_converter(module: str, *arguments: object, what: str) -> str:
    """Convert in a child process, whose memory is given back.

    Args:
        module: Of `kfine.exporting.formats`, with a `main`.
        arguments: Of its command line.
        what: It is converted to, for the error.

    Returns:
        What it wrote to standard output.

    Raises:
        ExportError: It failed, or was killed.
    """
    done = subprocess.run(
        module_command(f"kfine.exporting.formats.{module}", *arguments),
        env=child_environment(),
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode == 0:
        return done.stdout
    lines = done.stderr.strip().splitlines() or ["no message"]
    reason = lines[-1].removeprefix(_FAILED)
    if done.returncode < 0:
        name = death_of(done.returncode)
        reason = f"the converter was killed by {name}, often for want of memory"
    error = ExportError(f"The model could not be converted to {what} LiteRT: {reason}.")
    error.add_note(done.stderr)
    raise error


def write_or_explain(output: str, make: Callable[[], bytes]) -> int:
    """The end of a converter's `main`: write the file, or say in the last line what went wrong.

    Returns:
        The exit status.
    """
    try:
        Path(output).write_bytes(make())
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        print(f"{error}\n{_FAILED}{lines[0][:300].rstrip('.')}", file=sys.stderr)
        return 1
    return 0
