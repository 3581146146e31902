"""Several answers of one model, by name."""

from kfine._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Part": "several:Several",
        "Several": "several",
        "SeveralLabels": "reader",
        "present": "reader",
    },
)
