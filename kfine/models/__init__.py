"""Layer groups, cutting, heads, and what a recipe builds."""

from kfine._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Built": "built",
        "LayerGroup": "groups",
        "layer_groups": "groups",
    },
)
