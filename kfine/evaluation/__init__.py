"""Comparison with the answers that cost little, and what scores hide."""

from kfine._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "beside_baselines": "baselines",
        "by_columns": "slices",
        "by_size": "sizes",
        "gain_over": "gain",
        "learning_curve": "curve",
    },
)
