"""One word or path to a list of labelled examples."""

from __future__ import annotations

from pathlib import Path

from kfine.data.labels import CLASS_LABELS, LabelReader, require_classes
from kfine.data.records import Record, SetAside, Source
from kfine.data.tables import SUFFIXES
from kfine.errors import DataError

__all__ = ["Record", "SetAside", "Source", "read_source"]

_KINDS = "a folder with one folder per class, a .csv or .jsonl file, tfds:NAME, or digits"


def read_source(data: str, labels: LabelReader = CLASS_LABELS) -> Source:
    """List the labelled examples of a source; images are not decoded.

    Args:
        data: `digits` (handwritten digits, offline), `tfds:NAME` or `tfds:NAME/CONFIG`
            (TensorFlow Datasets), a manifest (`.csv`, `.tsv`, `.jsonl`), or a folder of class
            folders. A folder that is itself called digits is `./digits`.
        labels: How labels are read from a manifest; only classes come from elsewhere.

    Raises:
        DataError: There is no such source, or it holds nothing to learn from.
    """
    if hasattr(labels, "read_source"):  # They lie in files of their own, and say where.
        found: Source = labels.read_source(data)
        return found
    if data == "digits":
        require_classes(labels, data)
        from kfine.data.digits import read_digits

        return read_digits()
    if data.startswith("tfds:"):
        require_classes(labels, data)
        from kfine.data.tfds import read_tfds

        return read_tfds(data.removeprefix("tfds:"))

    path = existing_path(data, _KINDS)
    if path.is_dir():
        require_classes(labels, data)
        from kfine.data.folder import read_folder

        return read_folder(path)
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(f"{data} is a file of a kind that lists no images: wanted {_KINDS}")
    from kfine.data.manifest import read_manifest

    return read_manifest(path, labels)


def existing_path(data: str, kinds: str) -> Path:
    """The file or folder that a user names.

    Args:
        data: As written.
        kinds: What would do, for the message.

    Raises:
        DataError: There is none.
    """
    if not data.strip():
        raise DataError(f"no data given: wanted {kinds}")
    path = Path(data).expanduser()
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(f"there is no folder or file {data}: wanted {kinds}") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{data[:200]!r} cannot be read: {reason}") from None
    return path
