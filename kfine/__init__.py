"""kfine: from a folder of your own examples to a fine-tuned model that runs on a phone."""

from typing import TYPE_CHECKING

__version__ = "0.1.0"

# Editors and mypy read the imports, Python the table: a name is in both (tests/test_api.py).
if TYPE_CHECKING:
    from kfine.errors import KfineError as KfineError
    from kfine.models.groups import layer_groups as layer_groups
    from kfine.training.adapters import add_adapters as add_adapters
    from kfine.training.adapters import merge_adapters as merge_adapters
    from kfine.training.cached_features import cached_features as cached_features
    from kfine.training.gradual_unfreezing import GradualUnfreezing as GradualUnfreezing
    from kfine.training.layers import freeze as freeze
    from kfine.training.layers import freeze_to as freeze_to
    from kfine.training.layers import layerwise_adamw as layerwise_adamw
    from kfine.training.layers import unfreeze as unfreeze
    from kfine.tuning.plan import SearchSettings as SearchSettings
    from kfine.verbs.benchmark import benchmark as benchmark
    from kfine.verbs.chat import Chat as Chat
    from kfine.verbs.doctor import doctor as doctor
    from kfine.verbs.dry_run import dry_run as dry_run
    from kfine.verbs.evaluate import evaluate as evaluate
    from kfine.verbs.export import export as export
    from kfine.verbs.fit import fit as fit
    from kfine.verbs.folds import cross_validate as cross_validate
    from kfine.verbs.fractions import learning_curve as learning_curve
    from kfine.verbs.predict import predict as predict
    from kfine.verbs.report import report as report
    from kfine.verbs.run import Run as Run
    from kfine.verbs.search import Search as Search
    from kfine.verbs.soup import soup as soup
    from kfine.verbs.stress import stress as stress
    from kfine.verbs.tune import tune as tune
else:
    from kfine._lazy import attach

    # A `__getattr__` that mypy sees would give every misspelt name the type Any.
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "Chat": "verbs.chat",
            "GradualUnfreezing": "training.gradual_unfreezing",
            "KfineError": "errors",
            "Run": "verbs.run",
            "Search": "verbs.search",
            "SearchSettings": "tuning.plan",
            "add_adapters": "training.adapters",
            "benchmark": "verbs.benchmark",
            "cached_features": "training.cached_features",
            "cross_validate": "verbs.folds",
            "doctor": "verbs.doctor",
            "dry_run": "verbs.dry_run",
            "evaluate": "verbs.evaluate",
            "export": "verbs.export",
            "fit": "verbs.fit",
            "freeze": "training.layers",
            "freeze_to": "training.layers",
            "layer_groups": "models.groups",
            "layerwise_adamw": "training.layers",
            "learning_curve": "verbs.fractions",
            "merge_adapters": "training.adapters",
            "predict": "verbs.predict",
            "report": "verbs.report",
            "soup": "verbs.soup",
            "stress": "verbs.stress",
            "tune": "verbs.tune",
            "unfreeze": "training.layers",
        },
    )
