"""Masks: the class of each pixel of an image."""

from kfine._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "MaskFiles": "reader",
        "Masks": "masks",
        "Part": "masks:Masks",
    },
)
