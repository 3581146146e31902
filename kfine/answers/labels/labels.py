"""Any number of labels for each example, of several."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kfine.answers import Answer, Learned, Targets, Trivial
from kfine.answers.labels.score import jaccard, label_metrics, macro_f1
from kfine.answers.score import Score
from kfine.errors import DataError
from kfine.inputs import Mistake
from kfine.inputs.places import Places, mean_of_rows

if TYPE_CHECKING:
    from kfine.answers.doubts import Doubt
    from kfine.answers.labels.device import LabelsOnDevice

OUTPUT = "label"
PROBABILITIES = "probabilities"
# A label is given from here on.
THRESHOLD = 0.5
# A linear model of each label; of more the head alone is quicker.
_MOST_PROBED = 30


@dataclass(frozen=True)
class Labels:
    """The labels that apply to an example: tuples of names, predictions `(labels,)` probabilities.

    Each probability stands alone, so that they do not sum to 1; a label is given from 0.5 on.

    Attributes:
        names: All labels, in the order of the model's outputs.
        label_smoothing: How far targets are moved from 0 and 1 towards 0.5, as a fraction.
    """

    names: tuple[str, ...]
    label_smoothing: float = field(default=0.0, compare=False)

    kind: ClassVar[str] = "labels"
    needs: ClassVar[type[Places] | None] = None
    moves: ClassVar[Mapping[str, str]] = {}
    primary = "macro_f1"
    direction = "max"
    watched = "average_precision"
    called = "labels"
    mixes = True

    @property
    def probes(self) -> bool:
        """Linear models are quick while the labels are few."""
        return len(self.names) <= _MOST_PROBED

    def unknown(self, label: Any) -> Iterable[str]:
        """The labels that are none of these."""
        return sorted(set(label) - set(self.names))

    @classmethod
    def of(cls, labels: Sequence[Sequence[str]], *, label_smoothing: float = 0.0) -> Labels:
        """All labels that some examples have, in alphabetical order."""
        return cls(tuple(sorted({name for one in labels for name in one})), label_smoothing)

    def held(self, labels: Sequence[Any]) -> np.ndarray:
        """Which labels examples have, bool `(examples, labels)`.

        Raises:
            DataError: A label is none of these.
        """
        known = {name: number for number, name in enumerate(self.names)}
        found = np.zeros((len(labels), len(known)), bool)
        for row, one in enumerate(labels):
            for name in one:
                if name not in known:
                    raise DataError(
                        f"the model does not know the label {name!r}: it was trained on "
                        f"{', '.join(map(repr, self.names[:20]))}"
                    )
                found[row, known[name]] = True
        return found

    def encode(self, labels: Sequence[Any], places: Places) -> Targets:
        """1 for the labels of an example and 0 for all others, float32 `(rows, labels)`."""
        return Targets({OUTPUT: self.held(labels).astype(np.float32)[places.owner]})

    def losses(self) -> dict[str, Any]:
        """Binary cross-entropy of logits, the mean over the labels."""
        import keras

        loss = keras.losses.BinaryCrossentropy(
            from_logits=True, label_smoothing=self.label_smoothing
        )
        return {OUTPUT: loss}

    def metrics(self) -> dict[str, list[Any]]:
        """Area under precision over recall, the mean over the labels: it needs no threshold."""
        import keras

        area = keras.metrics.AUC(
            curve="PR",
            multi_label=True,
            num_labels=len(self.names),
            from_logits=True,
            name=self.watched,
        )
        return {OUTPUT: [area]}

    def finish(self, outputs: Mapping[str, Any]) -> dict[str, Any]:
        """The sigmoid of each output, float32."""
        import keras

        logits = keras.ops.cast(outputs[OUTPUT], "float32")
        return {PROBABILITIES: keras.ops.sigmoid(logits)}

    def decode(self, finished: Mapping[str, np.ndarray], places: Places) -> list[np.ndarray]:
        """float32 `(labels,)` for each example."""
        return list(mean_of_rows(np.asarray(finished[PROBABILITIES], np.float32), places))

    def settle(self, prediction: Any) -> tuple[str, ...]:
        """The labels with a probability of 0.5 or more."""
        pairs = zip(self.names, prediction, strict=True)
        return tuple(sorted(name for name, one in pairs if one >= THRESHOLD))

    def probabilities(self, predictions: Sequence[Any]) -> np.ndarray:
        """Predictions, or tuples of names that are certain, as `(examples, labels)`."""
        rows = [
            self.held([one])[0] if isinstance(one, tuple) else np.asarray(one)
            for one in predictions
        ]
        return np.array(rows, np.float64).reshape(len(rows), len(self.names))

    def score(self, predictions: Sequence[Any], labels: Sequence[Any]) -> Score:
        """Macro and micro F1, exact matches, average precision; see `label_metrics`.

        An example is as right as the labels in common are many of those in either (Jaccard).

        Raises:
            DataError: There are no examples, or a label is unknown.
        """
        if not len(labels):
            raise DataError("there is nothing to score")
        truth, probabilities = self.held(labels), self.probabilities(predictions)
        found = label_metrics(probabilities, truth, self.names, np.full(len(self.names), THRESHOLD))
        tables = {name: found.pop(name) for name in ("per_class", "missing_labels")}
        given = probabilities >= THRESHOLD
        return Score(
            metrics=found,
            each=jaccard(given, truth),
            tables=tables,
            resample=lambda rows: macro_f1(given[rows], truth[rows]),
        )

    def doubts(self, predictions: Sequence[Any], labels: Sequence[Any]) -> list[Doubt]:
        """As `doubtful_sets`."""
        from kfine.answers.doubts import doubtful_sets

        return doubtful_sets(self.held(labels), self.probabilities(predictions), self.names)

    def trivial(self, labels: Sequence[Any], examples: Sequence[Any]) -> Trivial:
        """How often each label occurs in training, as its probability for every example."""
        shares = (self.held(labels).sum(axis=0) + 1) / (len(labels) + 2)
        return Trivial("frequencies", lambda examples: [shares] * len(examples))

    def probe(
        self,
        train: tuple[np.ndarray, Sequence[Any]],
        validation: tuple[np.ndarray, Sequence[Any]],
        test: np.ndarray,
        seed: int,
    ) -> tuple[Sequence[Any], dict[str, Any]]:
        """A logistic regression for each label; see `linear_probe`."""
        from kfine.answers.classes.probe import linear_probe

        trained, held_out = self.held(train[1]), self.held(validation[1])
        found = np.empty((len(test), len(self.names)))
        strengths = {}
        for index, name in enumerate(self.names):
            truth = trained[:, index].astype(np.int64)
            if truth.min() == truth.max():
                found[:, index] = truth[0]
                continue
            probe = linear_probe(
                train[0],
                truth,
                validation[0],
                held_out[:, index].astype(np.int64),
                classes=2,
                seed=seed,
            )
            found[:, index] = probe.probabilities(test)[:, 1]
            strengths[name] = probe.facts["C"]
        return list(found), {"C": strengths}

    def linear_model(
        self, train: Learned, validation: Learned, weights: np.ndarray | None, seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Kernel `(features, labels)` and bias `(labels,)`, a logistic regression for each label.

        One that all or no examples have keeps the odds of Laplace's rule.
        """
        from kfine.answers.classes.probe import linear_probe

        (features, targets), (held, truth) = train, validation
        kernel = np.zeros((features.shape[1], len(self.names)))
        shares = (targets.sum(axis=0) + 1) / (len(targets) + 2)
        bias = np.log(shares / (1 - shares))
        for index in np.flatnonzero(targets.min(axis=0) != targets.max(axis=0)):
            found = linear_probe(
                features,
                targets[:, index].astype(np.int64),
                held,
                truth[:, index].astype(np.int64),
                classes=2,
                seed=seed,
                start=True,
                weights=weights,
            )
            kernel[:, index] = found.kernel[:, 1] - found.kernel[:, 0]
            bias[index] = found.bias[1] - found.bias[0]
        return kernel, bias

    def describe(self, prediction: Any) -> list[dict[str, Any]]:
        """`label`, `probability` and whether it is `given`, the most probable first."""
        order = np.argsort(-np.asarray(prediction), kind="stable")
        return [
            {
                "label": self.names[one],
                "probability": round(float(prediction[one]), 6),
                "given": bool(prediction[one] >= THRESHOLD),
            }
            for one in order
        ]

    def row(self, prediction: Any, label: Any) -> dict[str, Any]:
        """Labels, those predicted, and the probabilities of all."""
        return {
            "label": list(label),
            "prediction": list(self.settle(prediction)),
            "probabilities": [round(float(one), 6) for one in prediction],
        }

    def mistakes(self, predictions: Sequence[Any], labels: Sequence[Any]) -> list[Mistake]:
        """Examples with a label too many or too few, the most confident first."""
        truth = self.held(labels)
        found = []
        for index, one in enumerate(predictions):
            settled = self.settle(one)
            if settled == tuple(sorted(labels[index])):
                continue
            against = np.where(truth[index], 1 - np.asarray(one), one)
            said = ", ".join(settled) or "none"
            truly = ", ".join(labels[index]) or "none"
            found.append(Mistake(index, truly, said, round(float(against.max()), 6)))
        return sorted(found, key=lambda one: -one.probability)

    def draw(self, folder: Path, score: Score) -> None:
        """There are figures by label, and no picture."""

    def to_dict(self) -> dict[str, Any]:
        """The labels."""
        return {"kind": self.kind, "names": list(self.names)}

    @classmethod
    def load(cls, values: Mapping[str, Any]) -> Labels:
        """Read what `to_dict` gave."""
        return cls(tuple(map(str, values["names"])))

    def device(self) -> LabelsOnDevice:
        """Probabilities in the order of the labels."""
        from kfine.answers.labels.device import LabelsOnDevice

        return LabelsOnDevice(self)


_: type[Answer] = Labels
