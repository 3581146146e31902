"""Classification data sets of TensorFlow Datasets."""

from __future__ import annotations

import functools
import os
import tempfile
import threading
from collections.abc import Callable
from typing import IO, Any

from kfine.data.records import Record, SetAside, Source, split_named
from kfine.errors import DataError, MissingPackage

# How the only or the first image of an example is called.
_USUAL = "image"


def read_tfds(name: str) -> Source:
    """List the examples of a data set of TensorFlow Datasets.

    It is looked for in `TFDS_DATA_DIR` (default `~/tensorflow_datasets`), and downloaded and
    prepared there if it is not. It needs an `Image` and a `ClassLabel` feature. Its splits are
    used where they are called train, validation or test; a data set with one split is split by
    us; others are ignored with a warning. The encoded images are copied once to a temporary
    file, because the formats of TFDS cannot be read at random.

    Args:
        name: `NAME`, `NAME/CONFIG` or either with `:VERSION`.

    Raises:
        DataError: There is no such data set, it cannot be downloaded, or it is of another kind.
    """
    tfds, builder = open_builder(name, "an image folder or digits")
    image, label = _features(tfds, builder, name)
    copied = _Copied()

    def record(place: str, class_name: str, split: str | None, encoded: bytes) -> Record:
        content = functools.partial(copied.read, *copied.append(encoded))
        return Record(place, class_name, split, content=content)

    return read_examples(tfds, builder, name, image, label, record, as_it_lies=True)


def open_builder(name: str, instead: str) -> tuple[Any, Any]:
    """TensorFlow Datasets, and the builder of a data set that is prepared.

    Args:
        name: As in `read_tfds`.
        instead: What a user without a network could use.

    Raises:
        DataError: There is no such data set, or it cannot be downloaded.
    """
    try:
        import tensorflow_datasets as tfds
    except ImportError:
        raise MissingPackage(
            "tfds:NAME needs TensorFlow Datasets: pip install tensorflow-datasets"
        ) from None

    builder = _builder(tfds, name)
    if not builder.is_prepared():
        _prepare(builder, name, instead)
    return tfds, builder


def read_examples(
    tfds: Any,
    builder: Any,
    name: str,
    content: str,
    label: str,
    record: Callable[[str, str, str | None, bytes], Record],
    *,
    as_it_lies: bool = False,
) -> Source:
    """List the examples of a builder.

    Args:
        tfds: The package.
        builder: Of a prepared data set.
        name: What the user calls it.
        content: The feature that a model reads.
        label: The `ClassLabel` feature; examples with a number below 0 in it are set aside.
        record: Makes a record of a name, a class name, a split and the content.
        as_it_lies: Do not decode the content.
    """
    splits, warnings = _splits(builder, name)
    class_name = builder.info.features[label].int2str
    records, set_aside = [], []
    for tfds_split, split in splits.items():
        dataset = builder.as_dataset(
            split=tfds_split,
            decoders={content: tfds.decode.SkipDecoding()} if as_it_lies else None,
            # One file after the other: the order, and so the names, are always the same.
            read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
        )
        for number, example in enumerate(dataset.as_numpy_iterator()):
            place = f"{tfds_split}/{number:06d}"
            if example[label] < 0:  # So does GLUE mark a test split whose labels are secret.
                set_aside.append(SetAside(place, split, "no label"))
                continue
            text = class_name(int(example[label]))
            records.append(record(place, text, split, example[content]))
    return Source("tfds", None, tuple(records), tuple(set_aside), tuple(warnings))


def _builder(tfds: Any, name: str) -> Any:
    try:
        # TFDS itself reads the variable only once, when it is imported.
        return tfds.builder(name, data_dir=os.environ.get("TFDS_DATA_DIR") or None)
    except Exception as error:
        raise DataError(
            f"TensorFlow Datasets has no data set {name!r} here ({_first_line(error)}): see "
            "https://www.tensorflow.org/datasets/catalog for the names, or set TFDS_DATA_DIR to "
            "the folder that it was prepared in"
        ) from None


