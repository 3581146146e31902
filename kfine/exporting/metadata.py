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
from kfine.exporting.embedding import embed_buffer, read_buffer
from kfine.exporting.kinds import kind_of
from kfine.exporting.medium import medium_class, stated_medium
from kfine.exporting.model_metadata import BUFFER_NAME, classifier_metadata
from kfine.exporting.onnx_metadata import read_properties
from kfine.exporting.outputs import output_of

LABELS, INFO, CHECKSUM = "labels.txt", "kfine.json", "sha256.txt"
_FIXED_DATE = (1980, 1, 1, 0, 0, 0)
# In bytes: the most that a flatbuffer's offsets reach, and far more than any labels take.
_LARGEST_FILE = 2**31
_LARGEST_TEXT = 2**24
# Where a folder carries its files.
_BESIDE = {"saved_model": "assets.extra", "openvino": "."}


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
) -> None:
    """Put model metadata into a bare `.tflite`, and labels, facts and a checksum behind it.

    Args:
        path: The file, as the converter wrote it.
        labels: Class names in the order of the probabilities.
        info: JSON-able facts; the model metadata needs the "preprocessing" among them, and
            takes "name", "description", "version" and "license" from them.
        files: What else it carries, name -> content.

    Raises:
        ExportError: What was written does not read back.
    """
    model = path.read_bytes()
    if "preprocessing" in info:
        name, facts = stated_medium(info)
        medium = medium_class(name)
        described = classifier_metadata(
            name=str(info.get("name", f"{name} classifier")),
            description=str(info.get("description", f"Classifies {medium.subject}.")),
            version=str(info.get("version", "1")),
            license=str(info.get("license", "")),
            describe_input=medium.metadata_tensor(facts),
            labels_file=LABELS,
            output=output_of(facts.get("kind")).metadata(),
        )
        model = embed_buffer(model, BUFFER_NAME, described)
        if read_buffer(model, BUFFER_NAME) != described:
            raise ExportError(f"The metadata written into {path.name} does not read back.")
        path.write_bytes(model)
    texts = {
        **metadata_files(labels, info),
        CHECKSUM: hashlib.sha256(model).hexdigest() + "\n",
    }
    with zipfile.ZipFile(path, "a") as archive:
        # MediaPipe reads what is stored, and nothing that is packed.
        for name, text in texts.items():
            archive.writestr(zipfile.ZipInfo(name, _FIXED_DATE), text.encode())
        for name, content in (files or {}).items():
            member = zipfile.ZipInfo(name, _FIXED_DATE)
            archive.writestr(member, content, zipfile.ZIP_DEFLATED)


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


def read_metadata(path: Path | str) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Read labels and facts back from an exported file or folder of any format.

    Args:
        path: The exported file or folder.

    Returns:
        The class names in the order of the probabilities, and the facts given at export.

    Raises:
        ExportError: If it is missing, damaged, or not exported by kfine.
    """
    path = Path(path)
    kind = kind_of(path)
    if kind == "keras":
        raise ExportError(f"{path} is a run, not an exported model.")
    text = _READERS[kind](path)
    try:
        document = json.loads(text)
        return tuple(str(label) for label in document["labels"]), dict(document["info"])
    except (ValueError, KeyError, TypeError) as error:
        raise ExportError(f"{path} is damaged: its {INFO} cannot be read; export again.") from error


def read_carried(path: Path, name: str) -> bytes:
    """A file that an exported model carries beside labels and facts.

    Raises:
        ValueError: It carries none of that name, or one that is too large or damaged.
    """
    try:
        if kind_of(path) == "tflite":
            with zipfile.ZipFile(path) as archive:
                return _small(archive, name)
        if kind_of(path) == "onnx":
            return read_properties(path)[0][name].encode()
        below = path / _BESIDE[kind_of(path)] / name
        if below.stat().st_size <= _LARGEST_TEXT:
            return below.read_bytes()
    # A damaged zip raises almost anything: BadZipFile, KeyError, NotImplementedError, zlib.error.
    except Exception as error:
        raise ValueError(f"it carries no readable {name}") from error
    raise ValueError(f"its {name} is too large")


def _info_beside(path: Path) -> str:
    try:
        return read_carried(path, INFO).decode()
    except ValueError as error:
        raise ExportError(
            f"{path} is not a model that kfine exported ({error}); "
            "give a run folder or a model made by kfine export."
        ) from error


def _onnx_info(path: Path) -> str:
    properties, checksum = read_properties(path)
    if INFO not in properties or CHECKSUM not in properties:
        raise ExportError(
            f"{path} carries no {INFO}: it is cut off or was not exported by kfine; "
            "give a run folder or a model made by kfine export."
        )
    if checksum != properties[CHECKSUM].strip():
        raise ExportError(f"{path} is damaged: its checksum does not match; export again.")
    return properties[INFO]


def _tflite_info(path: Path) -> str:
    content = _tflite_bytes(path)
    try:
        with zipfile.ZipFile(path) as archive:
            model = content[: min(member.header_offset for member in archive.infolist())]
            info = _small(archive, INFO).decode()
            checksum = _small(archive, CHECKSUM).decode().strip()
    # A damaged zip raises almost anything: BadZipFile, KeyError, NotImplementedError, zlib.error.
    except Exception as error:
        raise ExportError(
            f"{path} carries no readable {INFO}: it is cut off or was not exported by kfine; "
            "give a run folder or a model made by kfine export."
        ) from error
    if hashlib.sha256(model).hexdigest() != checksum:
        raise ExportError(f"{path} is damaged: its checksum does not match; export again.")
    return info


def _tflite_bytes(path: Path) -> bytes:
    try:
        # Opening a named pipe would wait for ever, and a sparse file may be of any size.
        if not path.is_file():
            raise ExportError(f"{path} is no regular file; give a model made by kfine export.")
        with path.open("rb") as file:
            if file.read(8)[4:] != b"TFL3":
                raise ExportError(f"{path} is not a .tflite model (no TFL3 identifier).")
            if path.stat().st_size > _LARGEST_FILE:
                raise ExportError(f"{path} is larger than a .tflite model can be, 2 GB.")
            file.seek(0)
            return file.read()
    except OSError as error:
        raise ExportError(f"{path} cannot be read: {error.strerror}.") from error


def _small(archive: zipfile.ZipFile, name: str) -> bytes:
    # A few bytes can be unpacked to gigabytes; zipfile reads no more than is stated here.
    if archive.getinfo(name).file_size > _LARGEST_TEXT:
        raise ValueError(f"{name} is too large")
    return archive.read(name)


_READERS = {
    "saved_model": _info_beside,
    "tflite": _tflite_info,
    "onnx": _onnx_info,
    "openvino": _info_beside,
}
