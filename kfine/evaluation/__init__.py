"""Metrics, baselines to compare with, and plots."""

from kfine._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "answer_baseline": "answers",
        "answer_metrics": "answers",
        "best_threshold": "answers",
        "classification_metrics": "metrics",
        "entity_baseline": "entities",
        "entity_metrics": "entities",
        "linear_probe": "baselines",
        "majority_baseline": "baselines",
        "ranked_classes": "ranking",
    },
)
