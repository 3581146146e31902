"""What a trial says goes to its own file; what matters goes to the person who watches too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kfine.console import Console


class TrialConsole(Console):
    """Writes lines to a file, and warnings and the moving progress line to another console too.

    Args:
        path: The file; lines are added to it.
        watcher: The console of the search.
        name: What the progress line begins with.
    """

    def __init__(self, path: Path, watcher: Console, name: str) -> None:
        super().__init__()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._watcher = watcher
        self._name = name

    def say(self, line: str = "") -> None:
        """Write a line to the file."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def warn(self, line: str) -> None:
        """Write a warning to the file and to the watcher."""
        self.say(f"warning: {line}")
        self._watcher.warn(f"{self._name}: {line}")

    def progress(self, line: str, *, force: bool = False) -> None:
        """Redraw the watcher's progress line."""
        self._watcher.progress(f"{self._name}: {line}", force=force)

    def _clear(self) -> None:
        self._watcher._clear()

    @property
    def stream(self) -> Any:
        """That of the watcher."""
        return self._watcher.stream
