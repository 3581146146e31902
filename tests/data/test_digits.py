from __future__ import annotations

import numpy as np

from kfine.data.sources import read_source


def test_digits_are_real_images_without_splits() -> None:
    source = read_source("digits")
    assert len(source.records) == 1797
    assert source.records[12].name == "digits/0012"
    assert {record.label for record in source.records} == set("0123456789")
    assert {record.split for record in source.records} == {None}
    images = np.stack([record.array for record in source.records if record.array is not None])
    assert images.shape == (1797, 8, 8, 3)
    assert images.dtype == np.uint8
    assert (images.min(), images.max()) == (0, 255)
    assert (images[..., 0] == images[..., 2]).all()
