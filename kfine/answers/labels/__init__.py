"""Any number of labels for each example, none included."""

from kfine._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "LabelLists": "reader",
        "Labels": "labels",
        "Part": "labels:Labels",
        "label_lists": "reader",
        "several_labels": "reader",
    },
)
