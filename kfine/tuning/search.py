"""A search: its trials, the best of them, and its config."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kfine.config import make_config
from kfine.errors import RunError
from kfine.recipe import recipe_of_run
from kfine.training.run import TrainedRun
from kfine.tuning.pareto import pareto_front
from kfine.tuning.records import SearchFolder, TrialRecord, open_search, ranked


class Search:
    """A search: its trials, the best of them, and its config.

    Args:
        folder: The folder of the search, or its path.

    Raises:
        RunError: The path holds no search.

    Example:

    ```python
    search = kfine.Search("runs/flowers-search")
    print(search.best.scores, search.best_config.learning_rate)
    ```
    """

    def __init__(self, folder: SearchFolder | str | Path) -> None:
        self._folder = folder if isinstance(folder, SearchFolder) else open_search(folder)

    def __repr__(self) -> str:
        return f"Search({str(self.path)!r})"

    @property
    def path(self) -> Path:
        """The folder."""
        return self._folder.path

    @property
    def settings(self) -> dict[str, Any]:
        """What was asked for: oracle, objectives, ranges and limits."""
        return self._folder.info()

    @property
    def trials(self) -> list[TrialRecord]:
        """How each trial ended, in their order."""
        return self._folder.records()

    @property
    def ranked(self) -> list[TrialRecord]:
        """The trials that have a score, the best first."""
        goals = self.settings["goals"]
        objective = next(iter(goals))
        return ranked(self.trials, objective, goals[objective])

    @property
    def pareto(self) -> list[TrialRecord]:
        """The trials that no other one beats in all objectives, the best in the first one first."""
        return pareto_front(self.trials, self.settings["goals"])

    @property
    def best(self) -> TrialRecord:
        """The best trial.

        Raises:
            RunError: No trial has a score.
        """
        found = self.ranked
        if not found:
            raise RunError(f"No trial of {self.path} has a score.")
        return found[0]

    @property
    def best_run(self) -> TrainedRun:
        """The run of the best trial; of folds the first."""
        return TrainedRun(self._folder.runs(self.best.trial)[0])

    @property
    def best_config(self) -> Any:
        """The config of the best trial."""
        return make_config(self._module().Config, {}, self._folder.best_config)

    @property
    def answer(self) -> dict[str, Any] | None:
        """What retraining with `then_fit` found, if that was done."""
        path = self.path / "answer.json"
        return self._folder.read("answer.json") if path.is_file() else None

    def _module(self) -> Any:
        return recipe_of_run(self._folder)[0]
