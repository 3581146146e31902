"""Freezing, gradual unfreezing, discriminative learning rates, the staged fit."""

from kfine._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "GradualUnfreezing": "gradual_unfreezing",
        "Stage": "unfreezing",
        "StagedAdamW": "optimizer",
        "TrainingConfig": "settings",
        "apply_stage": "freezing",
        "build_optimizer_for": "freezing",
        "freeze": "freezing",
        "plan_stages": "unfreezing",
        "unfreeze": "freezing",
    },
)
