"""Presets, layer groups and preprocessing."""

from kfine._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "LayerGroup": "groups",
        "Preprocessing": "preprocessing",
        "layer_groups": "groups",
    },
)
