"""A file that nobody here has run before is tried in a process of its own first.

LiteRT checks a file's structure and the sizes of most tensors, but not all of them: of 6,400
files damaged at random about one in 600 ended the process (a float16 weight whose unpacked shape
is larger than its buffer, an operation that writes nowhere). A checksum in the file proves no
more than that its maker could compute one. So the first time a content is met, a child with
little memory loads it, compares the shapes that it states with those that it makes, and runs one
example; the content's hash is noted if all went well.
"""

from __future__ import annotations

import hashlib
import subprocess
from contextlib import suppress
from pathlib import Path

from kfine.child import child_environment, death_of, module_command
from kfine.data.cache import cache_folder
from kfine.errors import ExportError

# How long a model may take.
SECONDS = 120


def require_harmless(path: Path) -> None:
    """Try a file in a child process, unless the same content has been tried before.

    That costs about 0.2 s once for each content. Notes are kept in the cache folder.

    Args:
        path: A file, or a folder of files, that carries kfine's labels.

    Raises:
        ExportError: The child died, took too long or too much memory, or could not run it.

    Limits:
        One example is tried. A file that misbehaves for others only is not found out.
    """
    note = cache_folder() / "tried" / content_hash(path)
    if note.exists():
        return
    try:
        done = subprocess.run(
            module_command("kfine.runtimes.probe_child", path),
            env=child_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise ExportError(f"{path} did not answer within {SECONDS} s; export it again.") from None
    if done.returncode:
        error = ExportError(_reason(path, done))
        error.add_note(done.stderr)
        raise error
    # A cache that cannot be written costs time, nothing else.
    with suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        note.touch()


def _reason(path: Path, done: subprocess.CompletedProcess[str]) -> str:
    said = done.stdout.strip().splitlines()
    if done.returncode > 0 and said:
        return said[-1]
    how = death_of(done.returncode) if done.returncode < 0 else f"exit status {done.returncode}"
    return (
        f"{path} ended the process that tried it first ({how}): it is damaged or made to do harm; "
        "export it again."
    )


def content_hash(path: Path) -> str:
    """SHA-256 of a file, or of the names and contents of a folder's files."""
    if not path.is_dir():
        return _digest(path)
    digest = hashlib.sha256()
    for file in files_of(path):
        digest.update(f"{file.relative_to(path)}\0{_digest(file)}\n".encode())
    return digest.hexdigest()


def files_of(path: Path) -> list[Path]:
    """A file, or all files of a folder."""
    found = sorted(path.rglob("*")) if path.is_dir() else [path]
    return [file for file in found if file.is_file()]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
