"""Random augmentation of whole examples, drawn from explicit seeds."""

from __future__ import annotations

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


def augmentation_layers(strength: str, *, flip: str) -> list[Any]:
    """Keras layers that vary images in 0..255, `(batch, height, width, 3)` float32.

    Args:
        strength: `"none"`, `"light"` (small shifts, zoom, rotation and brightness) or `"strong"`
            (larger ones, colour, contrast and random erasing).
        flip: `"none"`, `"horizontal"` or `"both"`.
    """
    if strength == "none":
        return []
    layers = keras.layers
    # Two layers: Keras' "horizontal_and_vertical" turns an image by 180 degrees or not at all.
    flips = {"horizontal": ["horizontal"], "both": ["horizontal", "vertical"]}
    chosen: list[Any] = [layers.RandomFlip(mode) for mode in flips.get(flip, [])]
    borders = {"fill_mode": "nearest", "data_format": "channels_last"}
    if strength == "light":
        return [
            *chosen,
            layers.RandomTranslation(0.08, 0.08, **borders),
            layers.RandomZoom((-0.15, 0.05), **borders),
            layers.RandomRotation(0.03, **borders),
            layers.RandomBrightness(0.1, value_range=(0, 255)),
        ]
    return [
        *chosen,
        layers.RandomTranslation(0.15, 0.15, **borders),
        layers.RandomZoom((-0.35, 0.1), **borders),
        layers.RandomRotation(0.07, **borders),
        layers.RandomBrightness(0.2, value_range=(0, 255)),
        layers.RandomContrast(0.3, value_range=(0, 255)),
        layers.RandomSaturation(0.4, value_range=(0, 255)),
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
)
Augment = Callable[[Any, Any, Any], tuple[Any, Any]]


def seeded(layers: list[Any], moves: Mapping[str, str] | None = None) -> Augment | None:
    """Make `augment(rows, targets, seed)` of augmentation layers; `None` where there are none.

    Args:
        layers: Keras image preprocessing layers.
        moves: Target row -> what the layers call it ("bounding_boxes", "segmentation_masks"),
            where the targets stand inside the image and move with it.

    Returns:
        A function for `tf.data.Dataset.map` from an image batch, its targets and an int32 `(2,)`
        seed to both.

    Raises:
        ConfigError: Targets stand inside the image, and a layer does not move them along.
    """
    if not layers:
        return None
    moves = moves or {}
    still = [type(one).__name__ for one in layers if type(one).__name__ not in MOVING]
    if moves and still:
        raise ConfigError(
            f"{', '.join(still)} do not move {', '.join(sorted(moves))} along with the image; use "
            "light augmentation, or none."
        )
    generators = []
    for index, layer in enumerate(layers):
        layer.generator = _StepSeed(index)
        generators.append(layer.generator)

    def augment(rows: Any, targets: Any, seed: Any) -> tuple[Any, Any]:
        # Dicts of their own: the layers change what they are given.
        mine = {key: _copied(targets[name]) for name, key in moves.items()}
        batch = {"images": rows, **mine}
        moved = batch if moves else rows
        for layer, generator in zip(layers, generators, strict=True):
            generator.begin(seed)
            moved = layer(moved, training=True)
        if not moves:
            return moved, targets
        # The layers make everything float32, labels of masks too.
        after = {
            name: keras.tree.map_structure(
                lambda new, old: keras.ops.cast(new, old.dtype), moved[key], targets[name]
            )
            for name, key in moves.items()
        }
        return moved["images"], {**targets, **after}

    return augment


def _copied(targets: Any) -> Any:
    return keras.tree.map_structure(lambda one: one, targets)
