"""Images as a model's input: the one preprocessing that training, evaluation and export share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from kfine.data.split import Rows
from kfine.data.store import RowStore
from kfine.errors import ConfigError, PresetError
from kfine.inputs import Encoded, Examples, Input, Mistake, ReadFile, Request
from kfine.inputs.mistakes import draw_mistakes
from kfine.inputs.places import ImagePlaces
from kfine.presets import Preset, converter_config, shipped_names

if TYPE_CHECKING:
    from kfine.data.labelled import Data
    from kfine.inputs.image.device import ImageOnDevice

# In pixels; what a damaged file wants may be absurd.
_LARGEST_SIDE = 8192


@dataclass(frozen=True)
class Image:
    """From raw RGB to what a backbone expects, in operations that LiteRT has built in.

    The whole image is resized with plain bilinear interpolation (half-pixel centres, no
    antialiasing: the antialiased and bicubic kinds need Flex ops on a phone), then
    `image * scale + offset`.

    Attributes:
        image_size: Height and width in pixels.
        scale: One factor, or one per RGB channel.
        offset: One summand, or one per RGB channel.
        white: What counts as white in images of more than 8 bits; `None` where training had none.
    """

    kind: ClassVar[str] = "image"
    each: ClassVar[str] = "an image"
    many: ClassVar[str] = "images"
    places = ImagePlaces

    image_size: tuple[int, int]
    scale: tuple[float, ...] = (1 / 255,)
    offset: tuple[float, ...] = (0.0,)
    white: float | None = None

    @property
    def prepare(self) -> Callable[[Any], Any]:
        """From a batch of stored images to the model's input."""
        return self.normalize

    def encode(self, examples: Any) -> Encoded:
        """Images of any size, uint8 RGB, as `(images, height, width, 3)`; stored rows as they are.

        Raises:
            DataError: One is no image.
        """
        if isinstance(examples, (Rows, RowStore)):
            return Encoded(examples, ImagePlaces.of(len(examples)))
        import numpy as np

        from kfine.inputs.image.pixels import as_image, resize_image

        images = [as_image(one) for one in examples]
        rows = [resize_image(one, self.image_size) for one in images]
        shape = (len(images), *self.image_size, 3)
        places = ImagePlaces.of_images(images)
        return Encoded(np.array(rows, np.uint8).reshape(shape), places)

    def requested(self, request: Request) -> Examples:
        """Image files; a folder stands for all files below it."""
        from kfine.inputs.image.requested import Images

        if request.context is not None:
            raise ConfigError("A context is for a model that answers questions; this one does not.")
        return Images(request.given, self.white)

    def settings(self) -> dict[str, Any]:
        """The size that images are resized to, and their white."""
        size = {"image_size": self.image_size[0]}
        return size if self.white is None else {**size, "white": self.white}

    def sizes(self, examples: Sequence[Any]) -> None:
        """Images are all of one size in the end."""

    def cut(self, examples: Sequence[Any]) -> list[int]:
        """Images are resized whole."""
        return []

    def caption(self, example: Any) -> str:
        """Pixels say nothing in a line."""
        return ""

    def write_mistakes(
        self, folder: Path, examples: Any, mistakes: Sequence[Mistake], names: Sequence[str]
    ) -> str:
        """Draw the worst mistakes in `plots/mistakes.png`."""
        return draw_mistakes(folder, examples, mistakes, names)

    def resize(self, images: Any) -> Any:
        """Resize `(batch, height, width, 3)` images of any dtype to float32 of `image_size`."""
        import tensorflow as tf

        return tf.image.resize(images, self.image_size, method="bilinear", antialias=False)

    def normalize(self, images: Any) -> Any:
        """Map float32 images in 0..255 to the backbone's range; any leading shape."""
        import tensorflow as tf

        scale = tf.constant(self.scale, tf.float32)
        return tf.cast(images, tf.float32) * scale + tf.constant(self.offset, tf.float32)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able description, read back by `load`."""
        return {"kind": self.kind, **asdict(self)}

    def files(self) -> dict[str, bytes]:
        """There are none beside the description."""
        return {}

    @classmethod
    def load(cls, values: Mapping[str, Any], read: ReadFile) -> Image:
        """Read what `to_dict` wrote.

        Raises:
            ValueError: A size is absurd.
        """
        height, width = (int(one) for one in values["image_size"])
        if not all(0 < side <= _LARGEST_SIDE for side in (height, width)):
            raise ValueError(f"it wants images of {height} x {width} pixels")
        white = values.get("white")
        if white is not None and not 0 < float(white) < math.inf:
            raise ValueError(f"its white is {white!r}")
        scale, offset = (_channels(values[name]) for name in ("scale", "offset"))
        return cls((height, width), scale, offset, white)

    def device(self) -> ImageOnDevice:
        """uint8 RGB, of any size or of the model's."""
        from kfine.inputs.image.device import ImageOnDevice

        return ImageOnDevice(self)


def _channels(values: Any) -> tuple[float, ...]:
    found = tuple(float(one) for one in values)
    if len(found) not in (1, 3):
        raise ValueError(f"it has {len(found)} factors for three channels")
    return found


def image_of_preset(preset: Preset, image_size: int, data: Data | None = None) -> Image:
    """The preprocessing of an image preset.

    Args:
        preset: Its scale and offset are taken.
        image_size: Height and width in pixels.
        data: The data set, whose images may have a white of their own.
    """
    config = converter_config(preset)
    if not config and preset.origin in ("network", "cached"):
        import keras_hub

        converter = keras_hub.layers.ImageConverter.from_preset(preset.handle)
        config = {"scale": converter.scale, "offset": converter.offset}
    size = (image_size, image_size)
    scale, offset = _factors(config.get("scale"), 1.0), _factors(config.get("offset"), 0.0)
    return Image(size, scale, offset, data.settings.get("white") if data else None)


def _factors(value: Any, default: float) -> tuple[float, ...]:
    if value is None:
        return (default,)
    return tuple(float(one) for one in (value if isinstance(value, (list, tuple)) else [value]))


def check_image_preset(preset: Preset, image_size: int | None) -> None:
    """Check what a local preset says of itself against an image task.

    Raises:
        PresetError: It is made for another kind of input, or cannot take the image size.
    """
    config = preset.read_json("config.json")
    if preset.plain and len(preset.input_shape or (None,) * 4) != 4:
        raise PresetError(
            f"The preset {preset.name!r} does not take images; use an image preset such as "
            f"{shipped_names()[0]}."
        )
    if not config:
        return
    kind = str(config.get("class_name") or config.get("model_type") or "unknown")
    # Folders in the layout of Hugging Face have no shape; theirs is checked when they load.
    if not _input_shape(config) and "image_size" not in config and "num_channels" not in config:
        raise PresetError(
            f"The preset {preset.name!r} holds a {kind}, which does not take images; "
            f"use an image preset such as {shipped_names()[0]}."
        )
    fixed = fixed_image_size(preset)
    if image_size is not None and fixed not in (None, image_size):
        raise PresetError(
            f"The preset {preset.name!r} takes images of {fixed} pixels only. "
            f"Received: image_size {image_size}"
        )


def fixed_image_size(preset: Preset) -> int | None:
    """The only size in pixels that a local preset takes, if its backbone is built for one."""
    shape = _input_shape(preset.read_json("config.json"))
    return int(shape[0]) if shape and shape[0] else None


def _input_shape(config: dict[str, Any]) -> list[int | None] | None:
    settings = config.get("config", {})
    return settings.get("input_shape") or settings.get("image_shape")


_: type[Input] = Image
