"""Which kind of model a path holds, told from its content."""

from __future__ import annotations

from pathlib import Path

from kfine.errors import ExportError

# What bundles call their models.
BUNDLED = ("model.tflite", "model.litertlm")
KINDS = {
    "keras": "a run folder",
    "saved_model": "a SavedModel folder",
    "tflite": "a .tflite file",
    "litertlm": "a .litertlm file",
    "onnx": "an .onnx file",
    "openvino": "an OpenVINO folder",
}
_ENDINGS = {".onnx": "onnx", ".litertlm": "litertlm"}


def find_model(path: Path | str) -> Path:
    """The path itself, or the model of a bundle's folder."""
    path = Path(path)
    return next((path / name for name in BUNDLED if (path / name).is_file()), path)


def kind_of(path: Path | str) -> str:
    """A key of `KINDS`; nothing is loaded.

    Raises:
        ExportError: There is nothing, or nothing that is a model.
    """
    path = Path(path)
    if not path.exists():
        raise ExportError(f"There is no run or exported file {path}.")
    if path.is_dir():
        marks = {"run.json": "keras", "saved_model.pb": "saved_model", "model.xml": "openvino"}
        for name, kind in marks.items():
            if (path / name).is_file():
                return kind
        raise ExportError(f"The folder {path} holds no model: give {_choices()}.")
    return _ENDINGS.get(path.suffix, "tflite")


def _choices() -> str:
    *most, last = KINDS.values()
    return f"{', '.join(most)} or {last}"
