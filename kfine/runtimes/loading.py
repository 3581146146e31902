"""Exported files of any format, loaded to be run as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kfine.runtimes.exported import Exported
from kfine.runtimes.kinds import find_model, kind_of


def load_exported(
    path: Path | str, *, threads: int | None = None, trusted: bool = False, own: Any = None
) -> Exported:
    """Load what kfine exported, in any format.

    Nothing is handed to an interpreter before identifier, labels and checksum are read, and
    before the content has run once in a process of its own (`require_harmless`): on foreign or
    damaged bytes an interpreter may end the whole process.

    Args:
        path: The file or folder; a bundle's folder stands for its file.
        threads: CPU threads of the runtime, all cores if omitted. A SavedModel runs with
            TensorFlow's own setting, which is one for the whole process.
        trusted: Whether to leave out that first run, in a process that may as well end.
        own: A recipe's module that has inputs or answers of its own, for a file of such a kind;
            without, a file may name only kinds that come with kfine.

    Returns:
        Something that predicts.

    Raises:
        ExportError: If it is missing, damaged, or not exported by kfine.
        MissingPackage: If its runtime is optional and not installed.
    """
    path = find_model(path)
    kind = kind_of(path)
    # The optional runtimes are in modules of their own, which need not be there.
    loaded: type[Exported]
    if kind == "onnx":
        from kfine.runtimes.onnx import OnnxFile as loaded
    elif kind == "litertlm":
        from kfine.runtimes.language import LanguageFile as loaded
    elif kind == "openvino":
        from kfine.runtimes.openvino import OpenVINOFolder as loaded
    elif kind == "saved_model":
        from kfine.runtimes.saved_model import SavedModelFolder as loaded
    else:
        from kfine.runtimes.litert import LiteRTFile as loaded
    return loaded(path, threads, trusted=trusted, own=own)
