"""Real handwritten digits that come with scikit-learn: an example without a download."""

from __future__ import annotations

import numpy as np

from kfine.data.records import Record, Source


def read_digits() -> Source:
    """The 1797 handwritten digits of `sklearn.datasets.load_digits`.

    uint8 `(8, 8, 3)`: the 17 grey levels of the original spread over 0 to 255. No splits.

    Reference: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998
    (its test part, which is what scikit-learn ships).
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    gray = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    images = np.repeat(gray[..., None], 3, axis=-1)
    records = tuple(
        Record(f"digits/{number:04d}", str(label), array=image)
        for number, (image, label) in enumerate(zip(images, digits.target, strict=True))
    )
    return Source("digits", None, records)
