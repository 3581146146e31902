"""One class for each example."""

from kfine._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Classes": "classes",
        "Part": "classes:Classes",
        "class_balance": "weights",
    },
)
