"""kfine: from a folder of your own examples to a fine-tuned model that runs on a phone."""

from kfine._lazy import attach

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "GradualUnfreezing": "training.gradual_unfreezing",
        "KfineError": "errors",
        "Run": "verbs.run",
        "benchmark": "verbs.benchmark",
        "Search": "verbs.search",
        "cross_validate": "verbs.folds",
        "dry_run": "verbs.dry_run",
        "evaluate": "verbs.evaluate",
        "export": "verbs.export",
        "fit": "verbs.fit",
        "predict": "verbs.predict",
        "tune": "verbs.tune",
    },
)
