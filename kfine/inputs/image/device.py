"""Images as what goes into an exported file: uint8 RGB."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kfine.errors import DataError, ExportError
from kfine.inputs import InputOnDevice, Shapes, Signature
from kfine.inputs.image.pixels import as_image, resize_image
from kfine.inputs.places import ImagePlaces, Places

if TYPE_CHECKING:
    from kfine.inputs.image.image import Image

NAME = "image"
# Golden photos are kept without loss, and one of 12 megapixels would weigh 20 MB.
_LARGEST_GOLDEN = 1024


@dataclass(frozen=True)
class ImageOnDevice:
    """Images of any size, resized in the graph, or of the one that the model takes.

    Attributes:
        image: Size, scale and offset.
    """

    image: Image

    forms: ClassVar[Mapping[str, str]] = {
        "fixed": "Takes images of the model's size: LiteRT's interpreters and LiteRT.js read it, "
        "and MediaPipe and tflite-support where they have a task with such answers.",
        "any": "Takes images of any size and resizes them in the graph: LiteRT's interpreter reads "
        "it where the caller sets the size, as kfine does; MediaPipe, tflite-support and LiteRT.js "
        "read it wrongly or refuse it.",
    }
    usual_quantize = "float16"

    def stage(self, form: str) -> tuple[Any, Any]:
        """uint8 RGB `(batch, height, width, 3)` to what the backbone takes."""
        import keras

        from kfine.inputs.image.raw_images import RawImages

        resize = form == "any"
        size = (None, None) if resize else self.image.image_size
        raw = keras.Input((*size, 3), dtype="uint8", name=NAME)
        return raw, RawImages(self.image, resize)(raw)

    def tensors(self, example: Any, form: str) -> tuple[dict[str, np.ndarray], Places]:
        """uint8 `(1, height, width, 3)`; for a file of fixed size resized as in training."""
        try:
            image = as_image(example)
        except DataError as error:
            raise ExportError(str(error)) from None
        places = ImagePlaces.of_images([image])
        if form != "any":
            image = resize_image(image, self.image.image_size)
        return {NAME: image[None]}, places

    def sample(self) -> dict[str, np.ndarray]:
        """Noise of the size of training."""
        shape = (1, *self.image.image_size, 3)
        return {NAME: np.random.default_rng(0).integers(0, 256, shape, np.uint8)}

    def check_shapes(self, shapes: Shapes, form: str) -> None:
        """One image, of the size that the description says or of any."""
        (shape,) = shapes.values()
        size = (None, None) if form == "any" else self.image.image_size
        if len(shape) != 4 or shape[1:3] != size:
            raise ValueError(f"its input of the shape {shape} is no image of {size}")

    def misfit(self, format: str, quantize: str, form: str) -> str:
        """An integer file cannot resize."""
        if quantize == "int8-full" and form == "any":
            return (
                "int8-full has no float in it, so it cannot resize: use input fixed, or quantize "
                "int8."
            )
        return ""

    def signatures(self, inference: Any, answer: Any) -> dict[str, Signature]:
        """There are no other ways to hand over an image."""
        return {}

    def tensor_metadata(self, builder: Any, form: str) -> list[int]:
        """RGB with its size; MediaPipe's image libraries read this."""
        from kfine.inputs.image.metadata import image_tensor

        return [image_tensor(builder, None if form == "any" else self.image.image_size)]

    def portable(self, example: Any) -> Any:
        """An image is handed over as it is."""
        return example

    def describe(self, form: str) -> dict[str, Any]:
        """What lies between a photo and the model, and what the model does itself; JSON-able."""
        height, width = self.image.image_size
        return {
            "input": {
                "name": "image",
                "shape": [1, None, None, 3] if form == "any" else [1, height, width, 3],
                "dtype": "uint8",
                "colour": "RGB",
                "orientation": "upright, EXIF applied",
            },
            "resize": {
                "size": {"height": height, "width": width},
                "method": "bilinear",
                "half_pixel_centers": True,
                "antialias": False,
                "keep_aspect_ratio": False,
                "rounding": "nearest, ties to even",
                "where": "in the graph" if form == "any" else "in the app",
            },
            "normalisation": {
                "formula": "image * scale + offset",
                "scale": list(self.image.scale),
                "offset": list(self.image.offset),
                "where": "in the graph",
            },
        }

    def keep(self, example: Any, folder: Path, stem: str) -> tuple[Any, dict[str, Any]]:
        """`STEM.png` is the photo, made smaller where it is large."""
        from PIL import Image

        image = _at_most(example, _LARGEST_GOLDEN)
        Image.fromarray(image).save(folder / f"{stem}.png")
        return image, {"photo": f"{stem}.png"}

    def write_programs(self, folder: Path) -> None:
        """The programs need nothing beside the model."""

    def programs(self, needs: type[Places] | None) -> list[Path]:
        """They resize."""
        return [Path(__file__).parent / "programs"]

    def program_values(self) -> dict[str, Any]:
        """The size in pixels."""
        height, width = self.image.image_size
        given = "The photo has any size and is upright; normalisation is inside."
        return {"each": "a photo", "given": given, "height": height, "width": width}

    def card_use(self, form: str, output: str, programs: str) -> str:
        """What goes in and what comes out."""
        height, width = self.image.image_size
        size = "of any size"
        if form == "fixed":
            size = (
                f"{width} x {height} pixels: the whole photo resized with plain bilinear "
                f"interpolation{', as the snippets do' if programs else ''}"
            )
        snippets = f"`snippets/` has programs for {programs}; " if programs else ""
        return (
            f"In: one upright RGB image, uint8, {size}. Out: {output} The normalisation is in the "
            f"graph: hand over plain pixels. {snippets}`golden/` has images "
            "with which to check a port."
        )


def _at_most(image: np.ndarray, side: int) -> np.ndarray:
    height, width = image.shape[:2]
    factor = side / max(height, width)
    if factor >= 1:
        return image
    return resize_image(image, (max(1, round(height * factor)), max(1, round(width * factor))))


_: type[InputOnDevice] = ImageOnDevice
