"""Images: decoding, the one preprocessing, and what an exported file takes."""

from kfine._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Image": "image",
        "Part": "image:Image",
        "check_image_preset": "image",
        "decode_image": "pixels",
        "fixed_image_size": "image",
        "image_of_preset": "image",
        "load_images": "loading",
        "resize_image": "pixels",
    },
)
