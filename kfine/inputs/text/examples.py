"""What a text model may be given beside plain texts: words, and questions with their contexts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TaggedText:
    """One sentence of tokens, each with its tag.

    Attributes:
        name: File and line where it begins, such as `train.conll:12`.
        split: `train`, `validation` or `test`; None when the source does not say.
        tokens: The words, as they are written.
        tags: One for each token, in BIO: `O`, `B-person`, `I-person`.
    """

    name: str
    split: str | None
    tokens: tuple[str, ...]
    tags: tuple[str, ...]


@dataclass(frozen=True)
class Question:
    """A question, the text that may answer it, and the answers.

    Attributes:
        name: The `id` that the file gives it.
        split: `train`, `validation` or `test`; None when the source does not say.
        question: What is asked.
        context: The text that the answer is taken from.
        answers: Place of the first character in `context`, and text, of each answer; the first is
            trained on, all are right in the evaluation. Empty where `impossible`.
        impossible: Whether the context does not answer the question.
    """

    name: str
    split: str | None
    question: str
    context: str
    answers: tuple[tuple[int, str], ...]
    impossible: bool
