"""What is said to a language model."""

from __future__ import annotations

from dataclasses import dataclass

USER, SYSTEM, ASSISTANT = "user", "system", "assistant"
ROLES = (SYSTEM, USER, ASSISTANT)
# What stands before a document, where nothing else is said.
SUMMARIZE = "Summarize the following text."


@dataclass(frozen=True)
class Message:
    """Something that one side says.

    Attributes:
        role: `system`, `user` or `assistant`.
        content: The text.
    """

    role: str
    content: str


@dataclass(frozen=True)
class Conversation:
    """Messages that wait for a reply.

    Attributes:
        messages: In their order; none where a text begins.
        name: File and line where it stands, such as `train.jsonl:12`.
        split: `train`, `validation` or `test`; None when the source does not say.
        reply: What the assistant says then; None where that is asked.
        whole: Equal for the replies of one conversation, which no split divides.
    """

    messages: tuple[Message, ...]
    name: str = ""
    split: str | None = None
    reply: str | None = None
    whole: str = ""


def asked(example: object) -> tuple[Message, ...]:
    """The messages of an example, which may be a text that a user says."""
    if isinstance(example, str):
        return (Message(USER, example),)
    assert isinstance(example, Conversation)
    return example.messages


def shown(example: object) -> str:
    """The messages as a person reads them: the text of one alone, else each with its role."""
    messages = asked(example)
    if len(messages) == 1:
        return messages[0].content
    return "\n".join(f"{one.role}: {one.content}" for one in messages)
