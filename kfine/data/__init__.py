"""Sources, splits, checks, augmentation, caches and input pipelines; it names no kind."""

from kfine._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Data": "labelled",
        "Split": "split",
        "augmentation_layers": "augmentation",
        "cache_folder": "cache",
        "read_source": "sources",
    },
)
