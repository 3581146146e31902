"""Worker: scikit-learn's logistic regression with its defaults on frozen features.

Photos: the mean over all places of what the backbone gives. Texts: the mean over all tokens,
brought to length 1.
"""

from __future__ import annotations

from collections.abc import Iterator

from kfine.backend import load_backend

load_backend()
import keras_hub  # noqa: E402
import numpy as np  # noqa: E402
from peer import Order, answer, cpu_seconds, read_order  # noqa: E402
from PIL import Image  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

TOGETHER = 32


def parts(items: list[str]) -> Iterator[list[str]]:
    """A few at a time."""
    for start in range(0, len(items), TOGETHER):
        yield items[start : start + TOGETHER]


def of_photos(order: Order, paths: list[str]) -> np.ndarray:
    """Features `(photos, channels)`."""
    backbone = keras_hub.models.Backbone.from_preset(order.preset)
    size = (order.image_size, order.image_size)
    found = []
    for some in parts(paths):
        images = np.stack([np.asarray(Image.open(one).convert("RGB").resize(size)) for one in some])
        given = images.astype("float32") * order.scale + order.offset
        found.append(backbone.predict_on_batch(given).mean(axis=(1, 2)))
    return np.concatenate(found)


def of_texts(order: Order, texts: list[str]) -> np.ndarray:
    """Unit vectors `(texts, width)`."""
    backbone = keras_hub.models.Backbone.from_preset(order.preset)
    preprocessor = keras_hub.models.TextClassifierPreprocessor.from_preset(
        order.preset, sequence_length=128
    )
    found = []
    for some in parts(texts):
        given = preprocessor(some)
        states = backbone.predict_on_batch(given)["sequence_output"]
        mask = np.asarray(given["padding_mask"], "float32")[..., None]
        means = (states * mask).sum(axis=1) / mask.sum(axis=1)
        found.append(means / np.linalg.norm(means, axis=1, keepdims=True))
    return np.concatenate(found)


def main() -> None:
    """Fit, and label the test examples."""
    order = read_order()
    features = of_texts if order.encoder else of_photos
    regression = LogisticRegression(max_iter=1000)
    model = regression if order.encoder else make_pipeline(StandardScaler(), regression)
    model.fit(features(order, [item for item, _ in order.train]), order.numbers())
    seconds = cpu_seconds()
    chosen = model.predict(features(order, [item for item, _ in order.test]))
    answer(seconds, [order.classes[one] for one in chosen])


if __name__ == "__main__":
    main()
