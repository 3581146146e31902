"""What the search spaces of recipes have in common: how fast a backbone or its adapters learn."""

from __future__ import annotations

from typing import Any

from kfine.adapters.options import LOW_RANK
from kfine.training.settings import TrainingConfig

_RANKS = (4, 8, 16, 32)


def backbone_space(
    hp: Any, config: TrainingConfig, lowest: float, highest: float
) -> dict[str, Any]:
    """The settings of the backbone's rates that a search varies: those of adapters, if it has any.

    Args:
        hp: KerasTuner's hyperparameters.
        config: Where the rest comes from.
        lowest: Of `backbone_rate`.
        highest: Of `backbone_rate`.
    """
    if config.adapter_options is None:
        return {
            "backbone_rate": hp.Float("backbone_rate", lowest, highest, sampling="log"),
            "layerwise_decay": hp.Float("layerwise_decay", 0.7, 1.0, step=0.1),
        }
    usual = config.rate_of_adapters
    chosen = {
        "adapter_rate": hp.Float(
            "adapter_rate", usual / 8, usual * 4, sampling="log", default=usual
        )
    }
    if config.adapter in LOW_RANK:
        ranks = sorted({*_RANKS, config.adapter_rank})
        chosen["adapter_rank"] = hp.Choice("adapter_rank", ranks, default=config.adapter_rank)
    return chosen
