"""A file that nobody here has run before is tried in a process of its own first.

LiteRT checks a file's structure and the sizes of most tensors, but not all of them: of 6,400
files damaged at random about one in 600 ended the process (a float16 weight whose unpacked shape
is larger than its buffer, an operation that writes nowhere). A checksum in the file proves no
more than that its maker could compute one. So the first time a content is met, a child with
little memory loads it, compares the shapes that it states with those that it makes, and runs one
example; the content's hash is noted if all went well.

`python -m kfine.exporting.probe PATH`
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from kfine.console import format_bytes
from kfine.data.cache import cache_folder
from kfine.errors import ExportError, KfineError
from kfine.exporting.child import child_environment, death_of, module_command
from kfine.exporting.kinds import kind_of

# What a model may take beyond its runtime and four times its file, and how long it may take.
MEMORY = 2 * 2**30
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
            module_command("kfine.exporting.probe", path),
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
    for file in _files(path):
        digest.update(f"{file.relative_to(path)}\0{_digest(file)}\n".encode())
    return digest.hexdigest()


def _files(path: Path) -> list[Path]:
    found = sorted(path.rglob("*")) if path.is_dir() else [path]
    return [file for file in found if file.is_file()]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def limit_memory(count: int) -> None:
    """Let this process take so many bytes more than it has now, where the system can limit it."""
    import resource

    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/self/status").read_text().splitlines()
        taken = 1024 * int(next(line.split()[1] for line in lines if line.startswith("VmData")))
        resource.setrlimit(resource.RLIMIT_DATA, (taken + count, taken + count))
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main(arguments: list[str]) -> int:
    """Load one file and run one example; what is wrong goes to standard output in one line."""
    from kfine.exporting.predictor import first_line
    from kfine.exporting.runner import load_exported
    from kfine.exporting.shapes import require_true_shapes

    path = Path(arguments[0])
    allowed = MEMORY + 4 * sum(file.stat().st_size for file in _files(path))
    limit_memory(allowed)
    try:
        # Each thread of a pool takes memory of its own, on a large machine more than the model.
        predictor = load_exported(path, threads=1, trusted=True)
        tensor = predictor.medium.sample()
        if kind_of(path) == "tflite":
            require_true_shapes(path, tensor.shape)
        predictor.answer(tensor)
    except (KfineError, RuntimeError, ValueError) as error:
        known = isinstance(error, KfineError)
        print(error if known else f"{path} cannot be loaded by LiteRT: {first_line(error)}.")
        return 2
    except MemoryError:
        print(f"{path} wants more than {format_bytes(allowed)} of memory: it is damaged.")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
