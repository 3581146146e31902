"""Labels and facts that travel inside an exported file.

A `.tflite` carries them as a zip behind the model, the LiteRT metadata convention
(https://ai.google.dev/edge/litert/conversion/tensorflow/metadata): any unzip program shows
`labels.txt`, and interpreters ignore what follows the model. A SavedModel carries the same
files in `assets.extra/`, the folder that TensorFlow leaves to the user.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kfine.errors import ExportError

LABELS, INFO, CHECKSUM = "labels.txt", "kfine.json", "sha256.txt"
_FIXED_DATE = (1980, 1, 1, 0, 0, 0)


def metadata_files(labels: Sequence[str], info: Mapping[str, Any]) -> dict[str, str]:
    """File name -> text of what an exported model carries.

    `kfine.json` holds the labels again, exactly: a line of `labels.txt` cannot hold a line
    break.
    """
    lines = [" ".join(label.splitlines()) for label in labels]
    document = {"labels": list(labels), "info": dict(info)}
    return {
        LABELS: "".join(f"{line}\n" for line in lines),
        INFO: json.dumps(document, indent=2, ensure_ascii=False) + "\n",
    }


def attach_metadata(path: Path, labels: Sequence[str], info: Mapping[str, Any]) -> None:
    """Append labels, facts and a checksum of the model to a bare `.tflite` file."""
    files = metadata_files(labels, info)
    files[CHECKSUM] = hashlib.sha256(path.read_bytes()).hexdigest() + "\n"
    with zipfile.ZipFile(path, "a") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name, _FIXED_DATE), text.encode())


def read_metadata(path: Path | str) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Read labels and facts back from an exported `.tflite` file or SavedModel folder.

    Args:
        path: The exported file or folder.

    Returns:
        The class names in the order of the probabilities, and the facts given at export.

    Raises:
        ExportError: If it is missing, damaged, or not exported by kfine.
    """
    path = Path(path)
    if not path.exists():
        raise ExportError(f"There is no exported model at {path}.")
    text = _saved_model_info(path) if path.is_dir() else _tflite_info(path)
    try:
        document = json.loads(text)
        return tuple(str(label) for label in document["labels"]), dict(document["info"])
    except (ValueError, KeyError, TypeError) as error:
        raise ExportError(f"{path} is damaged: its {INFO} cannot be read; export again.") from error


def _saved_model_info(path: Path) -> str:
    try:
        if (path / "saved_model.pb").is_file():
            return (path / "assets.extra" / INFO).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        pass
    raise ExportError(
        f"{path} is not a SavedModel that kfine exported (no assets.extra/{INFO}); "
        "give a run folder or a model made by kfine export."
    )


def _tflite_info(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ExportError(f"{path} cannot be read: {error.strerror}.") from error
    if content[4:8] != b"TFL3":
        raise ExportError(f"{path} is not a .tflite model (no TFL3 identifier).")
    try:
        with zipfile.ZipFile(path) as archive:
            model = content[: min(member.header_offset for member in archive.infolist())]
            info = archive.read(INFO).decode()
            checksum = archive.read(CHECKSUM).decode().strip()
    # A damaged zip raises almost anything: BadZipFile, KeyError, NotImplementedError, zlib.error.
    except Exception as error:
        raise ExportError(
            f"{path} carries no readable {INFO}: it is cut off or was not exported by kfine; "
            "give a run folder or a model made by kfine export."
        ) from error
    if hashlib.sha256(model).hexdigest() != checksum:
        raise ExportError(f"{path} is damaged: its checksum does not match; export again.")
    return info
