"""Values of a golden example that are too many for `golden.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np


def written_rows(folder: Path, stem: str, rows: np.ndarray) -> dict[str, Any]:
    """Write a tensor `(1, ...)` as float32; the names of the files."""
    values = np.asarray(rows, np.float32)
    np.save(folder / f"{stem}.output.npy", values)
    (folder / f"{stem}.output.bin").write_bytes(values.tobytes())
    return {"output": f"{stem}.output.npy", "output_bytes": f"{stem}.output.bin"}
