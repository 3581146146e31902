"""From the bytes of an image file to RGB pixels of the size that a model takes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kfine.data.files import format_of, read_file
from kfine.data.records import Image
from kfine.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

# Pillow knows many more; some of them (EPS) start other programs on the user's file.
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "AVIF")
# Chunks of a PNG that hold text, which Pillow refuses above a size; the pixels need none of it.
_TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt")
# Of a band that is transparency, so many pixels are opaque or not there at all.
_LEAST_EXTREME = 0.9


def decode_image(source: Path | bytes, white: float | None = None) -> Image:
    """Decode an image file to 8-bit RGB, upright.

    The content decides, not the file's ending. EXIF orientation is applied; of an animation
    the first frame counts; what is transparent becomes white; grey becomes three equal
    channels; CMYK is converted without a colour profile (profiles are ignored throughout). The
    fourth band of a TIFF that is neither opaque nor absent almost everywhere, such as near
    infrared, is left out.

    Grey levels of more than 8 bits, and floats, run from 0 to `white`, and are cut there. One value
    holds for a data set, see `kfine.inputs.image.white`. Without it integers run to 65535 and
    floats to 1, 255 or 65535, whichever is the first that holds those of this image.

    Args:
        source: A file, or the content of one: JPEG, PNG, BMP, GIF, WebP, TIFF, or AVIF where
            Pillow reads it.
        white: What counts as white in images of more than 8 bits.

    Returns:
        uint8, `(height, width, 3)`, RGB, the original size in pixels; may be read-only.

    Raises:
        DataError: A short reason without the file's name, such as `empty file`.
    """
    from PIL import Image as pillow
    from PIL import UnidentifiedImageError, features

    content = source if isinstance(source, bytes) else read_file(source)
    if not content:
        raise DataError("empty file")
    found = format_of(content[:16])
    if found == "HEIC":
        raise DataError("HEIC photos cannot be read: save them as JPEG")
    if found == "PNG":
        content = _without_text(content)
    try:
        with pillow.open(io.BytesIO(content), formats=_FORMATS) as image:
            image.load()
            return _to_rgb(_upright(image), white)
    except UnidentifiedImageError:
        if found == "AVIF" and not features.check("avif"):
            raise DataError("AVIF photos need Pillow 11.3 or later: save them as JPEG") from None
        raise DataError(f"truncated or damaged {found}" if found else "not an image") from None
    except pillow.DecompressionBombError:
        limit = 2 * (pillow.MAX_IMAGE_PIXELS or 0) // 10**6
        raise DataError(f"decompression bomb (more than {limit} megapixels)") from None
    # Pillow's readers raise whatever a damaged file makes them stumble over.
    except Exception as error:
        words = "truncated" if "truncated" in str(error) else "truncated or damaged"
        raise DataError(f"{words} {found}" if found else "not an image") from None


def as_image(example: Any) -> Image:
    """An example as uint8 RGB `(height, width, 3)`.

    Raises:
        DataError: It is something else.
    """
    image = np.asarray(example)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise DataError(
            "An image to predict must be uint8 (height, width, 3). "
            f"Received: {image.dtype} {image.shape}."
        )
    return image


def _upright(image: PillowImage) -> PillowImage:
    from PIL import ImageOps

    try:
        ImageOps.exif_transpose(image, in_place=True)
    except Exception:  # A damaged EXIF block is no reason to lose a good photo.
        return image
    return image


def deep_levels(image: PillowImage) -> NDArray[np.float64] | None:
    """The grey levels of an open image of more than 8 bits; `None` for others."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return np.nan_to_num(np.asarray(image).astype(np.float64))
    return None


def _to_rgb(image: PillowImage, white: float | None) -> Image:
    from PIL import Image as pillow

    levels = deep_levels(image)
    if levels is not None:
        if white is None:
            top = levels.max() if image.mode == "F" else 65535
            white = next((one for one in (1, 255) if top <= one), 65535)
        return _gray(levels * (255 / white))
    if image.format == "TIFF" and image.mode == "RGBA" and not _is_transparency(image):
        return np.asarray(image)[:, :, :3].copy()
    if image.has_transparency_data:
        opaque = pillow.new("RGBA", image.size, "white")
        opaque.alpha_composite(image.convert("RGBA"))
        image = opaque
    # Photos are RGB already: converting them, and asking for an array that can be written to,
    # would copy 36 MB twice for one of 12 megapixels.
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _is_transparency(image: PillowImage) -> bool:
    band = np.asarray(image.getchannel("A"))
    return bool(((band == 0) | (band == 255)).mean() >= _LEAST_EXTREME)


def _without_text(content: bytes) -> bytes:
    """A PNG without its texts; as it is where it does not have the form of one."""
    parts, place = [content[:8]], 8
    while place + 8 <= len(content):
        end = place + 12 + int.from_bytes(content[place : place + 4], "big")
        if content[place + 4 : place + 8] not in _TEXT_CHUNKS:
            parts.append(content[place:end])
        place = end
    return b"".join(parts) if len(parts) > 1 else content


def _gray(values: NDArray[np.floating]) -> Image:
    gray = np.rint(values.clip(0, 255)).astype(np.uint8)
    return np.repeat(gray[:, :, None], 3, axis=2)


def resize_image(image: Image, size: tuple[int, int]) -> Image:
    """Resize the whole image with plain bilinear interpolation.

    Half-pixel centres, no antialiasing, the aspect ratio is not kept: before rounding the
    result equals `tf.image.resize(image, size, method="bilinear", antialias=False)`, which is
    what the exported graph does. It follows `compute_interpolation_weights` in TensorFlow's
    `core/kernels/image/resize_bilinear_op.cc`, in float32.

    Args:
        image: uint8, `(height, width, channels)`.
        size: Height and width in pixels.

    Returns:
        uint8, `(*size, channels)`, rounded to the nearest level.
    """
    if image.shape[:2] == size:
        return image.copy()
    channels = image.shape[2]
    top, bottom, down = _neighbours(image.shape[0], size[0])
    left, right, across = _neighbours(image.shape[1], size[1])
    # Columns and channels as one axis: numpy is slow on a last axis of length three.
    flat = image.reshape(image.shape[0], -1)
    left, right = (
        (columns[:, None] * channels + np.arange(channels)).ravel() for columns in (left, right)
    )
    across = np.repeat(across, channels)
    if len(flat) < 2 * len(top):
        # New rows share old ones: less work to bring each old row to the new width once.
        mixed = _mix(flat, left, right, across)
        upper, lower = mixed[top], mixed[bottom]
    else:
        upper = _mix(flat[top], left, right, across)
        lower = _mix(flat[bottom], left, right, across)
    lower -= upper
    lower *= down[:, None]
    upper += lower
    return np.rint(upper, out=upper).astype(np.uint8).reshape(*size, channels)


def _neighbours(
    old: int, new: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """For each new pixel: the two old ones around it, and the share of the second."""
    scale = np.float32(old) / np.float32(new)
    half = np.float32(0.5)
    position = (np.arange(new, dtype=np.float32) + half) * scale - half
    floor = np.floor(position)
    first = np.maximum(floor, 0).astype(np.intp)
    second = np.minimum(np.ceil(position), old - 1).astype(np.intp)
    return first, second, position - floor


def _mix(
    rows: Image, left: NDArray[np.intp], right: NDArray[np.intp], share: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Interpolate within rows."""
    start = rows.take(left, axis=1).astype(np.float32)
    end = rows.take(right, axis=1).astype(np.float32)
    end -= start
    end *= share
    end += start
    return end
