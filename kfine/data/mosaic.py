"""Random views of images with boxes: of one image, or of four beside each other."""

from __future__ import annotations

from typing import Any

import keras

# What is outside of every image, as YOLOX was trained.
_GREY = 114.0
# Of a box: what has to be seen, as a share of its area, and its shortest side in pixels.
_SEEN, _SHORTEST = 0.3, 2.0


class RandomMosaic(keras.layers.Layer):
    """Flips, scales and shifts images with their boxes, and joins four of a batch into one.

    Few images give many scenes so, and objects at the edge of the picture and in other sizes
    (Bochkovskiy et al., 2020, https://arxiv.org/abs/2004.10934). Each picture is interpolated once.

    Args:
        share: Of images that become a mosaic, 0 to 1.
        flip: `"none"`, `"horizontal"` or `"both"`; each with a chance of one half.
        scale: Smallest and largest factor of the size.
        shift: Largest shift, as a fraction of the height and of the width.
    """

    def __init__(
        self,
        *,
        share: float = 0.5,
        flip: str = "none",
        scale: tuple[float, float] = (0.6, 1.4),
        shift: float = 0.1,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.share, self.flip, self.scale, self.shift = share, flip, scale, shift
        self.generator: Any = keras.random.SeedGenerator(0)

    def call(self, batch: Any, training: bool = True) -> Any:
        """Images and boxes, as they are or varied.

        Args:
            batch: `images` `(batch, height, width, channels)`, float32, and `bounding_boxes`: their
                `boxes` `(batch, most, 4)`, xyxy in pixels, and `labels` `(batch, most)`, -1 of
                none.
            training: Whether to vary them.

        Returns:
            The same; with mosaics twice as many boxes fit.
        """
        if not training:
            return batch
        ops = keras.ops
        images = ops.cast(batch["images"], "float32")
        boxes = ops.cast(batch["bounding_boxes"]["boxes"], "float32")
        labels = ops.cast(batch["bounding_boxes"]["labels"], "float32")
        count, height, width = ops.shape(images)[:3]
        full = ops.stack([ops.cast(width, "float32"), ops.cast(height, "float32")])

        def drawn(low: float, high: float, columns: int = 1) -> Any:
            return keras.random.uniform((count, columns), low, high, seed=self.generator)

        joined = drawn(0, 1) < self.share
        # Where the four meet; of a single image that is its lower right corner.
        middle = ops.where(joined, drawn(0.3, 0.7, 2) * full, full)
        picture: Any = None
        found = []
        for right, below in ((0, 0), (1, 0), (0, 1), (1, 1)) if self.share else ((0, 0),):
            corner = (right, below)
            start = ops.cast(ops.floor(drawn(0, 1)[0, 0] * ops.cast(count, "float32")), "int32")
            taken = ops.arange(count) if corner == (0, 0) else (ops.arange(count) + start) % count
            smallest, largest = self.scale
            size = drawn(smallest, largest)
            size = ops.where(joined, ops.minimum(size, 1.0), size)
            alone = full * (1 - size) / 2 + drawn(-self.shift, self.shift, 2) * full
            sides = ops.convert_to_tensor([[float(right), float(below)]])
            # A part of a mosaic ends, or begins, where the four meet.
            begin = ops.where(joined, middle - (1 - sides) * size * full, alone)
            mirrored = ops.concatenate(
                [
                    drawn(0, 1) < (0.5 if self.flip in ("horizontal", "both") else 0.0),
                    drawn(0, 1) < (0.5 if self.flip == "both" else 0.0),
                ],
                axis=1,
            )
            sign = ops.where(mirrored, -1.0, 1.0)
            edge = ops.where(mirrored, full, 0.0)
            part = _seen_from(ops.take(images, taken, axis=0), begin, size, sign, edge)
            low = ops.where(sides > 0, middle, 0.0) * ops.ones_like(middle)
            high = ops.where(sides > 0, full, middle) * ops.ones_like(middle)
            picture = part if picture is None else ops.where(_within(low, part), part, picture)
            found.append(
                _moved(
                    ops.take(boxes, taken, axis=0),
                    ops.take(labels, taken, axis=0),
                    (begin, size, sign, edge),
                    (low, high),
                )
            )
        every, kinds = (ops.concatenate(one, axis=1) for one in zip(*found, strict=True))
        if self.share:
            every, kinds = _first(every, kinds, 2 * labels.shape[1])
        return {"images": picture, "bounding_boxes": {"boxes": every, "labels": kinds}}

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        mine = {"share": self.share, "flip": self.flip, "scale": self.scale, "shift": self.shift}
        return {**super().get_config(), **mine}


def _seen_from(images: Any, begin: Any, size: Any, sign: Any, edge: Any) -> Any:
    """Images `size` times as large, from `begin` on; grey where there is none."""
    ops = keras.ops
    factor = sign / size
    # From the middle of a pixel of the result to its place in the image.
    start = edge + factor * (0.5 - begin) - 0.5
    none = ops.zeros_like(factor[:, 0])
    transform = ops.stack(
        [factor[:, 0], none, start[:, 0], none, factor[:, 1], start[:, 1], none, none], axis=1
    )
    return ops.image.affine_transform(
        images,
        transform,
        "bilinear",
        fill_mode="constant",
        fill_value=_GREY,
        data_format="channels_last",
    )


def _within(low: Any, image: Any) -> Any:
    """bool `(batch, height, width, 1)`: right of and below a place `(batch, 2)`."""
    ops = keras.ops
    height, width = ops.shape(image)[1:3]
    x = ops.cast(ops.arange(width), "float32")[None, None, :, None]
    y = ops.cast(ops.arange(height), "float32")[None, :, None, None]
    low = ops.floor(low)
    return (x >= low[:, 0, None, None, None]) & (y >= low[:, 1, None, None, None])


def _moved(boxes: Any, labels: Any, view: Any, region: Any) -> tuple[Any, Any]:
    """Boxes as they stand in the result, those that are hardly seen with the label -1."""
    ops = keras.ops
    begin, size, sign, edge = (ops.expand_dims(one, 1) for one in view)
    low, high = (ops.expand_dims(one, 1) for one in region)
    one, other = (
        begin + size * sign * (corner - edge) for corner in (boxes[..., :2], boxes[..., 2:])
    )
    first, last = ops.minimum(one, other), ops.maximum(one, other)
    seen_first, seen_last = ops.maximum(first, low), ops.minimum(last, high)
    sides = ops.maximum(seen_last - seen_first, 0)
    whole = ops.prod(last - first, axis=-1)
    clear = ops.prod(sides, axis=-1) >= _SEEN * whole
    clear = clear & (ops.min(sides, axis=-1) >= _SHORTEST)
    inside = ops.concatenate([seen_first, ops.maximum(seen_last, seen_first)], axis=-1)
    return inside, ops.where(clear, labels, -1.0)


def _first(boxes: Any, labels: Any, most: int) -> tuple[Any, Any]:
    """So many boxes, those that are there before the others."""
    ops = keras.ops
    order = ops.arange(labels.shape[1], dtype="float32")[None] / labels.shape[1]
    there = ops.where(labels >= 0, 1.0, 0.0) - order * 0.5
    _, chosen = ops.top_k(there, min(most, labels.shape[1]))
    return ops.take_along_axis(boxes, chosen[..., None], 1), ops.take_along_axis(labels, chosen, 1)
