"""What happens to photos outside: light, lenses, compression, distance."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from kfine.data.changes import Change
from kfine.data.records import Image

# As in: D. Hendrycks, T. Dietterich, Benchmarking Neural Network Robustness to Common Corruptions
# and Perturbations, 2019, https://arxiv.org/abs/1903.12261.
_GREY = 128.0


def _picture(image: Image) -> Any:
    from PIL import Image as Pillow

    return Pillow.fromarray(np.ascontiguousarray(image))


def _levels(values: np.ndarray) -> Image:
    found: Image = np.clip(values, 0, 255).round().astype(np.uint8)
    return found


def blur(image: Image, share: float, random: np.random.Generator) -> Image:
    """Gaussian, with a deviation in hundredths of the larger side."""
    from PIL import ImageFilter

    radius = share / 100 * max(image.shape[:2])
    return np.asarray(_picture(image).filter(ImageFilter.GaussianBlur(radius)))


def noise(image: Image, deviation: float, random: np.random.Generator) -> Image:
    """Gaussian, of each pixel and colour; the deviation is a fraction of white."""
    return _levels(image + random.normal(0, 255 * deviation, image.shape))


def jpeg(image: Image, quality: float, random: np.random.Generator) -> Image:
    """Stored as JPEG of a quality."""
    from PIL import Image as Pillow

    kept = io.BytesIO()
    _picture(image).save(kept, "JPEG", quality=int(quality))
    return np.asarray(Pillow.open(kept).convert("RGB"))


def exposure(image: Image, stops: float, random: np.random.Generator) -> Image:
    """Light twice as strong for each stop, in linear light."""
    linear = (image / 255.0) ** 2.2 * 2.0**stops
    return _levels(255 * np.clip(linear, 0, 1) ** (1 / 2.2))


def contrast(image: Image, share: float, random: np.random.Generator) -> Image:
    """So much of what is apart from grey."""
    return _levels(_GREY + share * (image - _GREY))


def rotation(image: Image, degrees: float, random: np.random.Generator) -> Image:
    """Turned to one side or the other; corners are filled with the mean colour."""
    from PIL import Image as Pillow

    angle = degrees if random.random() < 0.5 else -degrees
    fill = tuple(int(one) for one in image.reshape(-1, 3).mean(axis=0))
    return np.asarray(_picture(image).rotate(angle, Pillow.Resampling.BILINEAR, fillcolor=fill))


def crop(image: Image, share: float, random: np.random.Generator) -> Image:
    """A part of each side that lies anywhere, as large as the image was."""
    from PIL import Image as Pillow

    height, width = image.shape[:2]
    tall, wide = max(1, round(share * height)), max(1, round(share * width))
    top, left = random.integers(height - tall + 1), random.integers(width - wide + 1)
    part = _picture(image[top : top + tall, left : left + wide])
    return np.asarray(part.resize((width, height), Pillow.Resampling.BILINEAR))


def low_resolution(image: Image, pixels: float, random: np.random.Generator) -> Image:
    """As if the larger side had so many pixels."""
    from PIL import Image as Pillow

    height, width = image.shape[:2]
    scale = min(1.0, pixels / max(height, width))
    small = (max(1, round(width * scale)), max(1, round(height * scale)))
    picture = _picture(image).resize(small, Pillow.Resampling.BOX)
    return np.asarray(picture.resize((width, height), Pillow.Resampling.BILINEAR))


def occlusion(image: Image, share: float, random: np.random.Generator) -> Image:
    """A grey square over so much of the area."""
    height, width = image.shape[:2]
    tall, wide = round(height * share**0.5), round(width * share**0.5)
    top, left = random.integers(height - tall + 1), random.integers(width - wide + 1)
    found = image.copy()
    found[top : top + tall, left : left + wide] = int(_GREY)
    return found


CHANGES: tuple[Change, ...] = (
    Change("blur", (0.5, 1.0, 2.0), "% of the side", blur),
    Change("noise", (0.05, 0.1, 0.2), "of white", noise),
    Change("JPEG", (40, 20, 8), "quality", jpeg),
    Change("dark", (-1.0, -2.0, -3.0), "stops", exposure),
    Change("bright", (0.5, 1.0, 2.0), "stops", exposure),
    Change("low contrast", (0.6, 0.4, 0.2), "of it", contrast),
    Change("turned", (10, 20, 40), "degrees", rotation, moves=True),
    Change("cropped", (0.8, 0.65, 0.5), "of each side", crop, moves=True),
    Change("low resolution", (96, 64, 32), "pixels", low_resolution),
    Change("covered", (0.1, 0.2, 0.4), "of the area", occlusion),
)


def unfamiliar(image: Image, random: np.random.Generator) -> dict[str, Image]:
    """What a camera may show that is none of the classes, as large as an image."""
    return {
        "noise": random.integers(0, 256, image.shape, np.uint8),
        "one colour": np.broadcast_to(random.integers(0, 256, 3, np.uint8), image.shape).copy(),
        "scrambled": _scrambled(image, random),
    }


def _scrambled(image: Image, random: np.random.Generator) -> Image:
    """The pixels of the image in another order: its colours without its shapes."""
    flat = image.reshape(-1, 3)
    found: Image = flat[random.permutation(len(flat))].reshape(image.shape)
    return found
