"""One living process per run folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kfine.errors import RunError


def in_use(path: Path) -> bool:
    """Whether a living process holds a run folder."""
    try:
        with locked(path):
            return False
    except RunError:
        return True


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a run folder; the system lets go of it when the process dies in any way.

    Raises:
        RunError: Another living process holds it.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise RunError(
            f"The run folder {path} is in use by another process; wait for it, or choose another "
            "--run-dir."
        ) from None
    except OSError as error:
        raise RunError(
            f"Cannot lock the run folder {path}: {error.strerror}; copy it to, or choose, a folder "
            "that can be written."
        ) from None
    try:
        yield
    finally:
        lock.release()
