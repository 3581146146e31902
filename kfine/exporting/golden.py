"""Golden inputs and outputs: real images with which a port to another language is checked."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kfine.data.images import resize_image
from kfine.models.preprocessing import Preprocessing

GOLDEN_IMAGES = 4
# Photos are kept without loss, and one of 12 megapixels would weigh 20 MB.
_LARGEST_SIDE = 1024
# What other kernels may differ by at the least: float16 arithmetic of GPUs, one 8-bit level.
_LEAST_TOLERANCE = 0.01


@dataclass(frozen=True)
class GoldenPhoto:
    """One held-out example.

    Attributes:
        image: uint8 RGB `(height, width, 3)` of any size, upright.
        label: Its true class, a name.
    """

    image: np.ndarray
    label: str


def preprocessing_description(
    preprocessing: Preprocessing, *, input_kind: str, output: str
) -> dict[str, Any]:
    """What lies between a photo and the model, and what the model does itself; JSON-able."""
    height, width = preprocessing.image_size
    resize = {
        "size": {"height": height, "width": width},
        "method": "bilinear",
        "half_pixel_centers": True,
        "antialias": False,
        "keep_aspect_ratio": False,
        "rounding": "nearest, ties to even",
        "where": "in the graph" if input_kind == "any" else "in the app",
    }
    return {
        "input": {
            "name": "image",
            "shape": [1, None, None, 3] if input_kind == "any" else [1, height, width, 3],
            "dtype": "uint8",
            "colour": "RGB",
            "orientation": "upright, EXIF applied",
        },
        "resize": resize,
        "normalisation": {
            "formula": "image * scale + offset",
            "scale": list(preprocessing.scale),
            "offset": list(preprocessing.offset),
            "where": "in the graph",
        },
        "output": {
            "name": "probabilities",
            "dtype": output,
            **({"scale": 1 / 256, "zero": 0} if output == "uint8" else {}),
        },
    }


def write_golden(
    folder: Path,
    model: Path,
    photos: Sequence[GoldenPhoto],
    class_names: Sequence[str],
    description: dict[str, Any],
    preprocessing: Preprocessing,
) -> None:
    """Write photos, their exact input tensors, and what the file answers to them.

    `NAME.png` is the photo, `NAME.npy` and `NAME.bin` the tensor of the model's size that the
    described resize makes of it; `golden.json` holds the probabilities and by how much another
    runtime may differ: twice the difference between LiteRT's fast and its plain kernels here,
    0.01 at the least.

    Args:
        folder: Made here.
        model: The `.tflite`.
        photos: Held-out examples.
        class_names: In the order of the probabilities.
        description: From `preprocessing_description`.
        preprocessing: The size that photos are resized to.
    """
    from PIL import Image

    folder.mkdir()
    tensors: list[np.ndarray] = []
    examples: list[dict[str, Any]] = []
    for number, photo in enumerate(photos, start=1):
        stem = f"{number:02d}"
        image = _at_most(photo.image, _LARGEST_SIDE)
        tensor = resize_image(image, preprocessing.image_size)[None]
        Image.fromarray(image).save(folder / f"{stem}.png")
        np.save(folder / f"{stem}.npy", tensor)
        (folder / f"{stem}.bin").write_bytes(tensor.tobytes())
        tensors.append(tensor)
        examples.append({"photo": f"{stem}.png", "tensor": f"{stem}.npy", "bytes": f"{stem}.bin"})
    fast, plain = answers(model, tensors), answers(model, tensors, plain=True)
    for example, row, photo in zip(examples, fast, photos, strict=True):
        example["label"] = photo.label
        example["top"] = class_names[int(row.argmax())]
        example["probabilities"] = {
            name: round(float(value), 6) for name, value in zip(class_names, row, strict=True)
        }
    tolerance = max(_LEAST_TOLERANCE, 2 * float(np.abs(fast - plain).max()))
    document = {
        "model": model.name,
        "preprocessing": description,
        "tensor": {"shape": list(tensors[0].shape), "dtype": "uint8"},
        "tolerance": round(tolerance, 4),
        "examples": examples,
    }
    text = json.dumps(document, indent=1, ensure_ascii=False)
    (folder / "golden.json").write_text(text + "\n", encoding="utf-8")


def answers(model: Path, tensors: Sequence[np.ndarray], *, plain: bool = False) -> np.ndarray:
    """Probabilities float32 `(tensors, classes)` of a file in LiteRT.

    Args:
        model: The `.tflite`.
        tensors: uint8 `(1, height, width, 3)`, all of one size.
        plain: Leave out XNNPACK, LiteRT's fast kernels.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    kind = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES if plain else OpResolverType.AUTO
    interpreter = Interpreter(
        model_path=str(model), num_threads=os.cpu_count(), experimental_op_resolver_type=kind
    )
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    interpreter.resize_tensor_input(source["index"], tensors[0].shape)
    interpreter.allocate_tensors()
    rows = []
    for tensor in tensors:
        interpreter.set_tensor(source["index"], tensor)
        interpreter.invoke()
        rows.append(interpreter.get_tensor(target["index"])[0].astype(np.float32))
    scale, zero = target["quantization"]
    values = np.stack(rows)
    return (values - zero) * scale if scale else values


def _at_most(image: np.ndarray, side: int) -> np.ndarray:
    height, width = image.shape[:2]
    factor = side / max(height, width)
    if factor >= 1:
        return image
    return resize_image(image, (max(1, round(height * factor)), max(1, round(width * factor))))
