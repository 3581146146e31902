"""One class for each example, of several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kfine.answers import Answer, Learned, Targets, Trivial
from kfine.answers.classes.metrics import classification_metrics, unsure
from kfine.answers.confidence import best_temperature, expected_error
from kfine.answers.score import Score
from kfine.errors import DataError
from kfine.inputs import Mistake
from kfine.inputs.places import Places, mean_of_rows

if TYPE_CHECKING:
    from kfine.answers.classes.device import ClassesOnDevice
    from kfine.answers.doubts import Doubt

OUTPUT = "class"
PROBABILITIES = "probabilities"


@dataclass(frozen=True)
class Classes:
    """One class for each example: labels are class names, predictions `(classes,)` probabilities.

    Attributes:
        names: The classes, in the order of the model's outputs.
        label_smoothing: Share of the target that is spread evenly over all classes.
        shares: How often each class occurs in training, where its logits are to be as if all were
            equally frequent; see `AdjustedCrossentropy`.
        temperature: What logits are divided by before they become probabilities.
    """

    names: tuple[str, ...]
    label_smoothing: float = field(default=0.0, compare=False)
    shares: tuple[float, ...] = field(default=(), compare=False)
    temperature: float = 1.0

    kind: ClassVar[str] = "classes"
    needs: ClassVar[type[Places] | None] = None
    moves: ClassVar[Mapping[str, str]] = {}
    primary = "accuracy"
    direction = "max"
    watched = "accuracy"
    called = "labels"
    probes = True
    mixes = True

    def unknown(self, label: Any) -> Iterable[str]:
        """The class, if it is none of these."""
        return () if label in self.names else (str(label),)

    @classmethod
    def of(cls, labels: Sequence[str], *, label_smoothing: float = 0.0) -> Classes:
        """The classes that some labels name, in alphabetical order."""
        return cls(tuple(sorted(set(labels))), label_smoothing)

    def numbers(self, labels: Sequence[Any]) -> np.ndarray:
        """Labels as int64 numbers of their classes.

        Raises:
            DataError: A label is none of the classes.
        """
        known = {name: number for number, name in enumerate(self.names)}
        unknown = sorted({str(one) for one in labels if one not in known})
        if unknown:
            raise DataError(
                f"the model does not know the labels {', '.join(map(repr, unknown[:5]))}: it was "
                f"trained on {', '.join(map(repr, self.names[:20]))}"
            )
        return np.array([known[one] for one in labels], np.int64)

    def held(self, labels: Sequence[Any]) -> np.ndarray:
        """Which class examples have, bool `(examples, classes)`.

        Raises:
            DataError: A label is none of the classes.
        """
        return np.eye(len(self.names), dtype=bool)[self.numbers(labels)]

    def encode(self, labels: Sequence[Any], places: Places) -> Targets:
        """One-hot float32 `(rows, classes)`."""
        return Targets({OUTPUT: self.held(labels).astype(np.float32)[places.owner]})

    def losses(self) -> dict[str, Any]:
        """Cross-entropy of logits, adjusted to the shares of the classes if there are any."""
        import keras

        if self.shares:
            from kfine.answers.classes.losses import AdjustedCrossentropy

            return {OUTPUT: AdjustedCrossentropy(self.shares, self.label_smoothing)}
        loss = keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=self.label_smoothing
        )
        return {OUTPUT: loss}

    def metrics(self) -> dict[str, list[Any]]:
        """Accuracy."""
        import keras

        return {OUTPUT: [keras.metrics.CategoricalAccuracy(name="accuracy")]}

    def finish(self, outputs: Mapping[str, Any]) -> dict[str, Any]:
        """Softmax over the last axis, float32."""
        import keras

        logits = keras.ops.cast(outputs[OUTPUT], "float32")
        if self.temperature != 1:
            logits = logits / self.temperature
        return {PROBABILITIES: keras.ops.softmax(logits, axis=-1)}

    def decode(self, finished: Mapping[str, np.ndarray], places: Places) -> list[np.ndarray]:
        """float32 `(classes,)` for each example."""
        return list(mean_of_rows(np.asarray(finished[PROBABILITIES], np.float32), places))

    def settle(self, prediction: Any) -> str:
        """The most probable class."""
        return self.names[int(np.argmax(prediction))]

    def probabilities(self, predictions: Sequence[Any]) -> np.ndarray:
        """Predictions, or class names that are certain, as `(examples, classes)`."""
        known = {name: number for number, name in enumerate(self.names)}
        certain = np.eye(len(self.names))
        rows = [certain[known[one]] if isinstance(one, str) else one for one in predictions]
        return np.array(rows, np.float64).reshape(len(rows), len(self.names))

    def score(self, predictions: Sequence[Any], labels: Sequence[Any]) -> Score:
        """Accuracy, macro F1, loss, calibration error, and by class.

        See `classification_metrics`, `expected_error` and `unsure`.
        """
        numbers = self.numbers(labels)
        probabilities = self.probabilities(predictions)
        found = classification_metrics(probabilities, numbers, self.names)
        found.pop("count")
        tables = ("accuracy_interval", "per_class", "confusion_matrix", "missing_classes")
        each = (probabilities.argmax(axis=1) == numbers).astype(np.float64)
        found["calibration_error"] = expected_error(probabilities.max(axis=1), each)
        return Score(
            metrics={name: value for name, value in found.items() if name not in tables},
            each=each,
            tables={
                **{name: found[name] for name in tables},
                "unsure": unsure(probabilities, numbers),
            },
        )

    def trivial(self, labels: Sequence[Any], examples: Sequence[Any]) -> Trivial:
        """The most frequent training class.

        Its probabilities are the frequencies of the training labels, with one example added to
        each class (Laplace's rule).
        """
        counted = Counter(labels)
        counts = np.array([counted[name] + 1 for name in self.names], np.float64)
        frequencies = counts / counts.sum()
        top = self.names[int(counts.argmax())]
        return Trivial(
            "majority", lambda examples: [frequencies] * len(examples), {"majority_class": top}
        )

    def probe(
        self,
        train: tuple[np.ndarray, Sequence[Any]],
        validation: tuple[np.ndarray, Sequence[Any]],
        test: np.ndarray,
        seed: int,
    ) -> tuple[Sequence[Any], dict[str, Any]]:
        """Logistic regression; see `linear_probe`."""
        from kfine.answers.classes.probe import linear_probe

        found = linear_probe(
            train[0],
            self.numbers(train[1]),
            validation[0],
            self.numbers(validation[1]),
            classes=len(self.names),
            seed=seed,
        )
        return list(found.probabilities(test)), found.facts

    def linear_model(
        self, train: Learned, validation: Learned, weights: np.ndarray | None, seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Kernel `(features, classes)` and bias `(classes,)` of a logistic regression.

        Args:
            train: Features `(rows, features)` and targets `(rows, classes)`.
            validation: The same, to choose the strength of regularisation by.
            weights: `(rows,)`, how much each row of training counts.
            seed: Of the choice.
        """
        from kfine.answers.classes.probe import linear_probe

        (features, targets), (held, truth) = train, validation
        classes = len(self.names)
        known = targets.argmax(axis=1)
        if len(np.unique(known)) < 2:
            return np.zeros((features.shape[1], classes)), np.zeros(classes)
        found = linear_probe(
            features,
            known,
            held,
            truth.argmax(axis=1),
            classes=classes,
            seed=seed,
            start=True,
            weights=weights,
        )
        return found.kernel, found.bias - np.log(self.shares or 1.0)

    def describe(self, prediction: Any) -> list[dict[str, Any]]:
        """`label` and `probability` of each class, the most probable first."""
        order = np.argsort(-np.asarray(prediction), kind="stable")
        return [
            {"label": self.names[one], "probability": round(float(prediction[one]), 6)}
            for one in order
        ]

    def row(self, prediction: Any, label: Any) -> dict[str, Any]:
        """Label, prediction and its probability, and those of all classes."""
        return {
            "label": label,
            "prediction": self.settle(prediction),
            "probability": round(float(np.max(prediction)), 6),
            "probabilities": [round(float(one), 6) for one in prediction],
        }

    def mistakes(self, predictions: Sequence[Any], labels: Sequence[Any]) -> list[Mistake]:
        """Wrong classes, the most confident first."""
        found = [
            Mistake(index, label, self.settle(one), round(float(np.max(one)), 6))
            for index, (one, label) in enumerate(zip(predictions, labels, strict=True))
            if self.settle(one) != label
        ]
        return sorted(found, key=lambda one: -one.probability)

    def calibrated(self, predictions: Sequence[Any], labels: Sequence[Any]) -> Classes:
        """With the temperature at which validation examples are likeliest, see Guo et al., 2017.

        https://arxiv.org/abs/1706.04599
        """
        found = best_temperature(self.probabilities(predictions), self.numbers(labels))
        return replace(self, temperature=round(self.temperature * found, 3))

    def doubts(self, predictions: Sequence[Any], labels: Sequence[Any]) -> list[Doubt]:
        """As `doubtful_classes`."""
        from kfine.answers.doubts import doubtful_classes

        return doubtful_classes(self.numbers(labels), self.probabilities(predictions), self.names)

    def confused(self, predictions: Sequence[Any], labels: Sequence[Any]) -> list[dict[str, Any]]:
        """As `confused_pairs`."""
        from kfine.answers.doubts import confused_pairs

        return confused_pairs(self.numbers(labels), self.probabilities(predictions), self.names)

    def draw(self, folder: Path, score: Score) -> None:
        """`confusion_matrix.png`."""
        from kfine.answers.classes.plots import confusion_matrix_png

        matrix = score.tables["confusion_matrix"]
        confusion_matrix_png(folder / "confusion_matrix.png", matrix, self.names)

    def to_dict(self) -> dict[str, Any]:
        """The classes, and the temperature if there is one."""
        warm = {"temperature": self.temperature} if self.temperature != 1 else {}
        return {"kind": self.kind, "names": list(self.names), **warm}

    @classmethod
    def load(cls, values: Mapping[str, Any]) -> Classes:
        """Read what `to_dict` gave."""
        warm = float(values.get("temperature", 1.0))
        return cls(tuple(map(str, values["names"])), temperature=warm)

    def device(self) -> ClassesOnDevice:
        """Probabilities in the order of the classes."""
        from kfine.answers.classes.device import ClassesOnDevice

        return ClassesOnDevice(self)


_: type[Answer] = Classes
