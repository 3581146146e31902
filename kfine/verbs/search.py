"""The facade of a search folder that `kfine.tune` returns."""

from __future__ import annotations

from kfine.tuning import search
from kfine.verbs.run import Run


class Search(search.Search):
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

    @property
    def best_run(self) -> Run:
        """The run of the best trial; of folds the first."""
        return Run(super().best_run.folder)
