"""A class for each pixel of an image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from kfine.answers import Answer, Targets, Trivial
from kfine.answers.masks.mask import IGNORED, largest_at, resized
from kfine.answers.masks.score import (
    boundary_f1,
    by_class,
    confusion,
    mean_iou,
    share_right,
)
from kfine.answers.score import Score
from kfine.data.threads import decoding_threads
from kfine.errors import DataError
from kfine.inputs import Mistake
from kfine.inputs.places import ImagePlaces, Places, mean_of_rows

if TYPE_CHECKING:
    from kfine.answers.masks.device import MasksOnDevice

OUTPUT = "mask"
CONFIDENCES = "confidences"


@dataclass(frozen=True)
class Masks:
    """The class of each pixel: labels are `Mask` or `Drawn`.

    Predictions are uint8 `(height, width)` numbers of classes, of the image's own size where that
    is known, else of the model's. The model gives logits `(rows, columns, classes)` of any size;
    they are brought to that of the image before losses, scores and files see them.

    Attributes:
        names: Classes.
        size: Height and width of the targets in pixels: those of the model's input.
        shares: Of the pixels of the training masks, by class.
        weights: How much a pixel of each class counts in the loss; all alike if empty.
        dice: Share of the Dice loss, 0 to 1.
    """

    names: tuple[str, ...]
    size: tuple[int, int]
    shares: tuple[float, ...] = ()
    weights: tuple[float, ...] = ()
    dice: float = 0.0

    kind: ClassVar[str] = "masks"
    needs: ClassVar[type[Places] | None] = ImagePlaces
    moves: ClassVar[Mapping[str, str]] = {OUTPUT: "segmentation_masks"}
    primary = "mean_iou"
    direction = "max"
    watched = "mean_iou"
    called = "classes"
    probes = False

    @classmethod
    def of(
        cls,
        labels: Sequence[Any],
        names: Sequence[str],
        size: tuple[int, int],
        *,
        balanced: bool = False,
        dice: float = 0.0,
    ) -> Masks:
        """What training masks say.

        Args:
            labels: Of the training examples.
            names: Classes.
            size: Height and width of the targets in pixels.
            balanced: Whether the pixels of rare classes count more: by the root of how much rarer
                they are, so that a class of a few pixels does not decide all.
            dice: Share of the Dice loss.
        """
        classes = tuple(names)
        counts = np.array([[one.counts.get(name, 0) for name in classes] for one in labels])
        counts = counts.sum(axis=0)
        shares = counts / max(1, counts.sum())
        weights: tuple[float, ...] = ()
        if balanced:
            rarer = 1 / np.sqrt(np.maximum(shares, 1e-4))
            # A pixel counts 1 in the mean.
            weights = tuple((rarer / (rarer * shares).sum()).tolist())
        return cls(classes, size, tuple(shares.tolist()), weights, dice)

    def unknown(self, label: Any) -> Iterable[str]:
        """Classes of a mask that it does not know."""
        return [name for name in label.present if name not in self.names]

    def encode(self, labels: Sequence[Any], places: Places) -> Targets:
        """uint8 `(rows, height, width, 1)` numbers of classes; 255 does not count."""
        rows = np.empty((len(labels), *self.size, 1), np.uint8)

        def fill(number: int) -> None:
            rows[number, :, :, 0] = resized(labels[number].numbers(self.names), self.size)

        with decoding_threads() as pool:
            list(pool.map(fill, range(len(labels))))
        return Targets({OUTPUT: rows[places.owner]})

    def losses(self) -> dict[str, Any]:
        """Cross-entropy of the pixels, and Dice."""
        from kfine.answers.masks.losses import MaskLoss

        return {OUTPUT: MaskLoss(self.weights, self.dice)}

    def metrics(self) -> dict[str, list[Any]]:
        """The primary metric, at the size of the targets."""
        from kfine.answers.masks.losses import MaskIoU

        return {OUTPUT: [MaskIoU(len(self.names), name=self.watched)]}

    def finish(self, outputs: Mapping[str, Any]) -> dict[str, Any]:
        """The confidence in each class, 0 to 1, `(batch, height, width, classes)` float32."""
        import keras

        from kfine.answers.masks.losses import at_size

        return {CONFIDENCES: keras.ops.softmax(at_size(outputs[OUTPUT], self.size), axis=-1)}

    def decode(self, finished: Mapping[str, np.ndarray], places: Places) -> list[NDArray[np.uint8]]:
        """The class with the most confidence, in each pixel."""
        confidences = mean_of_rows(np.asarray(finished[CONFIDENCES]), places)
        sizes = getattr(places, "sizes", None) or [self.size] * len(confidences)
        return [largest_at(one, size) for one, size in zip(confidences, sizes, strict=True)]

    def settle(self, prediction: Any) -> Any:
        """A prediction says one class a pixel already."""
        return prediction

    def score(self, predictions: Sequence[Any], labels: Sequence[Any]) -> Score:
        """Intersection over union at the size of each truth; see `by_class` and `boundary_f1`.

        An example is as right as the mean IoU of the classes that its truth has.

        Raises:
            DataError: There are no examples.
        """
        if not len(labels):
            raise DataError("there is nothing to score")
        count = len(self.names)
        tables = np.zeros((len(labels), count, count), np.int64)
        boundaries = []
        for index, (said, label) in enumerate(zip(predictions, labels, strict=True)):
            truth = self._numbers(label)
            found = resized(self._numbers(said), truth.shape)
            tables[index] = confusion(found, truth, count)
            boundaries.append(boundary_f1(found, truth))
        total = tables.sum(axis=0)
        edges = [one for one in boundaries if not np.isnan(one)]
        return Score(
            metrics={
                "mean_iou": mean_iou(total),
                "pixel_accuracy": float(np.trace(total) / max(1, total.sum())),
                "boundary_f1": float(np.mean(edges)) if edges else 0.0,
            },
            each=share_right(tables),
            tables={"per_class": by_class(total, self.names), "counted_in": "pixels"},
            resample=lambda rows: mean_iou(tables[rows].sum(axis=0)),
        )

    def _numbers(self, mask: Any) -> NDArray[np.uint8]:
        if hasattr(mask, "numbers"):  # a label
            found: NDArray[np.uint8] = mask.numbers(self.names)
            return found
        return np.asarray(mask, np.uint8)

    def trivial(self, labels: Sequence[Any], examples: Sequence[Any]) -> Trivial:
        """The class with the most pixels of training, everywhere."""
        place = int(np.argmax(self.shares))
        everywhere = np.full((1, 1), place, np.uint8)
        return Trivial("most_pixels", lambda examples: [everywhere] * len(examples))

    def probe(self, *arguments: Any) -> tuple[Sequence[Any], dict[str, Any]]:
        """There is no linear model of pixels: the head is trained alone."""
        raise NotImplementedError

    def describe(self, prediction: Any) -> list[dict[str, Any]]:
        """Each `class` that is there and its `share` of the pixels, the largest first."""
        shares = self._shares(prediction)
        found = sorted(shares.items(), key=lambda pair: -pair[1])
        return [{"class": name, "share": round(share, 6)} for name, share in found if share]

    def _shares(self, mask: Any) -> dict[str, float]:
        numbers = self._numbers(mask)
        counts = np.bincount(numbers[numbers != IGNORED], minlength=len(self.names))
        total = max(1, int(counts.sum()))
        return {name: float(n / total) for name, n in zip(self.names, counts, strict=True)}

    def row(self, prediction: Any, label: Any) -> dict[str, Any]:
        """The shares of the classes in both, and how right the prediction is."""
        truth = self._numbers(label)
        table = confusion(resized(self._numbers(prediction), truth.shape), truth, len(self.names))
        return {
            "label": self._shares(truth),
            "prediction": self._shares(prediction),
            "mean_iou": float(share_right(table[None])[0]),
        }

    def mistakes(self, predictions: Sequence[Any], labels: Sequence[Any]) -> list[Mistake] | None:
        """A mask is right in more or fewer pixels, so there is no list."""
        return None

    def drawn(self, image: NDArray[np.uint8], mask: Any) -> NDArray[np.uint8]:
        """An image with the classes over it, each in its colour, uint8 of the image's size.

        Args:
            image: uint8 RGB `(height, width, 3)`.
            mask: A prediction or a label.
        """
        from kfine.answers.masks.overlay import over_image

        return over_image(image, resized(self._numbers(mask), image.shape[:2]))

    def legend(self) -> list[tuple[str, tuple[int, int, int]]]:
        """Each class with the colour that `drawn` gives it."""
        from kfine.drawing.colours import legend

        return legend(self.names)

    def write_drawn(self, folder: Path, stem: str, image: NDArray[np.uint8], mask: Any) -> None:
        """`STEM.png` with the classes over the image, and `STEM.mask.png` with their numbers.

        Args:
            folder: Where to write.
            stem: Of the files' names.
            image: uint8 RGB `(height, width, 3)`.
            mask: The prediction.
        """
        from PIL import Image

        from kfine.answers.masks.overlay import palette

        Image.fromarray(self.drawn(image, mask)).save(folder / f"{stem}.png")
        numbers = Image.fromarray(resized(self._numbers(mask), image.shape[:2]))
        numbers.putpalette(palette().ravel().tolist())
        numbers.save(folder / f"{stem}.mask.png")

    def draw(self, folder: Path, score: Score) -> None:
        """`classes.png`: the IoU of each class."""
        from kfine.drawing.bars import bars_png

        figures = {name: one["iou"] for name, one in score.tables["per_class"].items()}
        bars_png(folder / "classes.png", figures, "intersection over union")

    def to_dict(self) -> dict[str, Any]:
        """Classes and size, and what training said of them."""
        return {
            "kind": self.kind,
            "names": list(self.names),
            "size": list(self.size),
            "shares": list(self.shares),
            "weights": list(self.weights),
            "dice": self.dice,
        }

    @classmethod
    def load(cls, values: Mapping[str, Any]) -> Masks:
        """Read what `to_dict` gave."""
        height, width = (int(one) for one in values["size"])
        names = tuple(map(str, values["names"]))
        shares, weights = (tuple(map(float, values[key])) for key in ("shares", "weights"))
        if len(shares) != len(names) or len(weights) not in (0, len(names)):
            raise ValueError("its classes have not as many shares and weights")
        if not 2 <= len(names) < IGNORED or min(height, width) < 1:
            raise ValueError("its masks have no size, or not 2 to 254 classes")
        return cls(names, (height, width), shares, weights, float(values["dice"]))

    def device(self) -> MasksOnDevice:
        """The confidence in each class, a map each."""
        from kfine.answers.masks.device import MasksOnDevice

        return MasksOnDevice(self)


_: type[Answer] = Masks
