"""How an app uses the file: one short program each for Android, iOS, the web and Python.

A program is the shell of its language, which loads the file and runs it, with the fragments of an
input (an example to a tensor, as in training) and of an answer (the outputs to what was found).
Fragments are files of sections, each headed `=== name`; the shell names them where they go.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from kfine.answers import Answer
from kfine.inputs import Input

_SHELLS = Path(__file__).parent / "shells"
_HEADING = re.compile(r"^=== (\w+)\n", re.MULTILINE)
# Language -> for what it is, and what its program is called.
_FILES = {
    "kotlin": ("Android", "{name}.kt"),
    "swift": ("iOS", "{name}.swift"),
    "javascript": ("the web", "{program}.js"),
    "python": ("Python", "{program}.py"),
}
# uint8 probabilities have the scale 1/256 and the zero 0; the Python program asks the file.
_VALUES_READ = {
    ("kotlin", "float32"): "FloatArray(buffer.capacity() / 4) { buffer.getFloat() }",
    ("kotlin", "uint8"): "FloatArray(buffer.capacity()) { (buffer.get().toInt() and 0xff) / 256f }",
    ("javascript", "float32"): "Float32Array.from(output.toTypedArray())",
    ("javascript", "uint8"): "Float32Array.from(output.toTypedArray(), (one) => one / 256)",
    ("swift", "float32"): "data.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }",
    ("swift", "uint8"): "data.map { Float($0) / 256 }",
}


def snippets(
    input: Input,
    answer: Answer,
    *,
    model: str = "model.tflite",
    output: str = "float32",
    order: Sequence[str] = (),
) -> dict[str, str]:
    """Programs that predict one example.

    Args:
        input: Gives the fragments that make tensors of its examples, and their values.
        answer: Gives those that read the outputs, its labels, and their values.
        model: The file's name.
        output: Type of the outputs, "float32" or "uint8".
        order: Names of the outputs in the order of the file, where it has several.

    Returns:
        File name -> text, such as `classify.py`, `Classifier.kt` and `Classifier.swift`; empty
        for a part that has no fragments, such as a tokenizer that programs cannot run.
    """
    taken, given = input.device(), answer.device()
    labels = {one.name: list(one.labels) for one in given.tensors}
    values = {
        "model": model,
        "stem": Path(model).stem,
        "labels": list(answer.names),
        "outputs": [(name, labels[name]) for name in order or labels],
        **taken.program_values(),
        **given.program_values(),
    }
    made = {}
    for language in _languages(input, answer):
        said = {name: _said(value, language) for name, value in values.items()}
        said["values_read"] = _VALUES_READ.get((language, output), "")
        (shell,) = _fragments([_SHELLS], language)
        program, usual = Template(shell.pop("program")), Template(shell.pop("read", ""))
        sections: dict[str, list[str]] = {name: [one] for name, one in shell.items()}
        # A fragment may name sections of those before it.
        for folders in (taken.programs(answer.needs), given.programs):
            for fragment in _fragments(folders, language):
                for name, text in fragment.items():
                    sections.setdefault(name, []).append(Template(text).substitute(said))
                said |= {name: _joined(name, parts) for name, parts in sections.items()}
            said.setdefault("read", usual.safe_substitute(said))
        made[_FILES[language][1].format_map(said)] = _laid_out(program, said, language)
    return made


def platforms(input: Input, answer: Answer) -> str:
    """For what a pair has programs, in words such as "Android and iOS"; empty if for nothing."""
    found = [_FILES[language][0] for language in _languages(input, answer)]
    return " and ".join(filter(None, (", ".join(found[:-1]), *found[-1:])))


def _languages(input: Input, answer: Answer) -> list[str]:
    """Those in which both parts have fragments."""
    sides = input.device().programs(answer.needs), answer.device().programs
    return [one for one in _FILES if all(_fragments(folders, one) for folders in sides)]


def _fragments(folders: Sequence[Path], language: str) -> list[dict[str, str]]:
    """Section -> text, of each folder that has a file for a language."""
    found = []
    for folder in folders:
        file = folder / f"{language}.txt"
        if file.is_file():
            _, *parts = _HEADING.split(file.read_text(encoding="utf-8"))
            found.append(
                {name: text.strip("\n") for name, text in zip(parts[::2], parts[1::2], strict=True)}
            )
    return found


def _joined(name: str, parts: Sequence[str]) -> str:
    if not name.endswith("imports"):
        # Functions are apart; `_laid_out` knows by how much. Assets are named in a sentence.
        return {"prepare": "\n\n\n", "assets": " "}.get(name, "\n").join(parts)
    lines = {line for part in parts for line in part.splitlines()}
    return "\n".join(sorted(lines, key=lambda line: (line.startswith("from"), line.lower())))


def _laid_out(shell: Template, sections: Mapping[str, str], language: str) -> str:
    """A shell with its sections; a line that only names one that nobody has goes."""
    absent = {name: "" for name in shell.get_identifiers() if name not in sections}
    alone = re.compile(rf"^\$({'|'.join(absent)})\n" if absent else r"(?!)", re.MULTILINE)
    text = Template(alone.sub("", shell.template)).substitute({**absent, **sections})
    # Two empty lines part functions in Python, one elsewhere, and none is left in a bracket.
    most = "\n" * (3 if language == "python" else 2)
    text = re.sub(most + r"\n+", most, text)
    return re.sub(r"\n\n( *\})", r"\n\1", text.strip("\n")) + "\n"


def _said(value: Any, language: str) -> str:
    """A value as a program has it: text as it is, fit for a comment; all else as a literal."""
    if isinstance(value, str):
        # What would end a comment, or a line of it.
        return " ".join(re.sub(r'\*/|"""|\\', " ", value).split())
    return _literal(value, language)


def _literal(value: Any, language: str) -> str:
    if language == "python":
        return repr(value)
    if isinstance(value, str):
        # JSON's escapes are those of Swift and Kotlin but for the sign that begins a value there.
        text = json.dumps(value, ensure_ascii=False)
        return text.replace("$", "\\$") if language == "kotlin" else text
    if not isinstance(value, (list, tuple)):
        return json.dumps(value)
    parts = [_literal(one, language) for one in value]
    if isinstance(value, tuple):
        form = {"kotlin": "{}", "swift": "({})"}.get(language, "[{}]")
        return form.format((" to " if language == "kotlin" else ", ").join(parts))
    return f"listOf({', '.join(parts)})" if language == "kotlin" else f"[{', '.join(parts)}]"
