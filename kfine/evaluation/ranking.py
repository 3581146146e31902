"""One prediction in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def ranked_classes(
    probabilities: np.ndarray, class_names: Sequence[str]
) -> list[tuple[str, float]]:
    """Classes with their probabilities, the most probable first.

    Args:
        probabilities: float `(classes,)`.
        class_names: In the same order.
    """
    order = np.argsort(-probabilities, kind="stable")
    return [(class_names[index], float(probabilities[index])) for index in order]
