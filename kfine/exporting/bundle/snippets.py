"""How an app uses the file: one short program each for Android, iOS, Python and so on.

All are made from the same preprocessing as the graph: those for images do the resize of training,
which no platform's own image scaling does, and those for texts use the tokenizer of the bundle.
"""

from __future__ import annotations

import json
from pathlib import Path
from string import Template

from kfine.answers import Answer
from kfine.inputs import Input

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
    input: Input, answer: Answer, *, model: str = "model.tflite", output: str = "float32"
) -> dict[str, str]:
    """Programs that predict one example.

    Args:
        input: Fills in what the programs must know of its examples.
        answer: Its labels, and what else they must know.
        model: The file's name.
        output: Type of the outputs, "float32" or "uint8".

    Returns:
        File name -> text, such as `classify.py`, `Classifier.kt` and `Classifier.swift`; empty
        for a pair that has no programs, or a tokenizer that programs cannot run.
    """
    if not has_snippets(input, answer):
        return {}
    taken, given = input.device(), answer.device()
    folder = _folder(input, answer)
    labels = answer.names
    # JSON's escapes are those of Swift and Kotlin but for the signs that begin a value there.
    quoted = [json.dumps(label, ensure_ascii=False) for label in labels]
    values = {
        "model": model,
        "stem": Path(model).stem,
        "kotlin_labels": ", ".join(label.replace("$", "\\$") for label in quoted),
        "python_labels": repr(list(labels)),
        "swift_labels": ", ".join(quoted),
        **taken.program_values(),
        **given.program_values(),
        **_OUTPUT[output],
    }
    made = {}
    for file in sorted(folder.glob("*.txt")):
        text = Template(file.read_text(encoding="utf-8")).substitute(values)
        made[file.name.removesuffix(".txt")] = text
    return made


def has_snippets(input: Input, answer: Answer) -> bool:
    """Whether there are programs for a pair."""
    asked = answer.device().programs is not None and input.device().programs
    return asked and _folder(input, answer).is_dir()


def _folder(input: Input, answer: Answer) -> Path:
    return _TEMPLATES / f"{input.kind}_{answer.device().programs}"
