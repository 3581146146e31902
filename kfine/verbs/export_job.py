"""What an export needs of a run: its examples, its Keras predictions, and the facts about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfine.data.labelled import Data
from kfine.data.split import Split
from kfine.presets import license_of
from kfine.training.run import TrainedRun

if TYPE_CHECKING:
    from kfine.evaluation.told import Told
    from kfine.exporting.bundle.golden import GoldenExample
    from kfine.exporting.measuring.calibration import Calibration
    from kfine.exporting.measuring.held_out import HeldOut


@dataclass
class ExportJob:
    """A run with its data, and the examples of it that an export looks at.

    Attributes:
        run: The run.
        data: Its data set.
        held_out: The split that the file is measured on.
        form: How the file takes examples.
        own: Its recipe, where that has an input or an answer of its own.
        told: Whether the file is asked for each token of the texts that were wanted.
    """

    run: TrainedRun
    data: Data
    held_out: Split
    form: str
    own: Any = None
    told: bool = False
    _predictions: dict[str, list[Any]] = field(default_factory=dict)

    def measured_on(self, split: Split) -> HeldOut:
        """The split's examples and what the Keras model says of them, found out once."""
        from kfine.exporting.measuring.held_out import HeldOut

        return HeldOut(
            self.examples(split, range(len(split))),
            split.labels,
            self.predicted(split),
            self.run.answer,
            self.own,
            self._told(split) if self.told else None,
        )

    def _told(self, split: Split) -> Told:
        """What the Keras model thinks of each token that was wanted."""
        from kfine.evaluation.told import told

        run = self.run
        return told(run.model, run.input, run.answer, split, run.config.batch_size)

    def predicted(self, split: Split) -> list[Any]:
        """What the Keras model says of a split, found out once."""
        if split.name not in self._predictions:
            self._predictions[split.name] = self.run.predictor.predict_split(split)
        return self._predictions[split.name]

    def calibration(self, count: int) -> Calibration:
        """Which training examples calibrate integers: balanced over their strata."""
        from kfine.exporting.measuring.calibration import (
            Calibration,
            choose_calibration,
            representative_indices,
        )

        train, seed = self.data.train, self.run.config.seed
        names = sorted({record.balanced for record in train.records})
        if names == sorted(self.run.answer.names):
            return choose_calibration(train.strata, names, count=count, seed=seed)
        indices = representative_indices(train.strata, count=count, seed=seed)
        return Calibration(train.name, len(indices), seed, {}, indices)

    def examples(self, split: Split, indices: Iterable[int]) -> SplitExamples:
        """Raw examples for a graph that resizes, and those of training for one that does not."""
        return SplitExamples(split, indices, raw=self.form == "any")

    def golden(self, count: int) -> list[GoldenExample]:
        """So many held-out examples as they are in their files, of different strata."""
        from kfine.exporting.bundle.golden import GoldenExample
        from kfine.exporting.measuring.calibration import representative_indices

        split = self.held_out
        order = representative_indices(split.strata, count=len(split)).tolist()
        # First those in which the model finds something.
        found = [bool(self.run.answer.describe(one)) for one in self.predicted(split)]
        chosen = sorted(order, key=lambda index: not found[index])[:count]
        return [GoldenExample(split.read_raw(int(i)), split.records[i].plain_label) for i in chosen]

    def trivial(self) -> tuple[str, float]:
        """The answer that costs nothing: its name, and its primary metric on the held-out split."""
        answer, held = self.run.answer, self.held_out
        found = answer.trivial(self.data.train.labels, _examples(self.data.train))
        score = answer.score(found.predict(_examples(held)), held.labels)
        return found.name, float(score.metrics[answer.primary])

    def unsure(self) -> Any:
        """The score's threshold of being sure on validation; `None` for an answer without one."""
        split = self.data.validation
        if self.run.refit:
            # Found before the model trained on these examples.
            return self.run.refit.get("unsure")
        if split is None or not len(split):
            return None
        score = self.run.answer.score(self.predicted(split), split.labels)
        return score.tables.get("unsure")

    def facts(self, version: str, license: str | None) -> dict[str, Any]:
        """What the file and its card say of the run.

        Args:
            version: Of the model.
            license: Of the model, in a line.
        """
        from kfine import __version__

        run = self.run
        config, info = run.config, run.folder.info()
        decided = info.get("decisions", {})
        preset = str(getattr(config, "preset", ""))
        return {
            "name": run.path.name,
            "description": run.answer.device().purpose(run.input.many),
            "version": version,
            **({"license": license} if license else {}),
            "made_with": f"kfine {__version__}",
            "trained": str(info.get("started", ""))[:10],
            "recipe": Path(info["recipe"]).stem,
            "run": run.path.name,
            "preset": Path(preset).name,
            **({"preset_license": license_of(preset)} if preset else {}),
            "columns": run.columns,
            "data": Path(str(getattr(config, "data", ""))).name,
            f"training_{run.input.many}": run.refit.get("examples", len(self.data.train)),
            **{one: decided[one] for one in ("accents", "unknown_pieces") if one in decided},
            **_slices(run),
        }


def _slices(run: TrainedRun) -> dict[str, list[str]]:
    """What the run's own evaluation says of the slices of its test split, under `slices`."""
    if not (run.path / "metrics.json").is_file():
        return {}
    found = run.folder.read("metrics.json").get("slices", ())
    return {"slices": [line for one in found for line in one["words"]]} if found else {}


class SplitExamples:
    """Examples of a split, one at a time; can be gone through again."""

    def __init__(self, split: Split, indices: Iterable[int], *, raw: bool) -> None:
        self._split = split
        self._indices = indices
        self._raw = raw

    def __iter__(self) -> Iterator[Any]:
        for index in self._indices:
            one = int(index)
            yield self._split.read_raw(one) if self._raw else self._split.inputs[one]


def _examples(split: Split) -> list[Any]:
    """What trivial answers look at: texts; of images, which are many bytes, their number only."""
    return split.examples() if split.read is None else [None] * len(split)