def _prepare(builder: Any, name: str, otherwise: str) -> None:
    instead = (
        "prepare it where there is a network and set TFDS_DATA_DIR to that folder, or use "
        f"{otherwise}"
    )
    place = f"the data set {name!r} is not in {builder.data_dir} and cannot be downloaded"
    if not _reachable(builder):
        raise DataError(f"{place} without a network: {instead}")
    try:
        builder.download_and_prepare()
    except Exception as error:
        raise DataError(f"{place} ({_first_line(error)}): {instead}") from None


def _reachable(builder: Any) -> bool:
    """Ask the host of the first download once; TFDS would try ten times, for minutes."""
    import requests

    urls = [url for url in getattr(builder, "url_infos", None) or {} if url.startswith("http")]
    if not urls:
        if not type(builder).__module__.startswith("tensorflow_datasets."):
            return True  # The user's own builder may need no network.
        urls = ["https://storage.googleapis.com"]
    try:
        requests.head(urls[0], timeout=5)
    except requests.RequestException:
        return False
    return True


def _features(tfds: Any, builder: Any, name: str) -> tuple[str, str]:
    """Names of the image and of the label."""
    images, labels = find_features(tfds, builder, name, "Image")
    image = _USUAL if _USUAL in images else images[0]
    received = builder.info.features[image].np_dtype
    if received not in ("uint8", "uint16"):
        raise DataError(f"the images of the data set {name!r} are {received}: wanted uint8")
    return image, "label" if "label" in labels else labels[0]


def find_features(tfds: Any, builder: Any, name: str, content: str) -> tuple[list[str], list[str]]:
    """Names of the features of a kind (`Image` or `Text`), and of the `ClassLabel` features.

    Raises:
        DataError: There are none.
    """
    # In the order of the alphabet: that of TFDS differs from process to process.
    features = dict(sorted(dict(builder.info.features or {}).items()))
    wanted = getattr(tfds.features, content)
    contents = [key for key, kind in features.items() if isinstance(kind, wanted)]
    labels = [key for key, kind in features.items() if isinstance(kind, tfds.features.ClassLabel)]
    if not contents or not labels:
        kinds = ", ".join(f"{key} ({type(kind).__name__})" for key, kind in features.items())
        raise DataError(
            f"the data set {name!r} is not for {content.lower()} classification: wanted the "
            f"features {content} and ClassLabel. Received: {kinds}"
        )
    return contents, labels


def _splits(builder: Any, name: str) -> tuple[dict[str, str | None], list[str]]:
    """The splits to read and what they are to us, and warnings about the others."""
    sizes = {key: info.num_examples for key, info in builder.info.splits.items()}
    known = {key: split_named(key) for key in sizes if split_named(key)}
    if known:
        return known, [
            f"the split {key!r} of {name!r} with {sizes[key]} examples is none of train, "
            "validation and test and is ignored"
            for key in sizes
            if key not in known
        ]
    if len(sizes) == 1:
        return dict.fromkeys(sizes), []
    raise DataError(
        f"the data set {name!r} has no split called train, validation or test. "
        f"Received: {', '.join(sizes) or 'none'}"
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0].rstrip(".:")[:200] or type(error).__name__


class _Copied:
    """Byte strings one after the other in a file without a name."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(prefix="tfds-")  # noqa: SIM115
        self._lock = threading.Lock()
        self._end = 0

    def append(self, content: bytes) -> tuple[int, int]:
        """Write; returns where it begins and its length in bytes."""
        start = self._end
        try:
            self._file.write(content)
        except OSError as error:
            raise DataError(
                f"no room for a copy of the images in {tempfile.gettempdir()}: {error.strerror}; "
                "set TMPDIR to a folder with more"
            ) from None
        self._end += len(content)
        return start, len(content)

    def read(self, start: int, length: int) -> bytes:
        with self._lock:
            self._file.seek(start)
            return self._file.read(length)

    def __del__(self) -> None:
        self._file.close()
