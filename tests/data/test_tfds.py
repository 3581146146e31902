from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kfine.data.sources import read_source
from kfine.errors import DataError
from kfine.inputs.image.decoding import load_record

pytestmark = pytest.mark.keras


def prepare(folder: Path, name: str, splits: dict[str, int], labelled: bool = True) -> None:
    """Let TFDS itself write a small data set, without registering its class."""
    import tensorflow_datasets as tfds

    def info(self: Any) -> Any:
        features = {"image": tfds.features.Image(shape=(None, None, 3))}
        if labelled:
            features["label"] = tfds.features.ClassLabel(names=["circle", "square"])
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def examples(self: Any, count: int) -> Iterator[tuple[int, dict[str, Any]]]:
        for number in range(count):
            example: dict[str, Any] = {"image": np.full((8, 9, 3), number, np.uint8)}
            yield number, example | ({"label": number % 2} if labelled else {})

    with tfds.core.registered.skip_registration(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        builder = type(
            name,
            (tfds.core.GeneratorBasedBuilder,),
            {
                "VERSION": tfds.core.Version("1.0.0"),
                "__module__": __name__,
                "_info": info,
                "_split_generators": lambda self, _: {
                    split: self._generate_examples(count) for split, count in splits.items()
                },
                "_generate_examples": examples,
            },
        )
        builder(data_dir=folder).download_and_prepare()


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    return tmp_path


def test_a_data_set_that_tfds_prepared_is_read_with_its_splits(data_dir: Path) -> None:
    prepare(data_dir, "TinyShapes", {"train": 10, "test": 4, "unsupervised": 3})
    source = read_source("tfds:tiny_shapes")
    assert source.kind == "tfds"
    assert Counter((record.split, record.label) for record in source.records) == {
        ("train", "circle"): 5,
        ("train", "square"): 5,
        ("test", "circle"): 2,
        ("test", "square"): 2,
    }
    assert "'unsupervised' of 'tiny_shapes' with 3 examples" in source.warnings[0]
    images = [load_record(record)[0] for record in source.records if record.split == "train"]
    assert sorted(int(image[0, 0, 0]) for image in images) == list(range(10))
    for image, record in zip(images, source.records, strict=False):
        assert image.shape == (8, 9, 3)
        assert record.label == ("square" if image[0, 0, 0] % 2 else "circle")
    assert read_source("tfds:tiny_shapes:1.0.0").records == source.records


def test_a_single_split_of_another_name_is_split_by_us(data_dir: Path) -> None:
    prepare(data_dir, "TinyWhole", {"everything": 4})
    assert {record.split for record in read_source("tfds:tiny_whole").records} == {None}


def test_a_data_set_for_another_task_is_named(data_dir: Path) -> None:
    prepare(data_dir, "TinyPictures", {"train": 4}, labelled=False)
    with pytest.raises(DataError, match=r"not for image classification: .*Received: image"):
        read_source("tfds:tiny_pictures")


def test_an_unknown_name_is_one_sentence(data_dir: Path) -> None:
    for name in ("no_such_data_set_at_all", "beans:99.9.9", "beans/no_such_config", "!?", ""):
        with pytest.raises(DataError, match="TensorFlow Datasets has no data set") as caught:
            read_source(f"tfds:{name}")
        assert "\n" not in str(caught.value)


def test_without_a_network_a_download_is_not_even_begun(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A proxy that refuses at once: no network here, whatever this machine has.
    for name in ("http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    start = time.monotonic()
    with pytest.raises(DataError, match=r"'beans' .* cannot be downloaded without a net") as caught:
        read_source("tfds:beans")
    assert "\n" not in str(caught.value)
    assert time.monotonic() - start < 20
