"""Metrics, baselines to compare with, and plots."""

from kfine._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "answer_baseline": "answers",
        "answer_metrics": "answers",
        "answer_scores": "answers",
        "best_threshold": "answers",
        "by_length": "texts",
        "classification_metrics": "metrics",
        "confident_mistakes": "texts",
        "entity_baseline": "entities",
        "entity_metrics": "entities",
        "linear_probe": "baselines",
        "majority_baseline": "baselines",
        "ranked_classes": "ranking",
        "read_taggings": "tagging",
        "softmax": "ranking",
    },
)
