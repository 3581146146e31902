"""Words: what was said, as text."""

from kfine._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Part": "words:Words",
        "Transcripts": "reader",
        "Words": "words",
        "words_of_preset": "byte_pairs",
    },
)
