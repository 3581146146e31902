"""A passage of a text that answers a question."""

from kfine._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {"Part": "spans:Spans", "Passage": "best", "Spans": "spans", "load_questions": "loading"},
)
