"""What an export needs of a run: its examples, its Keras answers, and the facts about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kfine.exporting.medium import Medium
from kfine.verbs.evaluate import predict_split
from kfine.verbs.run import Run


@dataclass
class ExportJob:
    """A run with its data, and the examples of it that an export looks at.

    Attributes:
        run: The run.
        data: Its data set.
        held_out: The split that the file is measured on.
        medium: What its examples are.
        input: "any" or "fixed", as exported.
    """

    run: Run
    data: Any
    held_out: Any
    medium: Medium
    input: str
    _known: dict[str, np.ndarray] = field(default_factory=dict)

    def measured_on(self, split: Any) -> Any:
        """The split's examples and what the Keras model answers to them."""
        from kfine.exporting.measured import HeldOut

        probabilities = self._probabilities(split)
        return HeldOut(self.examples(split, range(len(split))), split.labels, probabilities)

    def examples(self, split: Any, indices: Iterable[int]) -> SplitExamples:
        """Raw examples for a graph that resizes, and those of training for one that does not."""
        return SplitExamples(split, indices, raw=self.input == "any")

    def golden(self) -> list[Any]:
        """Some held-out examples as they are in their files, of different classes."""
        from kfine.exporting.calibration import representative_indices
        from kfine.exporting.golden import GOLDEN_EXAMPLES, GoldenExample

        split, names = self.held_out, self.run.class_names
        chosen = representative_indices(split.labels, count=GOLDEN_EXAMPLES)
        return [GoldenExample(split.read_raw(int(i)), names[split.labels[i]]) for i in chosen]

    def facts(self) -> dict[str, Any]:
        """What the file and its card say of the run."""
        from kfine import __version__

        config, recipe = self.run.config, self.run._folder.info()["recipe"]
        names = ", ".join(self.run.class_names)
        return {
            "name": self.run.path.name,
            "description": f"Classifies {self.medium.subject} into: {names}.",
            "version": __version__,
            "recipe": Path(recipe).stem,
            "run": self.run.path.name,
            "preset": Path(str(getattr(config, "preset", ""))).name,
            "data": Path(str(getattr(config, "data", ""))).name,
            f"training_{self.medium.many}": len(self.data.train),
        }

    def _probabilities(self, split: Any) -> np.ndarray:
        if split.name not in self._known:
            self._known[split.name] = predict_split(self.run, self.run.model, split)
        return self._known[split.name]


class SplitExamples:
    """Examples of a split, one at a time; can be gone through again."""

    def __init__(self, split: Any, indices: Iterable[int], *, raw: bool) -> None:
        self._split = split
        self._indices = indices
        self._raw = raw

    def __iter__(self) -> Iterator[Any]:
        for index in self._indices:
            one = int(index)
            yield self._split.read_raw(one) if self._raw else self._split.inputs[one]
