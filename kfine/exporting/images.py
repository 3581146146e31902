"""Images as what goes into an exported file: uint8 RGB."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from kfine.data.images import resize_image
from kfine.errors import ExportError
from kfine.exporting.medium import Medium, Shape, Signature
from kfine.exporting.model_metadata import image_tensor
from kfine.exporting.outputs import CLASSES, Output

# In pixels; what a damaged file wants may be absurd.
_LARGEST_SIDE = 8192
# Golden photos are kept without loss, and one of 12 megapixels would weigh 20 MB.
_LARGEST_GOLDEN = 1024


@dataclass(frozen=True)
class Images(Medium):
    """Images of any size, or of the one that a file takes.

    Attributes:
        trained: Height and width in pixels of the images of training, `None` if not known.
        image_size: Height and width in pixels that a file takes, `None` for any.
        preprocessing: Of the run; a loaded file has none.
    """

    trained: tuple[int, int] | None
    image_size: tuple[int, int] | None = None
    preprocessing: Any = None

    name = "image"
    each = "an image"
    many = "images"
    subject = "photos"
    usual_quantize = "float16"
    usual_input = ("fixed", "any")

    @property
    def recipe(self) -> str:
        return "image_classification"

    @property
    def output(self) -> Output:
        return CLASSES

    @classmethod
    def of(cls, preprocessing: Any) -> Images:
        return cls(preprocessing.image_size, preprocessing=preprocessing)

    @classmethod
    def of_file(
        cls, path: Path, facts: Mapping[str, Any], shape: Shape, read: Callable[[str], bytes]
    ) -> Images:
        if len(shape) != 4 or (shape[1] is None) != (shape[2] is None):
            raise ExportError(f"{path} is damaged: its input is no image.")
        fixed = None if shape[1] is None or shape[2] is None else (shape[1], shape[2])
        try:
            height, width = fixed or facts["image_size"]
            trained = (int(height), int(width))
        except (KeyError, TypeError, ValueError):
            return cls(None)
        if not all(0 < side <= _LARGEST_SIDE for side in trained):
            raise ExportError(
                f"{path} wants images of {trained[0]} x {trained[1]} pixels: it is damaged."
            )
        return cls(trained, fixed)

    def tensor(self, example: Any) -> np.ndarray:
        """uint8 `(1, height, width, 3)`; for a file of fixed size resized as in training."""
        image = np.asarray(example)
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise ExportError(
                "An image to predict must be uint8 (height, width, 3); "
                f"received {image.dtype} {image.shape}."
            )
        if self.image_size and image.shape[:2] != self.image_size:
            image = resize_image(image, self.image_size)
        batch: np.ndarray = image[None]
        return batch

    def sample(self) -> np.ndarray:
        """Noise of the size of training."""
        return np.random.default_rng(0).integers(0, 256, (1, *self._size, 3), np.uint8)

    def settings(self) -> dict[str, Any]:
        return {"image_size": self._size[0]}

    @property
    def _size(self) -> tuple[int, int]:
        if self.trained is None:
            raise ExportError("The file is damaged: it states no image size.")
        return self.trained

    def misfit(self, format: str, quantize: str, input_kind: str) -> str:
        if quantize == "int8-full" and input_kind == "any":
            return (
                "int8-full has no float in it, so it cannot resize: use input fixed, or quantize "
                "int8."
            )
        return ""

    def inference(self, model: Any, input_kind: str = "any") -> Any:
        from kfine.exporting.inference import inference_model

        return inference_model(model, self.preprocessing, input_kind=input_kind)

    def calibration(self, example: Any) -> np.ndarray:
        return resize_image(example, self._size)

    def files(self) -> dict[str, bytes]:
        return {}

    def more_signatures(self, inference: Any) -> dict[str, Signature]:
        return {}

    @staticmethod
    def metadata_tensor(facts: Mapping[str, Any]) -> Callable[[Any], int]:
        height, width = facts["image_size"]
        return partial(image_tensor, image_size=(height, width))

    def describe(self, input_kind: str) -> dict[str, Any]:
        """What lies between a photo and the model, and what the model does itself; JSON-able."""
        height, width = self._size
        return {
            "input": {
                "name": "image",
                "shape": [1, None, None, 3] if input_kind == "any" else [1, height, width, 3],
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
                "where": "in the graph" if input_kind == "any" else "in the app",
            },
            "normalisation": {
                "formula": "image * scale + offset",
                "scale": list(self.preprocessing.scale),
                "offset": list(self.preprocessing.offset),
                "where": "in the graph",
            },
        }

    def write_golden(
        self, folder: Path, stem: str, example: Any
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """`STEM.png` is the photo; the tensor is what the described resize makes of it."""
        from PIL import Image

        image = _at_most(example, _LARGEST_GOLDEN)
        Image.fromarray(image).save(folder / f"{stem}.png")
        return resize_image(image, self._size)[None], {"photo": f"{stem}.png"}

    def write_programs(self, folder: Path) -> None:
        """The programs need nothing beside the model."""

    def program_values(self) -> dict[str, Any]:
        height, width = self._size
        return {"height": height, "width": width}

    def card_use(self, input_kind: str, output: str) -> str:
        height, width = self._size
        size = "of any size"
        if input_kind == "fixed":
            size = (
                f"{width} x {height} pixels: the whole photo resized with plain bilinear "
                "interpolation, as the snippets do"
            )
        return (
            f"In: one upright RGB image, uint8, {size}. Out: {output} The normalisation is in the "
            "graph: hand over plain pixels. `snippets/` has programs for Android, iOS, the web "
            "and Python; `golden/` has images with which to check a port."
        )


def _at_most(image: np.ndarray, side: int) -> np.ndarray:
    height, width = image.shape[:2]
    factor = side / max(height, width)
    if factor >= 1:
        return image
    return resize_image(image, (max(1, round(height * factor)), max(1, round(width * factor))))
