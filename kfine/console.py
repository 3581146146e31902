"""What the terminal and a notebook are told while work is under way."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


class Console:
    """Says things on standard error: progress and notes, never results.

    In a terminal the progress of the present step is redrawn in place; elsewhere only whole
    lines are written.

    Args:
        quiet: Say only warnings.
        stream: Where to write; standard error if omitted.
    """

    def __init__(self, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        self.quiet = quiet
        self._stream = stream
        self._drawn = 0
        self._last_draw = 0.0

    @property
    def stream(self) -> TextIO:
        """The stream in use; looked up late, since notebooks and tests replace it."""
        return self._stream or sys.stderr

    @property
    def is_terminal(self) -> bool:
        """Whether lines can be redrawn."""
        return hasattr(self.stream, "isatty") and self.stream.isatty()

    def say(self, line: str = "") -> None:
        """Write a line, unless quiet."""
        if not self.quiet:
            self._write(line)

    def warn(self, line: str) -> None:
        """Write a warning, also when quiet."""
        self._write(f"warning: {line}")

    def progress(self, line: str, *, force: bool = False) -> None:
        """Redraw the progress line, at most ten times a second; nothing without a terminal."""
        now = time.monotonic()
        if self.quiet or not self.is_terminal or (now - self._last_draw < 0.1 and not force):
            return
        self._last_draw = now
        self._clear()
        self.stream.write(line)
        self.stream.flush()
        self._drawn = len(line)

    def count(self, what: str) -> Counter:
        """A progress callback `(done, total)` for loops over examples."""
        return Counter(self, what)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Say what takes long before it begins, so that nobody waits at a silent screen."""
        self.progress(f"{what} ...", force=True)
        start = time.monotonic()
        yield
        self._clear()
        seconds = time.monotonic() - start
        if seconds > 2:
            self.say(f"{what}: {format_seconds(seconds)}")

    def _write(self, line: str) -> None:
        self._clear()
        self.stream.write(line + "\n")
        self.stream.flush()

    def _clear(self) -> None:
        if self._drawn:
            self.stream.write("\r" + " " * self._drawn + "\r")
            self._drawn = 0


class Counter:
    """Progress of a loop with the time left."""

    def __init__(self, console: Console, what: str) -> None:
        self._console = console
        self._what = what
        self._start = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        """Draw `done` of `total`."""
        left = (time.monotonic() - self._start) / max(done, 1) * (total - done)
        line = f"{self._what}: {done} of {total}, {format_seconds(left)} left"
        self._console.progress(line, force=done == total)
        if done == total:
            self._console._clear()


def format_seconds(seconds: float) -> str:
    """A duration as people say it: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 120:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def format_bytes(count: float) -> str:
    """A size in decimal units: `512 B`, `9.4 MB`."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
