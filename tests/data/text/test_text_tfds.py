"""Texts of TensorFlow Datasets, in a data set that TFDS itself prepares here."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kfine.errors import DataError
from kfine.inputs.text.loading import load_texts
from kfine.inputs.text.sources import read_texts

pytestmark = pytest.mark.keras

TEXTS = ["gut", "schlecht für alle", "", "fein", "öde", "geheim"]


def prepare(folder: Path, name: str, features: tuple[str, ...], labelled: bool = True) -> None:
    import tensorflow_datasets as tfds

    def info(self: Any) -> Any:
        kinds: dict[str, Any] = {key: tfds.features.Text() for key in features}
        if labelled:
            kinds["label"] = tfds.features.ClassLabel(names=["good", "bad"])
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(kinds))

    def examples(self: Any) -> Iterator[tuple[int, dict[str, Any]]]:
        for number, text in enumerate(TEXTS):
            label = -1 if text == "geheim" else number % 2
            words = {key: text if key == features[-1] else f"{key} {text}" for key in features}
            yield number, words | ({"label": label} if labelled else {})

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
                    split: self._generate_examples() for split in ("train", "test")
                },
                "_generate_examples": examples,
            },
        )
        builder(data_dir=folder).download_and_prepare()


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    return tmp_path


def test_texts_and_labels_of_a_data_set_are_read(data_dir: Path) -> None:
    prepare(data_dir, "TinyWords", ("sentence",))
    source = read_texts("tfds:tiny_words")
    assert source.kind == "tfds" and source.notes == ()
    train = [record for record in source.records if record.split == "train"]
    assert {(record.text, record.label) for record in train} == {
        ("gut", "good"),
        ("schlecht für alle", "bad"),
        ("fein", "bad"),
        ("öde", "good"),
    }
    assert all(record.name.startswith("train/00000") for record in train)
    assert sorted(item.reason for item in source.set_aside) == [
        *("empty text", "empty text", "no label", "no label")
    ]
    data = load_texts("tfds:tiny_words", validation_split=0, test_split=0, seed=0)
    assert len(data.train) == 4 and len(data.shared) == 4


def test_one_of_several_text_features_is_chosen_and_said(data_dir: Path) -> None:
    prepare(data_dir, "TinyMails", ("title", "text"))
    source = read_texts("tfds:tiny_mails")
    assert "gut" in {record.text for record in source.records}
    assert "texts are 'text' and labels are 'label'" in source.notes[0]
    titles = read_texts("tfds:tiny_mails", text_column="title")
    assert "title gut" in {record.text for record in titles.records} and titles.notes == ()
    with pytest.raises(DataError, match="has no such feature 'body'; there are: text, title"):
        read_texts("tfds:tiny_mails", text_column="body")


def test_a_data_set_for_another_task_is_named(data_dir: Path) -> None:
    prepare(data_dir, "TinyTalk", ("text",), labelled=False)
    with pytest.raises(DataError, match=r"not for text classification: .*Received: text"):
        read_texts("tfds:tiny_talk")
