"""Which trials keep their weights on disk."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from kfine.runs.folder import RunFolder
from kfine.tuning.records import SearchFolder, TrialRecord, ranked


def keep_best(
    folder: SearchFolder, objective: str, direction: str, count: int, *, continued: bool
) -> list[str]:
    """Remove the weights of all ended trials but the best.

    Args:
        folder: Of the search.
        objective: Name of the objective.
        direction: `"min"` or `"max"`.
        count: How many keep their `model.keras`.
        continued: Whether the oracle may continue trials that ended (Hyperband), which takes
            their checkpoints.

    Returns:
        The trials that keep their weights, the best first.
    """
    records = folder.records()
    kept = [one.trial for one in ranked(records, objective, direction)[:count]]
    for record in records:
        _tidy(folder, record, kept, continued)
    return kept


def _tidy(folder: SearchFolder, record: TrialRecord, kept: Sequence[str], continued: bool) -> None:
    for run in map(RunFolder, folder.runs(record.trial)):
        if not continued:
            # They serve to resume, and this trial has ended.
            shutil.rmtree(run.checkpoints, ignore_errors=True)
        if record.trial in kept or not run.model_path.is_file():
            continue
        run.update(
            model=f"removed, since it is not among the best {len(kept)} trials of its search"
        )
        run.model_path.unlink()
