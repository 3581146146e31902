"""A tag for each token of a text."""

from kfine._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {"Part": "tags:Tags", "Tagging": "tagging", "Tags": "tags", "load_tagged": "loading"},
)
