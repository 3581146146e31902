"""A tag for each word of a text, which mark its entities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kfine.answers import Answer, Targets, Trivial
from kfine.answers.score import Score
from kfine.answers.tags.bio import tag_names
from kfine.answers.tags.rows import align_labels, check_known_tags
from kfine.answers.tags.score import (
    entity_counts,
    entity_metrics,
    known_entities,
    micro_f1,
    tag_known,
)
from kfine.answers.tags.tagging import Tagging, read_taggings
from kfine.inputs import Mistake
from kfine.inputs.places import PiecePlaces, Places
from kfine.inputs.text.examples import TaggedText

if TYPE_CHECKING:
    from kfine.answers.tags.device import TagsOnDevice

OUTPUT = "tag"
PROBABILITIES = "probabilities"


@dataclass(frozen=True)
class Tags:
    """BIO tags of words: labels are a tag for each word, predictions `Tagging`s.

    Attributes:
        names: `O`, then B and I of each type, in the order of the model's outputs.
        label_smoothing: Share of the target that is spread evenly over all tags.
    """

    names: tuple[str, ...]
    label_smoothing: float = field(default=0.0, compare=False)

    kind: ClassVar[str] = "tags"
    needs: ClassVar[type[Places] | None] = PiecePlaces
    moves: ClassVar[Mapping[str, str]] = {}
    # Target rows with a value for each piece.
    positions = (OUTPUT,)
    primary = "f1"
    direction = "max"
    watched = "accuracy"
    called = "entity types"
    probes = False

    def unknown(self, label: Any) -> Iterable[str]:
        """Entity types that are none of these."""
        return sorted({tag[2:] for tag in set(label) - set(self.names)})

    @classmethod
    def of(cls, labels: Sequence[Sequence[str]], *, label_smoothing: float = 0.0) -> Tags:
        """The tags of the entity types that some labels mark."""
        types = {tag[2:] for one in labels for tag in one if tag != "O"}
        return cls(tag_names(types), label_smoothing)

    def encode(self, labels: Sequence[Any], places: Places) -> Targets:
        """The tag of each piece, int32 `(texts, pieces)`; -1 where there is none."""
        assert isinstance(places, PiecePlaces)
        return Targets({OUTPUT: align_labels(places.pieces, labels, self.names)})

    def losses(self) -> dict[str, Any]:
        """Cross-entropy of the words' first pieces."""
        from kfine.answers.losses import TagLoss

        return {OUTPUT: TagLoss(self.label_smoothing)}

    def metrics(self) -> dict[str, list[Any]]:
        """Accuracy of words."""
        from kfine.answers.losses import TagAccuracy

        return {OUTPUT: [TagAccuracy(name="accuracy")]}

    def finish(self, outputs: Mapping[str, Any]) -> dict[str, Any]:
        """Softmax over the tags, float32."""
        import keras

        logits = keras.ops.cast(outputs[OUTPUT], "float32")
        return {PROBABILITIES: keras.ops.softmax(logits, axis=-1)}

    def decode(self, finished: Mapping[str, np.ndarray], places: Places) -> list[Tagging]:
        """The first piece of a word speaks for it."""
        assert isinstance(places, PiecePlaces)
        return read_taggings(np.asarray(finished[PROBABILITIES]), places, self.names)

    def settle(self, prediction: Any) -> tuple[str, ...]:
        """The tags."""
        return _tags(prediction)

    def score(self, predictions: Sequence[Any], labels: Sequence[Any]) -> Score:
        """Precision, recall and F1 of whole entities; see `entity_metrics`.

        An example is as right as the F1 of its entities, and right altogether without any.
        """
        check_known_tags((tag for one in labels for tag in one), self.names)
        said = [_tags(one) for one in predictions]
        found = entity_metrics(said, labels)
        counts = entity_counts(said, labels)
        tables = {name: found.pop(name) for name in ("token_count", "support", "per_type")}
        types = {tag.partition("-")[2] for tag in self.names} - {""}
        present = {name for name, figures in tables["per_type"].items() if figures["support"]}
        tables["missing_types"] = sorted(types - present)
        found.pop("count")
        both = counts[:, 1] + counts[:, 2]
        each = np.where(both > 0, 2 * counts[:, 0] / np.maximum(both, 1), 1.0)
        return Score(found, each, tables, resample=lambda rows: micro_f1(counts[rows]))

    def trivial(self, labels: Sequence[Any], examples: Sequence[Any]) -> Trivial:
        """Words that were an entity of one type only in training are one again."""
        trained = [
            TaggedText("", None, tuple(one.tokens), tuple(tags))
            for one, tags in zip(examples, labels, strict=True)
        ]
        known = known_entities(trained)
        return Trivial(
            "known_entities", lambda examples: [tag_known(one.tokens, known) for one in examples]
        )

    def probe(self, *arguments: Any) -> tuple[Sequence[Any], dict[str, Any]]:
        """There is no linear model of pieces: the head is trained alone."""
        raise NotImplementedError

    def describe(self, prediction: Any) -> list[dict[str, Any]]:
        """The entities with their places in the text, in characters, and their probability."""
        return prediction.entities() if isinstance(prediction, Tagging) else []

    def row(self, prediction: Any, label: Any) -> dict[str, Any]:
        """The entities that were found."""
        return {"prediction": self.describe(prediction)}

    def mistakes(self, predictions: Sequence[Any], labels: Sequence[Any]) -> list[Mistake] | None:
        """A text has many tags, so there is no list."""
        return None

    def draw(self, folder: Path, score: Score) -> None:
        """There are figures by type, and no picture."""

    def to_dict(self) -> dict[str, Any]:
        """The tags."""
        return {"kind": self.kind, "names": list(self.names)}

    @classmethod
    def load(cls, values: Mapping[str, Any]) -> Tags:
        """Read what `to_dict` gave."""
        return cls(tuple(map(str, values["names"])))

    def device(self) -> TagsOnDevice:
        """Probabilities of the tags of each piece."""
        from kfine.answers.tags.device import TagsOnDevice

        return TagsOnDevice(self)


def _tags(prediction: Any) -> tuple[str, ...]:
    return prediction.tags if isinstance(prediction, Tagging) else tuple(prediction)


_: type[Answer] = Tags
