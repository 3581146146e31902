"""The model that answers, where that which is trained is told a part of the truth."""

from __future__ import annotations

from typing import Any

from kfine.answers import Answer


def answering(answer: Answer, model: Any) -> Any:
    """A model that says by itself what the trained one is told step by step, or that one itself.

    Args:
        answer: Its `generation` says how, if it has one.
        model: As it is trained; the weights are shared.
    """
    how = getattr(answer, "generation", None)
    if how is None:
        return model
    from kfine.models.language import PROMPT, writer
    from kfine.models.speech import transcriber

    return writer(model, **how) if PROMPT in model.input else transcriber(model, **how)
