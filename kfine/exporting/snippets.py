"""How an app uses the file: one short program each for Android, iOS, Python and so on.

All are made from the same preprocessing as the graph: those for images do the resize of training,
which no platform's own image scaling does, and those for texts use the tokenizer of the bundle.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from string import Template

from kfine.exporting.medium import Medium

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
    medium: Medium,
    labels: Sequence[str],
    *,
    model: str = "model.tflite",
    output: str = "float32",
) -> dict[str, str]:
    """Programs that classify a photo or a text, or find what stands in it.

    Args:
        medium: Chooses the programs, and fills in what they must know of its examples.
        labels: Class names in their order.
        model: The file's name.
        output: Type of the probabilities, "float32" or "uint8".

    Returns:
        File name -> text: `classify.py`, `Classifier.kt`, `Classifier.swift`, and for images
        `classifier.js`; for what stands inside texts `find_entities.py` and `EntityFinder.*`,
        or `find_answer.py` and `AnswerFinder.*`; empty for a tokenizer that the programs cannot
        run.
    """
    if medium.programs is None:
        return {}
    # JSON's escapes are those of Swift and Kotlin but for the signs that begin a value there.
    quoted = [json.dumps(label, ensure_ascii=False) for label in labels]
    values = {
        "model": model,
        "stem": Path(model).stem,
        "kotlin_labels": ", ".join(label.replace("$", "\\$") for label in quoted),
        "python_labels": repr(list(labels)),
        "swift_labels": ", ".join(quoted),
        **medium.program_values(),
        **_OUTPUT[output],
    }
    made = {}
    for file in sorted((_TEMPLATES / medium.programs).glob("*.txt")):
        text = Template(file.read_text(encoding="utf-8")).substitute(values)
        made[file.name.removesuffix(".txt")] = text
    return made
