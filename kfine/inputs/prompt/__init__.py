"""Prompts: what a language model is asked, in one message or several."""

from kfine._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Conversation": "conversation",
        "Message": "conversation",
        "Part": "prompt:Prompt",
        "Prompt": "prompt",
        "check_language_preset": "of_preset",
        "check_template": "of_preset",
        "prompt_of_preset": "of_preset",
        "read_conversations": "tables",
    },
)
