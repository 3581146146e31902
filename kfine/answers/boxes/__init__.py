"""Boxes: what stands where in an image."""

from kfine._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "BoxFiles": "reader",
        "Boxes": "boxes",
        "Part": "boxes:Boxes",
    },
)
