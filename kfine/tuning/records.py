"""The folder of a search and what each trial left in it. Layout: docs/tuning.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kfine.errors import RunError
from kfine.runs.files import read_json, write_json
from kfine.runs.folder import Folder

SETTINGS = "search.json"


@dataclass
class TrialRecord:
    """How a trial ended.

    Attributes:
        trial: Its number as text; also its folder.
        values: What varied.
        status: `completed`, `pruned` (behind the median), `cut` (the time was up), `refused` (by a
            constraint, untrained) or `failed`.
        reason: Why, unless it completed.
        scores: Objectives and constraints by name, of the weights that were kept.
        curve: The first objective after each epoch.
        epochs: How many were trained, those of a trial that it continues included.
        seconds: What it cost, since it was last begun or resumed.
        error: Type of the exception, of a failed one.
        spread: Standard deviation of the scores over the folds, where there are folds.
    """

    trial: str
    values: dict[str, Any]
    status: str
    reason: str = ""
    scores: dict[str, float] = field(default_factory=dict)
    curve: list[float] = field(default_factory=list)
    epochs: int = 0
    seconds: float = 0.0
    error: str = ""
    spread: dict[str, float] = field(default_factory=dict)

    @property
    def scored(self) -> bool:
        """Whether it was trained and has a score."""
        return self.status in ("completed", "pruned", "cut")


@dataclass(frozen=True)
class SearchFolder(Folder):
    """Paths and small files of one search."""

    @property
    def trials(self) -> Path:
        """The run folders of the trials."""
        return self.path / "trials"

    @property
    def best_config(self) -> Path:
        """The answer, as `kfine fit --config` takes it."""
        return self.path / "best.yaml"

    def trial(self, trial: str) -> Path:
        """The run folder of a trial."""
        return self.trials / trial

    def runs(self, trial: str) -> list[Path]:
        """The run folders of a trial: itself, or one for each fold."""
        folds = sorted(file.parent for file in self.trial(trial).glob("fold-*/run.json"))
        return folds or [self.trial(trial)]

    def info(self) -> dict[str, Any]:
        """What `search.json` says: recipe, ranges, limits, goals."""
        info: dict[str, Any] = self.read(SETTINGS)
        return info

    def record(self, record: TrialRecord) -> None:
        """Write how a trial ended."""
        write_json(self.trial(record.trial) / "trial.json", asdict(record))

    def records(self) -> list[TrialRecord]:
        """All trials that ended, in the order of their numbers."""
        return in_order(TrialRecord(**read_json(file)) for file in self.trials.glob("*/trial.json"))


def open_search(path: str | Path) -> SearchFolder:
    """Open the folder of a search.

    Raises:
        RunError: It is missing or none.
    """
    folder = Path(path)
    if not (folder / SETTINGS).is_file():
        what = f"holds no search: it has no {SETTINGS}" if folder.exists() else "does not exist"
        raise RunError(f"{folder} {what}; give the folder that `kfine tune` named.")
    return SearchFolder(folder.resolve())


def in_order(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Trials in the order of their numbers, of which KerasTuner writes "7" or "07"."""
    return sorted(records, key=lambda one: (len(one.trial.lstrip("0")), one.trial.lstrip("0")))


def ranked(records: Sequence[TrialRecord], objective: str, direction: str) -> list[TrialRecord]:
    """The trials that have a score, the best first; equal ones in their order."""
    sign = -1.0 if direction == "max" else 1.0
    scored = [one for one in records if one.scored]
    return sorted(scored, key=lambda one: sign * one.scores[objective])


def saved_by_pruning(records: Sequence[TrialRecord]) -> tuple[int, float]:
    """Epochs that pruned trials did not train, and the seconds that those would have taken.

    As many epochs as the longest completed trial had are counted for each, at the trial's own
    pace.
    """
    whole = max((one.epochs for one in records if one.status == "completed"), default=0)
    pruned = [one for one in records if one.status == "pruned" and 0 < one.epochs < whole]
    epochs = sum(whole - one.epochs for one in pruned)
    return epochs, sum(one.seconds / one.epochs * (whole - one.epochs) for one in pruned)


def failures_in_a_row(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The failed trials since the last one that was scored; refused ones count neither way."""
    found: list[TrialRecord] = []
    for record in reversed(records):
        if record.scored:
            break
        if record.status == "failed":
            found.append(record)
    return found[::-1]
