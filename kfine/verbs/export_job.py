"""What an export needs of a run: its examples, its Keras answers, and the facts about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from kfine.exporting.medium import Medium
from kfine.exporting.outputs import Inside
from kfine.verbs.predictions import predict_split, read_inside, right_of, split_outputs
from kfine.verbs.recipes import recipe_of_run
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
    _answers: dict[str, np.ndarray] = field(default_factory=dict)

    def measured_on(self, split: Any) -> Any:
        """The split's examples and what the Keras model answers to them."""
        from kfine.exporting.held_out import HeldOut

        examples = self.examples(split, range(len(split)))
        if isinstance(self.medium.output, Inside):
            return self._measured_inside(split, examples, self.medium.output)
        return HeldOut(examples, split.labels, self._known(split, predict_split))

    def _measured_inside(self, split: Any, examples: SplitExamples, output: Inside) -> Any:
        """The same where a recipe reads what stands inside the examples."""
        from kfine.exporting.held_out import HeldOutInside

        module, run = self._module, self.run
        texts = split.inputs[range(len(split))]
        # A recipe scores what is called test.
        scored = replace(self.data, splits={**self.data.splits, "test": split})

        def score(predictions: Any) -> float:
            metrics = module.evaluate(predictions, scored)
            return float(metrics[metrics["primary"]])

        return HeldOutInside(
            examples,
            len(split),
            self._known(split, split_outputs),
            output,
            read=lambda logits: read_inside(
                module, logits, texts, run.preprocessing, run.class_names
            ),
            describe=partial(module.describe, class_names=run.class_names),
            right=lambda predictions: right_of(module, predictions, split),
            score=score,
            metric_name=module.PRIMARY,
        )

    def calibration(self, count: int) -> Any:
        """Which training examples calibrate integers: balanced where they have a class."""
        from kfine.exporting.calibration import (
            Calibration,
            choose_calibration,
            representative_indices,
        )

        train, seed = self.data.train, self.run.config.seed
        if not isinstance(self.medium.output, Inside):
            return choose_calibration(train.labels, self.run.class_names, count=count, seed=seed)
        # Their labels are strata, such as texts with entities and without.
        indices = representative_indices(train.labels, count=count, seed=seed)
        return Calibration(train.name, len(indices), seed, {}, indices)

    def examples(self, split: Any, indices: Iterable[int]) -> SplitExamples:
        """Raw examples for a graph that resizes, and those of training for one that does not."""
        return SplitExamples(split, indices, raw=self.input == "any")

    def golden(self) -> list[Any]:
        """Some held-out examples as they are in their files, of different classes."""
        from kfine.exporting.calibration import representative_indices
        from kfine.exporting.golden import GOLDEN_EXAMPLES, GoldenExample

        split, names = self.held_out, self.run.class_names
        chosen = representative_indices(split.labels, count=GOLDEN_EXAMPLES)
        if isinstance(self.medium.output, Inside):
            return [GoldenExample(split.read_raw(int(i))) for i in chosen]
        return [GoldenExample(split.read_raw(int(i)), names[split.labels[i]]) for i in chosen]

    def facts(self) -> dict[str, Any]:
        """What the file and its card say of the run."""
        from kfine import __version__

        config, recipe = self.run.config, self.run._folder.info()["recipe"]
        purpose = self.medium.output.purpose(self.medium.subject, self.run.class_names)
        return {
            "name": self.run.path.name,
            "description": purpose,
            "version": __version__,
            "recipe": Path(recipe).stem,
            "run": self.run.path.name,
            "preset": Path(str(getattr(config, "preset", ""))).name,
            "data": Path(str(getattr(config, "data", ""))).name,
            f"training_{self.medium.many}": len(self.data.train),
        }

    @cached_property
    def _module(self) -> Any:
        return recipe_of_run(self.run._folder)[0]

    def _known(self, split: Any, answer: Callable[[Run, Any, Any], Any]) -> Any:
        """The Keras model's answer to a split, found out once."""
        if split.name not in self._answers:
            self._answers[split.name] = answer(self.run, self.run.model, split)
        return self._answers[split.name]


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
