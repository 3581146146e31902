"""Metrics, baselines to compare with, and plots."""

from kfine._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "classification_metrics": "metrics",
        "linear_probe": "baselines",
        "majority_baseline": "baselines",
        "ranked_classes": "ranking",
    },
)
