"""Replies: what a language model writes, one token after the other."""

from kfine._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Part": "reply:Reply",
        "Reply": "reply",
        "Written": "reply",
        "load_replies": "loading",
        "reply_for": "reply",
    },
)
