"""Several answers of one model: a class and a number, say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kfine.answers import MISSING, Answer, Targets, Trivial, known
from kfine.answers.score import Score
from kfine.errors import DataError
from kfine.inputs import Mistake
from kfine.inputs.places import Places

if TYPE_CHECKING:
    from kfine.answers.several.device import SeveralOnDevice


@dataclass(frozen=True)
class Several:
    """Answers by name: labels and predictions are dicts with the names of the parts.

    A part of a label may be `MISSING`; such examples take no part in the loss and the score of
    that part.

    Attributes:
        parts: Name -> answer. The model has an output for each, called after it.
        first: The part whose primary metric decides.
        weights: Name -> weight of its loss; 1 where it is not named.
    """

    parts: Mapping[str, Answer]
    first: str
    weights: Mapping[str, float] = field(default_factory=dict, compare=False)

    kind: ClassVar[str] = "several"
    probes = False
    called = "labels"

    @property
    def needs(self) -> type[Places] | None:
        """What the first part with needs has."""
        return next((one.needs for one in self.parts.values() if one.needs is not None), None)

    @property
    def moves(self) -> dict[str, str]:
        """Those of all parts."""
        return {
            _joined(name, row, one): key
            for name, one in self.parts.items()
            for row, key in one.moves.items()
        }

    @property
    def decides(self) -> Answer:
        """The part whose primary metric decides."""
        return self.parts[self.first]

    @property
    def primary(self) -> str:
        """That of the first part, with its name."""
        return f"{self.first}_{self.decides.primary}"

    @property
    def direction(self) -> str:
        """That of the first part."""
        return self.decides.direction

    @property
    def watched(self) -> str:
        """That of the first part, as Keras calls it among several outputs."""
        (output,) = self.decides.losses()
        return f"{_joined(self.first, output, self.decides)}_{self.decides.watched}"

    @property
    def watched_direction(self) -> str:
        """That of the first part."""
        return getattr(self.decides, "watched_direction", self.direction)

    @property
    def names(self) -> tuple[str, ...]:
        """Those of all parts, the part in front."""
        return tuple(f"{name} {one}" for name, part in self.parts.items() for one in part.names)

    @property
    def loss_weights(self) -> dict[str, float]:
        """Output -> weight of its loss."""
        return {
            _joined(name, output, one): float(self.weights.get(name, 1.0))
            for name, one in self.parts.items()
            for output in one.losses()
        }

    def unknown(self, label: Any) -> Iterable[str]:
        """Names that the parts do not know."""
        return [
            f"{name} {word}"
            for name, one in self.parts.items()
            if label[name] is not MISSING
            for word in one.unknown(label[name])
        ]

    def encode(self, labels: Sequence[Any], places: Places) -> Targets:
        """The targets of all parts; where a part is missing its row weighs 0.

        Raises:
            DataError: A part is missing everywhere, or contradicts its answer.
        """
        rows: dict[str, np.ndarray] = {}
        weights: dict[str, np.ndarray] = {}
        for name, part in self.parts.items():
            own = [one[name] for one in labels]
            there = np.array(known(own), bool)
            if not there.any():
                raise DataError(f"not one of {len(own)} examples has a {name}")
            # What stands in for a missing label weighs nothing.
            other = own[int(there.argmax())]
            targets = part.encode([other if one is MISSING else one for one in own], places)
            for row, values in targets.rows.items():
                rows[_joined(name, row, part)] = values
                weight = targets.weights.get(row)
                if weight is None and not there.all():
                    weight = np.ones(len(values), np.float32)
                if weight is not None:
                    weights[_joined(name, row, part)] = weight * there[places.owner].astype(
                        np.float32
                    )
        return Targets(rows, weights)

    def losses(self) -> dict[str, Any]:
        """Those of all parts."""
        return {
            _joined(name, output, one): loss
            for name, one in self.parts.items()
            for output, loss in one.losses().items()
        }

    def metrics(self) -> dict[str, list[Any]]:
        """Those of all parts."""
        return {
            _joined(name, output, one): metrics
            for name, one in self.parts.items()
            for output, metrics in one.metrics().items()
        }

    def finish(self, outputs: Mapping[str, Any]) -> dict[str, Any]:
        """What all parts give, see `tensors_of`."""
        finished: dict[str, Any] = {}
        for name, part in self.parts.items():
            own = {output: outputs[_joined(name, output, part)] for output in part.losses()}
            given = part.finish(own)
            finished |= {tensors_of(name, part)[key]: value for key, value in given.items()}
        return finished

    def decode(self, finished: Mapping[str, np.ndarray], places: Places) -> list[dict[str, Any]]:
        """The predictions of all parts, for each example."""
        by_part = [
            part.decode(
                {key: finished[joined] for key, joined in tensors_of(name, part).items()}, places
            )
            for name, part in self.parts.items()
        ]
        return [dict(zip(self.parts, one, strict=True)) for one in zip(*by_part, strict=True)]

    def settle(self, prediction: Any) -> dict[str, Any]:
        """What each part comes down to."""
        return {name: part.settle(prediction[name]) for name, part in self.parts.items()}

    def score(self, predictions: Sequence[Any], labels: Sequence[Any]) -> Score:
        """Figures of all parts, their names in front, each over the examples that have it.

        How right each example is, is what the first part says, of the examples that have that.

        Raises:
            DataError: Not one example has the first part.
        """
        scores = {}
        for name, part in self.parts.items():
            rows = np.flatnonzero(known([one[name] for one in labels])).tolist()
            if len(rows) or name == self.first:
                said, truth = ([one[i][name] for i in rows] for one in (predictions, labels))
                scores[name] = part.score(said, truth)
        first = scores[self.first]
        return replace(
            first,
            metrics={
                f"{name}_{key}": value
                for name, score in scores.items()
                for key, value in score.metrics.items()
            },
            tables={
                f"{name}_{key}": value
                for name, score in scores.items()
                for key, value in score.tables.items()
            },
        )

    def trivial(self, labels: Sequence[Any], examples: Sequence[Any]) -> Trivial:
        """The trivial answers of all parts."""
        found = {}
        for name, part in self.parts.items():
            pairs = zip(labels, examples, strict=True)
            own = [(one[name], given) for one, given in pairs if one[name] is not MISSING]
            found[name] = part.trivial([one for one, _ in own], [given for _, given in own])

        def predict(examples: Sequence[Any]) -> list[dict[str, Any]]:
            said = [one.predict(examples) for one in found.values()]
            return [dict(zip(found, one, strict=True)) for one in zip(*said, strict=True)]

        facts = {
            f"{name}_{key}": value
            for name, one in found.items()
            for key, value in one.facts.items()
        }
        return Trivial("_and_".join(one.name for one in found.values()), predict, facts)

    def probe(self, *arguments: Any) -> tuple[Sequence[Any], dict[str, Any]]:
        """There is no linear model of all: the heads are trained alone."""
        raise NotImplementedError

    def describe(self, prediction: Any) -> list[dict[str, Any]]:
        """The rows of all parts, `answer` their name."""
        return [
            {"answer": name, **row}
            for name, part in self.parts.items()
            for row in part.describe(prediction[name])
        ]

    def row(self, prediction: Any, label: Any) -> dict[str, Any]:
        """The rows of all parts by name; `label` is null where there is none."""
        return {
            name: {
                **part.row(prediction[name], part.settle(prediction[name])),
                "label": None,
            }
            if label[name] is MISSING
            else part.row(prediction[name], label[name])
            for name, part in self.parts.items()
        }

    def mistakes(self, predictions: Sequence[Any], labels: Sequence[Any]) -> list[Mistake] | None:
        """Those of the first part."""
        rows = np.flatnonzero(known([one[self.first] for one in labels])).tolist()
        said, truth = ([one[i][self.first] for i in rows] for one in (predictions, labels))
        found = self.decides.mistakes(said, truth)
        if found is None:
            return None
        return [replace(one, index=rows[one.index]) for one in found]

    def draw(self, folder: Path, score: Score) -> None:
        """What the parts draw, in a folder each."""
        for name, part in self.parts.items():
            tables = _without(f"{name}_", score.tables)
            if tables:
                own = replace(score, metrics=_without(f"{name}_", score.metrics), tables=tables)
                part.draw(folder / name, own)

    def to_dict(self) -> dict[str, Any]:
        """The parts."""
        parts = {name: part.to_dict() for name, part in self.parts.items()}
        return {"kind": self.kind, "first": self.first, "parts": parts}

    @classmethod
    def load(cls, values: Mapping[str, Any]) -> Several:
        """Read what `to_dict` gave, its parts loaded."""
        parts = {str(name): part for name, part in values["parts"].items()}
        if values["first"] not in parts:
            raise ValueError(f"it has no part {values['first']!r}")
        return cls(parts, str(values["first"]))

    def device(self) -> SeveralOnDevice:
        """What all parts give."""
        from kfine.answers.several.device import SeveralOnDevice

        return SeveralOnDevice(self)


def tensors_of(name: str, part: Answer) -> dict[str, str]:
    """What an exported file calls each tensor of a part: the part, if it gives one only."""
    given = [one.name for one in part.device().tensors]
    return {one: name if len(given) == 1 else f"{name}_{one}" for one in given}


def _joined(name: str, row: str, part: Answer) -> str:
    """What an output or target row of a part is called: as the part, if it has one output only."""
    outputs = part.losses()
    return name if len(outputs) == 1 and row in outputs else f"{name}_{row}"


def _without(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)
    }


_: type[Answer] = Several
