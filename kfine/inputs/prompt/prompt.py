"""Prompts as the input of a language model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kfine.data.lengths import Lengths
from kfine.data.objects import listed
from kfine.errors import DataError
from kfine.inputs import Encoded, Examples, Input, Mistake, ReadFile, Request
from kfine.inputs.places import Places, PromptPlaces
from kfine.inputs.prompt.conversation import (
    SUMMARIZE,
    Conversation,
    Message,
    asked,
    shown,
)
from kfine.inputs.prompt.template import Template
from kfine.inputs.prompt.vocabulary import Vocabulary
from kfine.presets import TEMPLATE

if TYPE_CHECKING:
    from kfine.inputs.prompt.device import PromptOnDevice

FOLDER = "tokenizer"
# Stands before the beginning of a prompt; no token has this number.
NOTHING = -1
LONGEST = 8192


@dataclass(frozen=True)
class Prompt:
    """Messages as the numbers of their tokens, so that the next token is that of a reply.

    An example is a str, which is what a user says, or a `Conversation`.

    Attributes:
        vocabulary: The tokens.
        template: How messages are written.
        longest: Tokens of the longest prompt; of one that is longer, the longest message is cut.
        instruction: What stands before a document of a table.
    """

    vocabulary: Vocabulary
    template: Template
    longest: int
    instruction: str = SUMMARIZE

    kind: ClassVar[str] = "prompt"
    each: ClassVar[str] = "a prompt"
    many: ClassVar[str] = "prompts"
    places: ClassVar[type[Places]] = PromptPlaces
    # Numbers are what the model takes.
    prepare = None

    def encode(self, examples: Any) -> Encoded:
        """Write and tokenize.

        Returns:
            Rows: int32 `(examples, longest)`, -1 before the beginning of each.

        Raises:
            DataError: An example is something else.
        """
        found = listed(examples)
        tokens = [self.tokens(one) for one in found]
        rows = np.full((len(found), self.longest), NOTHING, np.int32)
        for row, one in zip(rows, tokens, strict=True):
            row[len(row) - len(one) :] = one
        used = np.array([len(one) for one in tokens], np.int64)
        places = PromptPlaces(np.arange(len(found)), self.vocabulary)
        return Encoded(rows, places, Lengths(used, (True,), before=True))

    def tokens(self, example: Any) -> list[int]:
        """The numbers of the tokens of an example, at least one and at most `longest`."""
        self.check(example)
        messages = asked(example)
        found = self._whole(messages)
        over = len(found) - self.longest
        if over <= 0:
            return found
        return self._whole(self._shorter(messages, over))[-self.longest :]

    def _whole(self, messages: Sequence[Message]) -> list[int]:
        text = self.template.render(messages) if messages else ""
        found = self.vocabulary.encode(text, special=True)
        if self.template.plain or not found:
            start = self.vocabulary.start
            if start or not found:
                # What texts follow on where none has a start of its own.
                found = [self.vocabulary.number(start or self.vocabulary.end), *found]
        return found

    def _shorter(self, messages: Sequence[Message], over: int) -> list[Message]:
        """Messages without the end of the longest of them."""
        counts = [len(self.vocabulary.encode(one.content)) for one in messages]
        number = int(np.argmax(counts))
        kept = self.vocabulary.encode(messages[number].content)[: max(0, counts[number] - over)]
        shorter = replace(messages[number], content=self.vocabulary.decode(kept))
        return [*messages[:number], shorter, *messages[number + 1 :]]

    def check(self, example: Any) -> None:
        """Check that something is an example.

        Raises:
            DataError: It is not.
        """
        if not isinstance(example, (str, Conversation)):
            raise DataError(
                f"A prompt must be a str or a Conversation. Received: {type(example).__name__}."
            )

    def spoken(self, turns: Sequence[tuple[str, str]]) -> list[int]:
        """The tokens of a conversation of (role, text) pairs, however long it is.

        Raises:
            ConfigError: The template cannot write it.
        """
        return self._whole([Message(role, text) for role, text in turns])

    def count(self, example: Any) -> int:
        """Tokens of an example before it is cut."""
        self.check(example)
        return len(self._whole(asked(example)))

    def requested(self, request: Request) -> Examples:
        """Prompts as they are, in files, or from standard input."""
        from kfine.inputs.prompt.requested import Prompts
        from kfine.inputs.text.requested import refuse_context

        refuse_context(request)
        return Prompts(request.given, request.column, self.instruction)

    def settings(self) -> dict[str, Any]:
        """The length of the longest prompt."""
        return {"prompt_length": self.longest}

    def sizes(self, examples: Sequence[Any]) -> tuple[str, list[int]] | None:
        """How many words each prompt has."""
        return "words", [len(shown(one).split()) for one in examples]

    def cut(self, examples: Sequence[Any]) -> list[int]:
        """Prompts that are longer than `longest`."""
        return [number for number, one in enumerate(examples) if self.count(one) > self.longest]

    def caption(self, example: Any) -> str:
        """The messages."""
        return shown(example)

    def write_mistakes(
        self, folder: Path, examples: Any, mistakes: Sequence[Mistake], names: Sequence[str]
    ) -> str:
        """`mistakes.html`: each prompt with the reply that was wanted and the one that came."""
        from kfine.inputs.prompt.mistakes import write_mistakes

        return write_mistakes(folder, examples, mistakes)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able description; the tokenizer is in it as a hash."""
        return {
            "kind": self.kind,
            "longest": self.longest,
            "tokenizer": self.vocabulary.kind,
            "tokenizer_sha256": self.vocabulary.sha256,
            "start": self.vocabulary.start,
            "end": self.vocabulary.end,
            "template": self.template.name,
            "instruction": self.instruction,
        }

    def files(self) -> dict[str, bytes]:
        """The tokenizer and the template."""
        name = Vocabulary.FILES[self.vocabulary.kind]
        return {
            f"{FOLDER}/{name}": self.vocabulary.content,
            f"{FOLDER}/{TEMPLATE}": self.template.source.encode(),
        }

    @classmethod
    def load(cls, values: Mapping[str, Any], read: ReadFile) -> Prompt:
        """Read what `to_dict` described and `files` gave.

        Raises:
            ValueError: A size is absurd, or the tokenizer is not the one it was trained with.
        """
        longest, kind = int(values["longest"]), str(values["tokenizer"])
        if not 0 < longest <= LONGEST or kind not in Vocabulary.FILES:
            raise ValueError(f"it wants {longest} tokens of a tokenizer {kind!r}")
        content = read(f"{FOLDER}/{Vocabulary.FILES[kind]}")
        vocabulary = Vocabulary(kind, content, values["start"], str(values["end"]))
        if vocabulary.sha256 != values["tokenizer_sha256"]:
            raise ValueError("the tokenizer is not the one that the model was trained with")
        source = read(f"{FOLDER}/{TEMPLATE}").decode()
        template = Template(str(values["template"]), source, vocabulary.start or "", vocabulary.end)
        return cls(vocabulary, template, longest, str(values["instruction"]))

    def device(self) -> PromptOnDevice:
        """The numbers of a prompt's tokens."""
        from kfine.inputs.prompt.device import PromptOnDevice

        return PromptOnDevice(self)


_: type[Input] = Prompt
