"""Every example is validated once, and what belongs together stays together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kfine.data.folds import fold_data, read_groups
from kfine.data.labelled import Data
from kfine.errors import ConfigError, DataError
from kfine.inputs.image.loading import load_images


def load(source: object, tmp_path: Path) -> Data:
    return load_images(
        str(source),
        image_size=(8, 8),
        validation_split=0.2,
        test_split=0.1,
        seed=0,
        memory_budget=10**8,
        folder=tmp_path,
    )


@pytest.fixture
def manifest(digit_photos: Path, tmp_path: Path) -> Path:
    path = tmp_path / "photos.csv"
    lines = ["path,label,writer"]
    for folder in sorted(digit_photos.iterdir()):
        for number, file in enumerate(sorted(folder.iterdir())):
            lines.append(f"{file},{folder.name},w{number % 12}")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_every_example_is_validated_once_and_never_tested(
    digit_photos: Path, tmp_path: Path
) -> None:
    data = load(digit_photos, tmp_path)
    assert data.validation is not None and data.test is not None
    folds = fold_data(data, 4, seed=0)
    validated = [name for fold in folds for name in fold.splits["validation"].names]
    assert sorted(validated) == sorted(data.train.names + data.validation.names)
    for fold in folds:
        train, validation = fold.train, fold.splits["validation"]
        assert not set(train.digests) & set(validation.digests)
        assert fold.splits["test"] is data.test
        shares = np.bincount(validation.strata) / len(validation)
        assert shares == pytest.approx([1 / 3] * 3, abs=0.04)
        # The rows are the images of the names, not of their neighbours.
        place = data.train.names.index(next(n for n in train.names if n in data.train.names))
        mine = train.names.index(data.train.names[place])
        assert np.array_equal(train.inputs[[mine]], data.train.inputs[[place]])
    again = fold_data(data, 4, seed=0)
    assert [one.split_lists() for one in again] == [one.split_lists() for one in folds]


def test_a_group_is_never_divided(manifest: Path, tmp_path: Path) -> None:
    groups = read_groups(str(manifest), "Writer")
    for fold in fold_data(load(manifest, tmp_path), 3, seed=1, groups=groups):
        train = {groups[name] for name in fold.train.names}
        assert not train & {groups[name] for name in fold.splits["validation"].names}


def test_folds_that_cannot_be_made_are_one_sentence(
    manifest: Path, digit_photos: Path, tmp_path: Path
) -> None:
    data = load(digit_photos, tmp_path)
    with pytest.raises(ConfigError, match=r"2 to \d+ folds: the smallest class has"):
        fold_data(data, 1000, seed=0)
    with pytest.raises(ConfigError, match="2 to"):
        fold_data(data, 1, seed=0)
    with pytest.raises(DataError, match=r"no column 'patient'; there are: path, label, writer"):
        read_groups(str(manifest), "patient")
    with pytest.raises(DataError, match="Groups are a column of a manifest"):
        read_groups(str(digit_photos), "writer")
    with pytest.raises(DataError, match="examples have no group, such as"):
        fold_data(data, 3, seed=0, groups={})
