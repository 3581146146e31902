"""Values of a golden example: few by name in `golden.json`, many in files beside it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np


def written_rows(folder: Path, stem: str, rows: np.ndarray) -> dict[str, Any]:
    """Write a tensor `(1, ...)` as float32; the names of the files."""
    values = np.asarray(rows, np.float32)
    np.save(folder / f"{stem}.output.npy", values)
    (folder / f"{stem}.output.bin").write_bytes(values.tobytes())
    return {"output": f"{stem}.output.npy", "output_bytes": f"{stem}.output.bin"}


def by_name(names: Iterable[str], values: Iterable[float]) -> dict[str, float]:
    """Values as `golden.json` has them, to six places."""
    return {name: round(float(value), 6) for name, value in zip(names, values, strict=True)}
