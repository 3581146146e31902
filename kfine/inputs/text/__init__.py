"""Texts: sources, tokenization, windows, and what an exported file takes."""

from kfine._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Part": "text:Text",
        "Text": "text",
        "check_text_preset": "text",
        "load_texts": "loading",
        "longest_text": "text",
        "text_of_preset": "text",
    },
)
