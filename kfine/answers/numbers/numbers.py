"""Numbers in their own units."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kfine.answers import Answer, Learned, Targets, Trivial
from kfine.answers.numbers.probe import ridge
from kfine.answers.numbers.score import by_truth, number_metrics
from kfine.answers.score import Score
from kfine.errors import DataError, RunError
from kfine.inputs import Mistake
from kfine.inputs.places import Places, mean_of_rows

if TYPE_CHECKING:
    from kfine.answers.doubts import Doubt
    from kfine.answers.numbers.device import NumbersOnDevice

OUTPUT = "number"
VALUES = "values"


@dataclass(frozen=True)
class Numbers:
    """Numbers of examples: labels are tuples of floats, predictions `(numbers,)` in their units.

    The model gives them standardised, less `mean` and by `scale`; the graph of an exported file
    turns that back, so that a phone sees units. A model of one number is judged by its mean
    absolute error, one of several by the relative error, see `number_metrics`.

    Attributes:
        names: Columns.
        units: Of each; empty where it has none.
        mean: Of each in training.
        scale: Standard deviation of each in training.
        median: Of each in training.
        spread: Mean distance of each from the median in training.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    median: tuple[float, ...]
    spread: tuple[float, ...]

    kind: ClassVar[str] = "numbers"
    needs: ClassVar[type[Places] | None] = None
    moves: ClassVar[Mapping[str, str]] = {}
    direction = "min"
    called = "numbers"
    probes = True

    @classmethod
    def of(
        cls, labels: Sequence[Sequence[float]], names: Sequence[str], units: Sequence[str] = ()
    ) -> Numbers:
        """What training labels say of mean, scale and spread.

        Args:
            labels: Of the training examples.
            names: Columns.
            units: Of each; none if empty.

        Raises:
            DataError: There are no labels, or they are not as many numbers as there are columns.
        """
        rows = np.array(labels, np.float64)
        if rows.ndim != 2 or rows.shape[1] != len(names):
            raise DataError(
                f"there must be {len(names)} numbers for each example. Received: {rows.shape}"
            )
        median = np.median(rows, axis=0)
        spread = np.abs(rows - median).mean(axis=0)
        # A number that is the same in all training examples is learned without being divided.
        scale, spread = (np.where(one > 0, one, 1.0) for one in (rows.std(axis=0), spread))
        return cls(
            names=tuple(names),
            units=tuple(units) or ("",) * len(names),
            mean=tuple(map(float, rows.mean(axis=0))),
            scale=tuple(map(float, scale)),
            median=tuple(map(float, median)),
            spread=tuple(map(float, spread)),
        )

    @property
    def primary(self) -> str:
        """In the unit of the number where there is one only."""
        return "mean_absolute_error" if len(self.names) == 1 else "relative_error"

    @property
    def watched(self) -> str:
        """The same in each epoch."""
        return self.primary

    def unknown(self, label: Any) -> Iterable[str]:
        """Any number is known."""
        return ()

    def encode(self, labels: Sequence[Any], places: Places) -> Targets:
        """Standardised float32 `(rows, numbers)`."""
        rows = np.array(labels, np.float64).reshape(len(labels), len(self.names))
        standard = (rows - np.array(self.mean)) / np.array(self.scale)
        return Targets({OUTPUT: standard.astype(np.float32)[places.owner]})

    def losses(self) -> dict[str, Any]:
        """Huber's: squared to one standard deviation, then as the distance."""
        import keras

        return {OUTPUT: keras.losses.Huber()}

    def metrics(self) -> dict[str, list[Any]]:
        """The primary metric."""
        from kfine.answers.numbers.losses import NumberError

        unit = (1.0,) if len(self.names) == 1 else self.spread
        scale = [one / other for one, other in zip(self.scale, unit, strict=True)]
        return {OUTPUT: [NumberError(scale, name=self.watched)]}

    def finish(self, outputs: Mapping[str, Any]) -> dict[str, Any]:
        """Back to the numbers' own units, float32."""
        import keras

        ops = keras.ops
        standard = ops.cast(outputs[OUTPUT], "float32")
        scale, mean = (np.array(one, np.float32) for one in (self.scale, self.mean))
        return {VALUES: standard * scale + mean}

    def decode(self, finished: Mapping[str, np.ndarray], places: Places) -> list[np.ndarray]:
        """float32 `(numbers,)` for each example."""
        return list(mean_of_rows(np.asarray(finished[VALUES], np.float32), places))

    def settle(self, prediction: Any) -> tuple[float, ...]:
        """The numbers."""
        return tuple(map(float, prediction))

    def score(self, predictions: Sequence[Any], labels: Sequence[Any]) -> Score:
        """Errors; see `number_metrics`.

        An example is as right as its error is small beside the spread of the training labels: 1
        for none, 0 for one as large as that or larger.

        Raises:
            DataError: There are no examples.
            RunError: A prediction is NaN or infinite.
        """
        if not len(labels):
            raise DataError("there is nothing to score")
        found, truth = (
            np.array(list(rows), np.float64).reshape(-1, len(self.names))
            for rows in (predictions, labels)
        )
        if not np.isfinite(found).all():
            raise RunError("the model gives NaN or infinity")
        spread = np.array(self.spread)
        metrics = number_metrics(found, truth, self.names, self.units, spread)
        relative = np.abs(found - truth) / spread
        unit = self.spread[0] if len(self.names) == 1 else 1.0
        errors = relative.mean(axis=1) * unit
        columns = zip(self.names, found.T, truth.T, strict=True)
        return Score(
            metrics={key: value for key, value in metrics.items() if key != "per_number"},
            each=np.clip(1 - relative, 0, 1).mean(axis=1),
            tables={
                "per_number": metrics["per_number"],
                "by_truth": [
                    {"number": name, **part}
                    for name, said, true in columns
                    for part in by_truth(said, true)
                ],
            },
            resample=lambda rows: float(errors[rows].mean()),
            scale=unit,
        )

    def trivial(self, labels: Sequence[Any], examples: Sequence[Any]) -> Trivial:
        """The median of the training examples."""
        median = np.median(np.array(labels, np.float64), axis=0)
        return Trivial("median", lambda examples: [median] * len(examples))

    def probe(
        self,
        train: tuple[np.ndarray, Sequence[Any]],
        validation: tuple[np.ndarray, Sequence[Any]],
        test: np.ndarray,
        seed: int,
    ) -> tuple[Sequence[Any], dict[str, Any]]:
        """Ridge regression on standardised features, its strength chosen on validation."""
        learned, held = (
            (features, np.array(labels, np.float64).reshape(-1, len(self.names)))
            for features, labels in (train, validation)
        )
        kernel, bias, alpha = ridge(learned, held, np.array(self.spread))
        return list(test @ kernel + bias), {"alpha": alpha}

    def linear_model(
        self, train: Learned, validation: Learned, weights: np.ndarray | None, seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Kernel `(features, numbers)` and bias `(numbers,)` of a ridge regression."""
        kernel, bias, _ = ridge(train, validation, np.ones(len(self.names)), weights)
        return kernel, bias

    def doubts(self, predictions: Sequence[Any], labels: Sequence[Any]) -> list[Doubt]:
        """As `doubtful_numbers`."""
        from kfine.answers.doubts import doubtful_numbers

        predicted = np.array(predictions, np.float64).reshape(len(labels), len(self.names))

        def described(number: int) -> str:
            pairs = zip(predicted[number], self.units, strict=True)
            return ", ".join(f"{value:.4g} {unit}".strip() for value, unit in pairs)

        return doubtful_numbers(np.array(labels, np.float64), predicted, described)

    def describe(self, prediction: Any) -> list[dict[str, Any]]:
        """`number` (its name), `value` and `unit` of each."""
        rows = zip(self.names, prediction, self.units, strict=True)
        return [
            {"number": name, "value": round(float(value), 6), "unit": unit}
            for name, value, unit in rows
        ]

    def row(self, prediction: Any, label: Any) -> dict[str, Any]:
        """The numbers and their truths, by name."""
        said, truth = (
            {name: float(one) for name, one in zip(self.names, values, strict=True)}
            for values in (prediction, label)
        )
        return {"label": truth, "prediction": said}

    def mistakes(self, predictions: Sequence[Any], labels: Sequence[Any]) -> list[Mistake] | None:
        """A number is off by more or less, so there is no list."""
        return None

    def draw(self, folder: Path, score: Score) -> None:
        """`numbers.png`: what was said of small to large truths."""
        from kfine.answers.numbers.plots import numbers_png

        titles = [
            f"{name} ({unit})" if unit and unit not in name else name
            for name, unit in zip(self.names, self.units, strict=True)
        ]
        parts = [
            [one for one in score.tables["by_truth"] if one["number"] == name]
            for name in self.names
        ]
        numbers_png(folder / "numbers.png", titles, parts)

    def to_dict(self) -> dict[str, Any]:
        """Columns and units, and what training said of them."""
        return {
            "kind": self.kind,
            "names": list(self.names),
            "units": list(self.units),
            "mean": list(self.mean),
            "scale": list(self.scale),
            "median": list(self.median),
            "spread": list(self.spread),
        }

    @classmethod
    def load(cls, values: Mapping[str, Any]) -> Numbers:
        """Read what `to_dict` gave."""
        names, units = (tuple(map(str, values[key])) for key in ("names", "units"))
        found = {
            key: tuple(map(float, values[key])) for key in ("mean", "scale", "median", "spread")
        }
        if any(len(one) != len(names) for one in (units, *found.values())):
            raise ValueError("its numbers have not as many units, means and scales")
        return cls(names, units, **found)

    def device(self) -> NumbersOnDevice:
        """The numbers in their units."""
        from kfine.answers.numbers.device import NumbersOnDevice

        return NumbersOnDevice(self)


_: type[Answer] = Numbers
