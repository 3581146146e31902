"""`runs`: what runs there are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kfine.errors import RunError
from kfine.runs.folder import RunFolder, list_runs
from kfine.runs.lock import in_use


def list_all(folder: str | Path = "runs") -> list[dict[str, Any]]:
    """Summaries of all runs directly below a folder, oldest first.

    Raises:
        RunError: The folder does not exist.
    """
    root = Path(folder)
    if not root.is_dir():
        raise RunError(f"There is no folder {root}; give one that holds runs: kfine runs FOLDER.")
    rows = []
    for run in list_runs(root):
        info = run.info()
        validation = info.get("validation", {})
        metrics = run.read("metrics.json") if (run.path / "metrics.json").is_file() else {}
        score = validation.get(info.get("objective", "val_loss"))
        rows.append(
            {
                "run": str(root / run.path.name),
                "recipe": Path(info["recipe"]).stem,
                "status": status_of(run),
                "started": info["started"],
                "validation": None if score is None else round(score, 3),
                "test": round(metrics[metrics["primary"]], 3) if metrics else None,
            }
        )
    return rows


def status_of(run: RunFolder) -> str:
    """How far a run came. A process that was killed could not say so; its lock went with it."""
    status: str = run.info()["status"]
    return "interrupted" if status == "running" and not in_use(run.path) else status
