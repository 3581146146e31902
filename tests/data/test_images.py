from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kfine.errors import DataError
from kfine.inputs.image.pixels import decode_image, format_of, resize_image


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


@pytest.fixture
def picture(photo: np.ndarray) -> Image.Image:
    return Image.fromarray(photo[100:160, 200:290])


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF"])
def test_lossless_formats_give_the_exact_pixels(picture: Image.Image, format: str) -> None:
    image = decode_image(encoded(picture, format))
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, np.array(picture))


@pytest.mark.parametrize("format", ["JPEG", "WEBP"])
def test_lossy_formats_give_nearly_the_pixels(picture: Image.Image, format: str) -> None:
    image = decode_image(encoded(picture, format, quality=95)).astype(int)
    assert np.abs(image - np.array(picture)).mean() < 4


def test_the_content_decides_and_not_the_ending(tmp_path: Path, picture: Image.Image) -> None:
    path = tmp_path / "ünï 猫.jpg"
    path.write_bytes(encoded(picture, "PNG"))
    np.testing.assert_array_equal(decode_image(path), np.array(picture))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(picture: Image.Image, orientation: int) -> None:
    upright = np.array(picture)
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright, 1),
        7: np.rot90(upright[:, ::-1], 1),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(Image.fromarray(np.ascontiguousarray(stored)), "PNG", exif=exif)
    if orientation == 7:  # Transverse: transposed about the other diagonal.
        upright = decode_image(content)
        np.testing.assert_array_equal(upright.swapaxes(0, 1)[::-1, ::-1], stored)
    else:
        np.testing.assert_array_equal(decode_image(content), upright)


def test_grey_and_one_bit_become_three_equal_channels(picture: Image.Image) -> None:
    for mode in ("L", "1"):
        gray = picture.convert(mode)
        image = decode_image(encoded(gray, "PNG"))
        for channel in range(3):
            np.testing.assert_array_equal(image[..., channel], np.array(gray.convert("L")))


def test_transparent_pixels_become_white() -> None:
    rgba = Image.new("RGBA", (2, 1), (200, 0, 0, 255))
    rgba.putpixel((1, 0), (200, 0, 0, 0))
    palette = Image.new("P", (2, 1))
    palette.putpalette([200, 0, 0, 0, 255, 0])
    palette.putpixel((1, 0), 1)
    gray = Image.new("LA", (2, 1), (90, 255))
    gray.putpixel((1, 0), (90, 0))
    red_and_white = [[[200, 0, 0], [255, 255, 255]]]
    assert decode_image(encoded(rgba, "PNG")).tolist() == red_and_white
    assert decode_image(encoded(palette, "PNG", transparency=1)).tolist() == red_and_white
    assert decode_image(encoded(palette, "GIF", transparency=1)).tolist() == red_and_white
    assert decode_image(encoded(gray, "PNG")).tolist() == [[[90] * 3, [255] * 3]]


def test_half_transparent_pixels_are_mixed_with_white() -> None:
    image = decode_image(encoded(Image.new("RGBA", (1, 1), (0, 0, 0, 128)), "PNG"))
    assert abs(int(image[0, 0, 0]) - 127) <= 1


def test_cmyk_jpeg_is_converted(picture: Image.Image) -> None:
    image = decode_image(encoded(picture.convert("CMYK"), "JPEG", quality=95)).astype(int)
    assert np.abs(image - np.array(picture)).mean() < 6


def test_sixteen_bit_grey_is_scaled_and_not_clipped() -> None:
    values = np.array([[0, 257 * 100, 65535]], np.uint16)
    for format in ("PNG", "TIFF"):
        image = decode_image(encoded(Image.fromarray(values), format))
        assert image[0, :, 0].tolist() == [0, 100, 255]


def test_float_images_are_scaled_by_their_range() -> None:
    for top in (1.0, 255.0, 65535.0):
        values = np.array([[0, top / 2, top]], np.float32)
        image = decode_image(encoded(Image.fromarray(values), "TIFF"))
        assert image[0, :, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize("format", ["GIF", "WEBP"])
def test_the_first_frame_of_an_animation_counts(format: str) -> None:
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    options = {"save_all": True, "append_images": frames[1:]}
    if format == "WEBP":
        options["lossless"] = True
    image = decode_image(encoded(frames[0], format, **options))
    assert image.shape == (8, 8, 3)
    assert image[4, 4].tolist() == [255, 0, 0]


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "BMP", "WEBP"])
def test_a_truncated_file_is_named_so(picture: Image.Image, format: str) -> None:
    content = encoded(picture, format)
    for length in (len(content) // 2, 30):
        with pytest.raises(DataError, match=f"truncated.* {format}"):
            decode_image(content[:length])


def test_what_is_no_image_is_named_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^empty file$"):
        decode_image(b"")
    for content in (b"hello", b"%!PS-Adobe-3.0 EPSF-3.0", b"BMW is a car maker", bytes(1000)):
        with pytest.raises(DataError, match=r"^not an image$"):
            decode_image(content)
    with pytest.raises(DataError, match=r"HEIC.*save them as JPEG"):
        decode_image(b"\0\0\0\x18ftypheic" + bytes(50))
    with pytest.raises(DataError, match=r"^no such file$"):
        decode_image(tmp_path / "missing.jpg")


def test_links_and_pipes_do_not_hang_or_crash(tmp_path: Path) -> None:
    (tmp_path / "missing").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    os.mkfifo(tmp_path / "pipe")
    for name, reason in (
        ("missing", "link to a missing file"),
        ("loop", "cannot be read"),
        ("pipe", "not a regular file"),
    ):
        with pytest.raises(DataError, match=reason):
            decode_image(tmp_path / name)


def test_a_decompression_bomb_is_refused() -> None:
    content = bytearray(encoded(Image.new("RGB", (1, 1)), "BMP"))
    content[18:26] = (30_000).to_bytes(4, "little") * 2
    with pytest.raises(DataError, match="decompression bomb"):
        decode_image(bytes(content))


def test_formats_are_told_by_their_first_bytes(picture: Image.Image) -> None:
    for format in ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF"):
        assert format_of(encoded(picture, format)[:16]) == format
    assert format_of(b"") is None


@pytest.mark.keras
@pytest.mark.parametrize("size", [(224, 224), (96, 64), (500, 700), (1, 1), (427, 300)])
def test_resize_equals_plain_bilinear_of_tensorflow(
    photo: np.ndarray, size: tuple[int, int]
) -> None:
    import tensorflow as tf

    for image in (photo, photo[:8, :8], photo[:1, :5]):
        wanted = tf.image.resize(image, size, method="bilinear", antialias=False).numpy()
        difference = np.abs(resize_image(image, size).astype(np.float64) - wanted)
        assert difference.max() <= 0.5 + 1e-3


def test_resize_to_the_same_size_changes_nothing(photo: np.ndarray) -> None:
    same = resize_image(photo, (427, 640))
    np.testing.assert_array_equal(same, photo)
    assert same is not photo


def test_a_large_photo_does_not_collapse_from_aliasing(photo: np.ndarray) -> None:
    large = Image.fromarray(photo).resize((4243, 2831), Image.Resampling.LANCZOS)
    from_large = resize_image(decode_image(encoded(large, "JPEG", quality=92)), (224, 224))
    from_small = resize_image(photo, (224, 224))
    assert large.width * large.height > 12_000_000
    assert np.abs(from_large.astype(int) - from_small).mean() < 6
