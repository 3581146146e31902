"""How an app uses the file: one short program each for Android, iOS, the web and Python.

All are made from the same description of the preprocessing as the graph, and do the resize of
training, which no platform's own image scaling does.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from string import Template

from kfine.models.preprocessing import Preprocessing

_TEMPLATES = Path(__file__).parent / "templates"
# uint8 probabilities have the scale 1/256 and the zero 0.
_OUTPUT = {
    "float32": {
        "read_output": "",
        "kotlin_buffer": "FloatArray",
        "kotlin_read": "it",
        "swift_read": "data.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }",
    },
    "uint8": {
        "read_output": ".astype(np.float32) / 256",
        "kotlin_buffer": "ByteArray",
        "kotlin_read": "(it.toInt() and 0xff) / 256f",
        "swift_read": "data.map { Float($0) / 256 }",
    },
}


def snippets(
    preprocessing: Preprocessing,
    labels: Sequence[str],
    *,
    model: str = "model.tflite",
    output: str = "float32",
) -> dict[str, str]:
    """Programs that classify a photo.

    Args:
        preprocessing: Its size is what photos are resized to.
        labels: Class names in the order of the probabilities.
        model: The file's name.
        output: Type of the probabilities, "float32" or "uint8".

    Returns:
        File name -> text: `classify.py`, `classifier.js`, `Classifier.kt`, `Classifier.swift`.
    """
    height, width = preprocessing.image_size
    # JSON's escapes are those of Swift and Kotlin but for the signs that begin a value there.
    quoted = [json.dumps(label, ensure_ascii=False) for label in labels]
    values = {
        "model": model,
        "stem": Path(model).stem,
        "height": height,
        "width": width,
        "kotlin_labels": ", ".join(label.replace("$", "\\$") for label in quoted),
        "swift_labels": ", ".join(quoted),
        **_OUTPUT[output],
    }
    made = {}
    for file in sorted(_TEMPLATES.glob("*.txt")):
        text = Template(file.read_text(encoding="utf-8")).substitute(values)
        made[file.name.removesuffix(".txt")] = text
    return made
