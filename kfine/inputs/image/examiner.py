"""What can be said of images without a model."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from kfine.data.annotations import upright_size
from kfine.data.examining import Alike
from kfine.data.threads import decoding_threads
from kfine.inputs.image.alike import alike_images
from kfine.inputs.image.changes import CHANGES, unfamiliar

if TYPE_CHECKING:
    from kfine.data.records import Record
    from kfine.data.split import Split

_SHOWN = 160  # pixels
_ROWS = 256  # at a time
_MODEL = 0x0110  # EXIF's tag of the camera's model


class ImageExaminer:
    """Sizes, brightness, contrast, and copies that were resized, cropped or turned."""

    many = "images"
    changes = CHANGES

    def measure(self, split: Split) -> dict[str, np.ndarray]:
        """Of files their size, of all the brightness and the contrast, fractions 0 to 1."""
        with decoding_threads() as pool:
            sizes = list(
                pool.map(lambda one: upright_size(one.path) if one.path else None, split.records)
            )
        heights, widths = np.array([one or (np.nan, np.nan) for one in sizes], np.float64).T
        levels, contrasts = [], []
        for start in range(0, len(split), _ROWS):
            rows = split.inputs[range(start, min(len(split), start + _ROWS))]
            grey = rows.reshape(len(rows), -1).astype(np.float32) / 255
            levels.append(grey.mean(axis=1))
            contrasts.append(grey.std(axis=1))
        return {
            "width in pixels": widths,
            "height in pixels": heights,
            "brightness": np.concatenate(levels).astype(np.float64),
            "contrast": np.concatenate(contrasts).astype(np.float64),
        }

    def origins(self, split: Split) -> tuple[str, list[str]]:
        """The model of the camera of each, as EXIF has it; empty where it does not say."""
        with decoding_threads() as pool:
            return "camera", list(pool.map(_camera, split.records))

    def alike(self, rows: Any) -> tuple[list[Alike], str]:
        """As `alike_images`."""
        return alike_images(rows)

    def unfamiliar(self, example: Any, random: np.random.Generator) -> dict[str, Any]:
        """As `unfamiliar` of the changes."""
        return unfamiliar(example, random)

    def html(self, example: Any, record: Record) -> str:
        """A small JPEG of uint8 RGB `(height, width, 3)`, as wide and high as the file is."""
        from PIL import Image

        height, width = (record.path and upright_size(record.path)) or example.shape[:2]
        scale = _SHOWN / max(height, width)
        image = Image.fromarray(np.ascontiguousarray(example))
        image = image.resize((max(1, round(width * scale)), max(1, round(height * scale))))
        kept = io.BytesIO()
        image.save(kept, "JPEG", quality=80)
        content = base64.b64encode(kept.getvalue()).decode()
        return f'<img src="data:image/jpeg;base64,{content}" alt="">'


def _camera(record: Record) -> str:
    from PIL import Image

    if record.path is None:
        return ""
    try:
        with Image.open(record.path) as image:
            return " ".join(str(image.getexif().get(_MODEL, "")).strip("\0").split())
    except (OSError, ValueError, SyntaxError):  # gone since, or a tag that is torn
        return ""
