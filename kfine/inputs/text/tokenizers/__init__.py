"""Text to token ids without TensorFlow, and the files that let a phone do the same."""

from kfine._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "BytePair": "standalone",
        "Encoding": "standalone",
        "Token": "standalone",
        "Tokenizer": "standalone",
        "TokenizerFiles": "from_preset",
        "WordPiece": "standalone",
        "load_tokenizer": "from_preset",
        "read_tokenizer": "from_preset",
        "write_tokenizer": "from_preset",
    },
)
