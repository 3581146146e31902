"""Load a file and run one example, in a process that may end over it.

`python -m kfine.runtimes.probe_child PATH`
"""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

from kfine.console import format_bytes
from kfine.errors import KfineError
from kfine.runtimes.exported import first_line
from kfine.runtimes.kinds import kind_of
from kfine.runtimes.loading import load_exported
from kfine.runtimes.probe import files_of
from kfine.runtimes.shapes import require_true_shapes

# What a model may take beyond its runtime and four times its file, in bytes.
MEMORY = 2 * 2**30


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
    path = Path(arguments[0])
    allowed = MEMORY + 4 * sum(file.stat().st_size for file in files_of(path))
    limit_memory(allowed)
    try:
        # Each thread of a pool takes memory of its own, on a large machine more than the model.
        predictor = load_exported(path, threads=1, trusted=True)
        tensors = predictor.input.device().sample()
        if kind_of(path) == "tflite":
            require_true_shapes(path, [one.shape for one in tensors.values()])
        predictor.run(tensors)
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
