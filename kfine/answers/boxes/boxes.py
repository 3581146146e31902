"""What stands where in an image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from kfine.answers import Answer, Targets, Trivial
from kfine.answers.boxes.objects import THRESHOLD, Boxed, Detections, scale_of
from kfine.answers.boxes.score import (
    AREAS,
    best_threshold,
    confusion,
    found_of,
    mean_precision,
    rights,
    table_of,
)
from kfine.answers.score import Score
from kfine.errors import DataError
from kfine.inputs import IN_FLOAT, Mistake
from kfine.inputs.places import ImagePlaces, Places

if TYPE_CHECKING:
    from kfine.answers.boxes.device import BoxesOnDevice

OUTPUT = "objects"
SIDES = ("left", "top", "right", "bottom")
LOCATIONS, CATEGORIES, SCORES, COUNT = "locations", "categories", "scores", "count"


@dataclass(frozen=True)
class Boxes:
    """Objects with their boxes and classes: labels are `Boxed`, predictions `Detections`.

    The model gives `(places, 5 + classes)` numbers, see `kfine.models.detector`.

    Attributes:
        names: Classes.
        size: Height and width of the images in pixels: those of the model's input.
        levels: Rows and columns of each level of places.
        threshold: The confidence, 0 to 1, from which an object counts as found.
    """

    names: tuple[str, ...]
    size: tuple[int, int]
    levels: tuple[tuple[int, int], ...]
    threshold: float = THRESHOLD

    kind: ClassVar[str] = "boxes"
    needs: ClassVar[type[Places] | None] = ImagePlaces
    moves: ClassVar[Mapping[str, str]] = {OUTPUT: "bounding_boxes"}
    primary = "map"
    direction = "max"
    watched = "map"
    called = "classes"
    probes = False

    def unknown(self, label: Any) -> Iterable[str]:
        """Classes of the objects of an image that it does not know."""
        return [name for name in label.present if name not in self.names]

    def encode(self, labels: Sequence[Any], places: Places) -> Targets:
        """Boxes in pixels of the model's images, and numbers of their classes.

        `boxes` float32 `(rows, most, 4)`, left, top, right and bottom; `labels` int32
        `(rows, most)`, -1 behind the last.
        """
        most = max(1, *(len(one.boxes) for one in labels)) if len(labels) else 1
        boxes = np.zeros((len(labels), most, 4), np.float32)
        classes = np.full((len(labels), most), -1, np.int32)
        number = {name: place for place, name in enumerate(self.names)}
        for row, one in enumerate(labels):
            boxes[row, : len(one.boxes)] = one.relative * scale_of(self.size)
            classes[row, : len(one.boxes)] = [number[name] for name in one.classes]
        rows = {"boxes": boxes[places.owner], "labels": classes[places.owner]}
        return Targets({OUTPUT: rows})  # type: ignore[dict-item]

    def target(self, rows: Any) -> Any:
        """float32 `(batch, most, 5)`: each box and the number of its class."""
        import keras

        labels = keras.ops.cast(rows["labels"], "float32")[..., None]
        return keras.ops.concatenate([rows["boxes"], labels], axis=-1)

    def losses(self) -> dict[str, Any]:
        """Boxes, whether there is something, and its class."""
        from kfine.answers.boxes.losses import BoxLoss

        return {OUTPUT: BoxLoss(self.size, self.levels)}

    def metrics(self) -> dict[str, list[Any]]:
        """The primary metric, from histograms."""
        from kfine.answers.boxes.metrics import BoxPrecision

        count = len(self.names)
        return {OUTPUT: [BoxPrecision(count, self.size, self.levels, name=self.watched)]}

    def finish(self, outputs: Mapping[str, Any]) -> dict[str, Any]:
        """The surest of boxes that overlap, and how many there are; see `Suppressed`.

        Locations are left, top, right and bottom as fractions of width and height.
        """
        import keras

        from kfine.answers.boxes.suppression import Suppressed

        given = keras.ops.cast(outputs[OUTPUT], "float32")
        # Boxes and what chooses among them are too coarse in 8 bits.
        found = Suppressed(self.size, self.levels, dtype="float32", name=f"{IN_FLOAT}boxes")(given)
        return dict(zip((LOCATIONS, CATEGORIES, SCORES, COUNT), found, strict=True))

    def decode(self, finished: Mapping[str, np.ndarray], places: Places) -> list[Detections]:
        """What was found in each image, the surest first."""
        sizes = getattr(places, "sizes", None) or [None] * len(places.owner)
        found = []
        for row, size in enumerate(sizes):
            count = int(np.asarray(finished[COUNT]).reshape(-1)[row])
            boxes, classes, scores = (
                np.asarray(finished[name])[row][:count] for name in (LOCATIONS, CATEGORIES, SCORES)
            )
            found.append(Detections(boxes, classes.astype(np.int64), scores, size))
        return found

    def settle(self, prediction: Any) -> Any:
        """What is found for sure, as a label."""
        sure = prediction.above(self.threshold)
        size = prediction.size or self.size
        boxes = sure.boxes * scale_of(size)
        names = tuple(self.names[one] for one in sure.classes)
        return Boxed(tuple(map(tuple, boxes.tolist())), names, size)

    def _detections(self, value: Any) -> Detections:
        """A prediction, or a label that is certain."""
        if isinstance(value, Detections):
            return value
        number = {name: place for place, name in enumerate(self.names)}
        classes = np.array([number[name] for name in value.classes], np.int64)
        return Detections(value.relative, classes, np.ones(len(classes), np.float32), value.size)

    def score(self, predictions: Sequence[Any], labels: Sequence[Any]) -> Score:
        """Average precision as COCO has it, and what is found above the threshold.

        An example is as right as the F1 of its objects at an overlap of 0.5.

        Raises:
            DataError: There are no examples.
        """
        if not len(labels):
            raise DataError("there is nothing to score")
        said = [self._detections(one) for one in predictions]
        every = np.ones(len(labels), np.int64)
        found = found_of(said, labels, self.names)
        least = self.threshold
        each = mean_precision(found, every)
        sure = [one.above(least) for one in said]
        hits = sum(int(one.right[0][one.scores >= least].sum()) for one in found)
        claimed = sum(len(one.boxes) for one in sure)
        there = sum(int(one.there.sum()) for one in found)
        precision, recall = hits / max(1, claimed), hits / max(1, there)
        by_area = {}
        for name, ends in AREAS.items():
            own = found_of(said, labels, self.names, ends)
            count = sum(int(one.there.sum()) for one in own)
            if count:
                by_area[name] = {"map": float(mean_precision(own, every).mean()), "count": count}
        return Score(
            metrics={
                "map": float(each.mean()),
                "map50": float(each[0]),
                "precision": precision,
                "recall": recall,
                "f1": 2 * hits / max(1, claimed + there),
            },
            each=np.array(
                [rights(one, label, self.names) for one, label in zip(sure, labels, strict=True)]
            ),
            tables={
                "per_class": table_of(found, self.names, least),
                "counted_in": "objects",
                "by_area": by_area,
                "threshold": least,
                "confusion_with_background": confusion(sure, labels, self.names),
                "precision_at_recall": [one.curve() for one in found],
            },
            resample=lambda rows: float(
                mean_precision(found, np.bincount(rows, minlength=len(every))).mean()
            ),
        )

    def choose(self, predictions: Sequence[Any], labels: Sequence[Any]) -> dict[str, Any]:
        """The `threshold` with the best F1; nothing where there are too few objects to say."""
        found = found_of([self._detections(one) for one in predictions], labels, self.names)
        chosen = best_threshold(found)
        return {} if chosen is None else {"threshold": chosen}

    def trivial(self, labels: Sequence[Any], examples: Sequence[Any]) -> Trivial:
        """Nothing is found in any image."""
        none = Detections(
            np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, np.float32)
        )
        return Trivial("nothing", lambda examples: [none] * len(examples))

    def probe(self, *arguments: Any) -> tuple[Sequence[Any], dict[str, Any]]:
        """There is no linear model of boxes: the head is trained alone."""
        raise NotImplementedError

    def describe(self, prediction: Any) -> list[dict[str, Any]]:
        """`class`, `probability` and the sides of what is found, the surest first.

        `left`, `top`, `right` and `bottom` are in pixels; fractions where the image's size is not
        known.
        """
        sure = prediction.above(self.threshold)
        scale, digits = (1.0, 6) if sure.size is None else (scale_of(sure.size), 1)
        boxes = np.asarray(sure.boxes * scale, np.float64).round(digits).tolist()
        return [
            {
                "class": self.names[kind],
                "probability": round(float(score), 6),
                **dict(zip(SIDES, box, strict=True)),
            }
            for kind, score, box in zip(sure.classes, sure.scores, boxes, strict=True)
        ]

    def row(self, prediction: Any, label: Any) -> dict[str, Any]:
        """The objects in both, in pixels, and how right the prediction is."""
        known = replace(self._detections(prediction), size=label.size)
        truth = [
            {"class": name, **dict(zip(SIDES, np.round(box, 1).tolist(), strict=True))}
            for name, box in zip(label.classes, label.boxes, strict=True)
        ]
        right = rights(known.above(self.threshold), label, self.names)
        return {"label": truth, "prediction": self.describe(known), "f1": right}

    def mistakes(self, predictions: Sequence[Any], labels: Sequence[Any]) -> list[Mistake] | None:
        """Objects are drawn, there is no list."""
        return None

    def drawn(self, image: NDArray[np.uint8], value: Any) -> NDArray[np.uint8]:
        """An image with the boxes in it, each in the colour of its class.

        Args:
            image: uint8 RGB `(height, width, 3)`.
            value: A prediction or a label.
        """
        from kfine.answers.boxes.overlay import over_image

        shown = self._detections(value).above(self.threshold)
        words = [
            f"{self.names[kind]} {score:.2f}" if isinstance(value, Detections) else ""
            for kind, score in zip(shown.classes, shown.scores, strict=True)
        ]
        return over_image(image, shown.boxes, shown.classes.tolist(), words)

    def legend(self) -> list[tuple[str, tuple[int, int, int]]]:
        """Each class with the colour that `drawn` gives it."""
        from kfine.drawing.colours import legend

        return legend(self.names)

    def write_drawn(self, folder: Path, stem: str, image: NDArray[np.uint8], value: Any) -> None:
        """`STEM.png` with the boxes in the image.

        Args:
            folder: Where to write.
            stem: Of the file's name.
            image: uint8 RGB `(height, width, 3)`.
            value: The prediction.
        """
        from PIL import Image

        Image.fromarray(self.drawn(image, value)).save(folder / f"{stem}.png")

    def written(self, folder: Path, named: Sequence[tuple[Path, Any]]) -> None:
        """`coco.json`: what was found, as COCO has it and annotation tools read it.

        Args:
            folder: Where to write.
            named: Images and what was found in them.
        """
        from kfine.answers.boxes.coco import write_coco

        write_coco(
            folder / "coco.json", self.names, [(p, one.above(self.threshold)) for p, one in named]
        )

    def draw(self, folder: Path, score: Score) -> None:
        """`classes.png`, `precision_recall.png` and `confusion_matrix.png`."""
        from kfine.answers.boxes.plots import curves_png
        from kfine.answers.classes.plots import confusion_matrix_png
        from kfine.drawing.bars import bars_png

        figures = {name: one["map50"] for name, one in score.tables["per_class"].items()}
        bars_png(folder / "classes.png", figures, "average precision at an overlap of 0.5")
        curves = dict(zip(self.names, score.tables["precision_at_recall"], strict=True))
        curves_png(folder / "precision_recall.png", curves)
        matrix = score.tables["confusion_with_background"]
        names = (*self.names, "background")
        confusion_matrix_png(folder / "confusion_matrix.png", matrix, names)

    def to_dict(self) -> dict[str, Any]:
        """Classes, size and levels."""
        return {
            "kind": self.kind,
            "names": list(self.names),
            "size": list(self.size),
            "levels": [list(one) for one in self.levels],
            "threshold": self.threshold,
        }

    @classmethod
    def load(cls, values: Mapping[str, Any]) -> Boxes:
        """Read what `to_dict` gave."""
        height, width = (int(one) for one in values["size"])
        names = tuple(map(str, values["names"]))
        levels = tuple((int(rows), int(columns)) for rows, columns in values["levels"])
        if not names or not levels or min(height, width, *(min(one) for one in levels)) < 1:
            raise ValueError("it has no classes, or its images and levels have no size")
        threshold = float(values.get("threshold", THRESHOLD))
        return cls(names, (height, width), levels, threshold)

    def device(self) -> BoxesOnDevice:
        """Boxes, classes, confidences and how many there are."""
        from kfine.answers.boxes.device import BoxesOnDevice

        return BoxesOnDevice(self)


_: type[Answer] = Boxes
