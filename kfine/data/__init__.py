"""Sources, splits, checks, augmentation and input pipelines."""

from kfine._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Data": "dataset",
        "Split": "dataset",
        "load_images": "dataset",
        "load_for_evaluation": "dataset",
        "read_source": "sources",
        "decode_image": "images",
        "resize_image": "images",
        "augmentation_layers": "augmentation",
        "cache_folder": "cache",
    },
)
