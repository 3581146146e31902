"""Labels and facts that travel inside an exported file.

A `.tflite` carries them as a zip behind the model, the LiteRT metadata convention
(https://ai.google.dev/edge/litert/conversion/tensorflow/metadata): any unzip program shows
`labels.txt`, and interpreters ignore what follows the model. The model itself holds the
`ModelMetadata` that names the labels, for MediaPipe and Android Studio. A SavedModel carries the
files in `assets.extra/`, the folder that TensorFlow leaves to the user, an OpenVINO folder beside
the model, and an `.onnx` file as entries of its `metadata_props`.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kfine.errors import ExportError
from kfine.exporting.metadata.embedding import embed_buffer, read_buffer
from kfine.exporting.metadata.model_metadata import BUFFER_NAME
from kfine.runtimes.carried import CHECKSUM, INFO, LABELS

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


def attach_metadata(
    path: Path,
    labels: Sequence[str],
    info: Mapping[str, Any],
    files: Mapping[str, bytes] | None = None,
    *,
    described: bytes | None = None,
    packed: bool = False,
) -> None:
    """Put model metadata into a bare `.tflite`, and labels, facts and a checksum behind it.

    Args:
        path: The file, as the converter wrote it.
        labels: Class names in the order of the probabilities.
        info: JSON-able facts.
        files: What else it carries, name -> content.
        described: A `ModelMetadata`, of `model_metadata`.
        packed: Whether the files are made smaller, for readers that know how.

    Raises:
        ExportError: What was written does not read back.
    """
    model = path.read_bytes()
    if described is not None:
        model = embed_buffer(model, BUFFER_NAME, described)
        if read_buffer(model, BUFFER_NAME) != described:
            raise ExportError(f"The metadata written into {path.name} does not read back.")
        path.write_bytes(model)
    texts = {
        **metadata_files(labels, info),
        CHECKSUM: hashlib.sha256(model).hexdigest() + "\n",
    }
    members = {name: text.encode() for name, text in texts.items()} | dict(files or {})
    # MediaPipe, and other readers in a few lines, take what is stored, and nothing packed.
    how = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "a") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, _FIXED_DATE), content, how)


def write_beside(
    folder: Path,
    labels: Sequence[str],
    info: Mapping[str, Any],
    files: Mapping[str, bytes] | None = None,
) -> None:
    """Write labels, facts and what else is carried into a folder, which is made if missing."""
    texts = {name: text.encode() for name, text in metadata_files(labels, info).items()}
    for name, content in {**texts, **(files or {})}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
