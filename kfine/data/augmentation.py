"""Random augmentation of whole examples, drawn from explicit seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from kfine.errors import ConfigError


class _StepSeed(keras.random.SeedGenerator):
    """Hands a layer seeds that follow from a tensor, instead of from hidden state.

    The seeds of a batch then depend on (seed, epoch, step) alone: the input pipeline may run in
    parallel, and a resumed run draws what the undisturbed one would have drawn.
    """

    def __init__(self, index: int) -> None:
        super().__init__(seed=0)
        self._index = index
        self._drawn = 0
        self._base: Any = None

    def begin(self, base: Any) -> None:
        self._base, self._drawn = base, 0

    def next(self, ordered: bool = True) -> Any:
        self._drawn += 1
        return self._base + np.array([0, 1000 * self._index + self._drawn], np.int32)


# Two layers: Keras' "horizontal_and_vertical" turns an image by 180 degrees or not at all.
_FLIPS = {"none": (), "horizontal": ("horizontal",), "both": ("horizontal", "vertical")}
_EDGES: dict[str, Any] = {"fill_mode": "nearest", "data_format": "channels_last"}


class RandomAffine(keras.layers.Layer):
    """Flips, shifts, zooms and turns images in one interpolation, each in its own way.

    Four layers of Keras do the same in three interpolations, each of which blurs, in more than
    three times the time. What lies outside the image is filled with its nearest pixel.

    Args:
        flip: `"none"`, `"horizontal"` or `"both"`; each with a chance of one half.
        shift: Largest shift, as a fraction of the height and of the width.
        zoom: Lowest and highest change of what is seen, as a fraction: below 0 zooms in.
        turn: Largest rotation to either side, as a fraction of a full turn.
    """

    def __init__(
        self,
        *,
        flip: str = "none",
        shift: float = 0.0,
        zoom: tuple[float, float] = (0.0, 0.0),
        turn: float = 0.0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.flip, self.shift, self.zoom, self.turn = flip, shift, tuple(zoom), turn
        self.generator: Any = keras.random.SeedGenerator(0)

    def call(self, images: Any, training: bool = True) -> Any:
        """Images `(batch, height, width, channels)`, float32, as they are or varied."""
        images = keras.ops.cast(images, "float32")
        if not training:
            return images
        count, height, width = keras.ops.shape(images)[:3]

        def drawn(low: float, high: float) -> Any:
            return keras.random.uniform((count,), low, high, seed=self.generator)

        def sign(mode: str) -> Any:
            chance = 0.5 if mode in _FLIPS[self.flip] else 0.0
            return keras.ops.where(drawn(0, 1) < chance, -1.0, 1.0)

        scale, angle = 1 + drawn(*self.zoom), 2 * math.pi * drawn(-self.turn, self.turn)
        cosine, sine = scale * keras.ops.cos(angle), scale * keras.ops.sin(angle)
        across, down = sign("horizontal"), sign("vertical")
        middle_x = keras.ops.cast(width - 1, "float32") / 2
        middle_y = keras.ops.cast(height - 1, "float32") / 2
        shift_x = keras.ops.cast(width, "float32") * drawn(-self.shift, self.shift)
        shift_y = keras.ops.cast(height, "float32") * drawn(-self.shift, self.shift)
        # From a pixel of the result to its place in the image, about the middle of both.
        xx, xy, yx, yy = across * cosine, -across * sine, down * sine, down * cosine
        to_x = middle_x + shift_x - xx * middle_x - xy * middle_y
        to_y = middle_y + shift_y - yx * middle_x - yy * middle_y
        none = keras.ops.zeros_like(xx)
        transform = keras.ops.stack([xx, xy, to_x, yx, yy, to_y, none, none], axis=1)
        return keras.ops.image.affine_transform(images, transform, "bilinear", **_EDGES)

    def apart(self) -> list[Any]:
        """Layers of Keras that do the same one after the other, to targets in the image too."""
        layers = keras.layers
        return [
            *(layers.RandomFlip(mode) for mode in _FLIPS[self.flip]),
            layers.RandomTranslation(self.shift, self.shift, **_EDGES),
            layers.RandomZoom(self.zoom, **_EDGES),
            layers.RandomRotation(self.turn, **_EDGES),
        ]

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        mine = {"flip": self.flip, "shift": self.shift, "zoom": self.zoom, "turn": self.turn}
        return {**super().get_config(), **mine}


def augmentation_layers(
    strength: str,
    *,
    flip: str,
    mix: str = "none",
    inside: bool = False,
    mosaic: float | None = None,
) -> list[Any]:
    """Keras layers that vary images in 0..255, `(batch, height, width, 3)` float32.

    Args:
        strength: `"none"`, `"light"` (small shifts, zoom, rotation and brightness) or `"strong"`
            (larger ones, colour, contrast and random erasing).
        flip: `"none"`, `"horizontal"` or `"both"`.
        mix: `"none"`, `"mixup"` (each image in a mean with another one of its batch; Zhang et al.,
            2018, https://arxiv.org/abs/1710.09412) or `"cutmix"` (a rectangle of another one in
            it; Yun et al., 2019, https://arxiv.org/abs/1905.04899), their labels in proportion.
        inside: Whether the targets stand inside the image: nothing is erased then.
        mosaic: For boxes: the share of images that are joined from parts of four; scale and place
            vary more then, and nothing is turned.
    """
    layers = _varying(strength, flip)
    if mosaic is not None and layers:
        from kfine.data.mosaic import RandomMosaic

        inside = True
        layers = [RandomMosaic(share=mosaic, flip=flip), *layers[1:]]
    if inside:
        layers = [one for one in layers if not isinstance(one, keras.layers.RandomErasing)]
    if mix == "mixup":
        layers.append(keras.layers.MixUp(alpha=0.2))
    elif mix == "cutmix":
        layers.append(keras.layers.CutMix(factor=1.0))
    return layers


def _varying(strength: str, flip: str) -> list[Any]:
    """Layers that vary each image by itself."""
    if strength == "none":
        return []
    layers = keras.layers
    if strength == "light":
        return [
            RandomAffine(flip=flip, shift=0.08, zoom=(-0.15, 0.05), turn=0.03),
            layers.RandomBrightness(0.1, value_range=(0, 255)),
        ]
    return [
        RandomAffine(flip=flip, shift=0.15, zoom=(-0.35, 0.1), turn=0.07),
        layers.RandomBrightness(0.2, value_range=(0, 255)),
        # 0.5 leaves the colours as they are.
        layers.RandomSaturation((0.3, 0.7), value_range=(0, 255)),
        # After it, since it keeps the range that more colour may leave.
        layers.RandomContrast(0.3, value_range=(0, 255)),
        layers.RandomErasing(factor=0.5, scale=(0.02, 0.15), value_range=(0, 255)),
    ]


def describe_layers(layers: list[Any]) -> list[Any]:
    """Kinds and settings of augmentation layers, ready for JSON."""
    settings = [layer.get_config() for layer in layers]
    return [
        [type(layer).__name__, {key: repr(config[key]) for key in sorted(config) if key != "name"}]
        for layer, config in zip(layers, settings, strict=True)
    ]


# Layers that were seen to move boxes and masks with their pixels; others are for images alone.
MOVING = (
    "RandomFlip",
    "RandomTranslation",
    "RandomZoom",
    "RandomRotation",
    "RandomBrightness",
    "RandomContrast",
    "RandomSaturation",
    "RandomMosaic",
)
# Layers that mix the images of a batch two by two, and their targets with them.
MIXING = ("MixUp", "CutMix")
Augment = Callable[[Any, Any, Any], tuple[Any, Any]]


def mixes(layers: list[Any]) -> bool:
    """Whether some of these layers mix examples with each other."""
    return any(type(one).__name__ in MIXING for one in layers)


def seeded(layers: list[Any], moves: Mapping[str, str] | None = None) -> Augment | None:
    """Make `augment(rows, targets, seed)` of augmentation layers; `None` where there are none.

    Args:
        layers: Keras image preprocessing layers.
        moves: Target row -> what the layers call it ("bounding_boxes", "segmentation_masks"),
            where the targets stand inside the image and move with it: boxes as a dict of `boxes`
            `(batch, most, 4)`, xyxy in pixels, and `labels` `(batch, most)`, -1 of none. The
            targets of one output come by themselves, those of several by name. Layers that mix
            images mix targets of one array `(batch, numbers)` with them.

    Returns:
        A function for `tf.data.Dataset.map` from an image batch, its targets and an int32 `(2,)`
        seed to both.

    Raises:
        ConfigError: Targets stand inside the image, and a layer does not move them along.
    """
    if not layers:
        return None
    moves = moves or {}
    if moves:
        layers = [
            part
            for layer in layers
            for part in (layer.apart() if isinstance(layer, RandomAffine) else [layer])
        ]
    still = [type(one).__name__ for one in layers if type(one).__name__ not in MOVING]
    if moves and still:
        raise ConfigError(
            f"{', '.join(still)} do not move {', '.join(sorted(moves))} along with the image; use "
            "light augmentation, or none."
        )
    generators = []
    for index, layer in enumerate(layers):
        layer.generator = _StepSeed(index)
        if moves:
            layer.bounding_box_format = "xyxy"
        generators.append(layer.generator)

    def augment(rows: Any, targets: Any, seed: Any) -> tuple[Any, Any]:
        by_name = isinstance(targets, dict) and set(moves) <= set(targets)
        named = targets if by_name else dict.fromkeys(moves, targets)
        # Dicts of their own: the layers change what they are given.
        mine = {key: _copied(named[name]) for name, key in moves.items()}
        batch = {"images": rows, **mine}
        moved = batch if moves else rows
        for layer, generator in zip(layers, generators, strict=True):
            generator.begin(seed)
            if mixes([layer]):
                both = layer({"images": moved, "labels": targets}, training=True)
                moved, targets = both["images"], both["labels"]
            else:
                moved = layer(moved, training=True)
        if not moves:
            return moved, targets
        # The layers make everything float32, labels of masks too.
        after = {
            name: keras.tree.map_structure(
                lambda new, old: keras.ops.cast(new, old.dtype), moved[key], named[name]
            )
            for name, key in moves.items()
        }
        if by_name:
            return moved["images"], {**targets, **after}
        (only,) = after.values()
        return moved["images"], only

    return augment


def _copied(targets: Any) -> Any:
    return keras.tree.map_structure(lambda one: one, targets)
