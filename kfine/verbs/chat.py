"""`chat`: talk with a run that writes text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kfine.backend import load_backend
from kfine.console import Console
from kfine.errors import ConfigError
from kfine.training.run import TrainedRun, as_run

USER, SYSTEM, ASSISTANT = "user", "system", "assistant"
# Tokens of a conversation; the oldest turns are forgotten beyond.
REMEMBERED = 2048
# What a byte of a letter that is not whole yet is decoded to.
_PART = "\ufffd"


class Chat:
    """A conversation with a run.

    Args:
        run: Of a recipe that teaches a model to write, such as `text_generation`, or its folder.
        system: What the model is told before the conversation, where its template allows that.
        longest: Tokens of a reply; as the run has it if `None`.
        console: Hears of the loading.

    Raises:
        KfineError: The run has not finished, or does not write text.

    Example:
        chat = kfine.Chat("runs/notes")
        for piece in chat.say("What did we agree on?"):
            print(piece, end="", flush=True)
    """

    def __init__(
        self,
        run: TrainedRun | str | Path,
        *,
        system: str | None = None,
        longest: int | None = None,
        console: Console | None = None,
    ) -> None:
        found = as_run(run)
        found.folder.require_finished()
        self._input: Any = found.input
        answer: Any = found.answer
        if not hasattr(self._input, "spoken"):
            raise ConfigError(
                "chat is for a model that writes text, such as one of text_generation. Received: "
                f"one of {self._input.many}"
            )
        if longest is not None and longest < 1:
            raise ConfigError(f"longest is a number of tokens above 0. Received: {longest}")
        with (console or Console()).timed("loading the model"):
            load_backend()
            from kfine.models.language import TokenStream

            self._stream = TokenStream(found.model, answer.ends)
        self._longest = longest or answer.longest
        self._system = [(SYSTEM, system)] if system else []
        self.turns: list[tuple[str, str]] = []
        # A template that does not know the role says so now.
        self._input.spoken([*self._system, (USER, "x")])

    def say(self, text: str) -> Iterator[str]:
        """Say something; the reply in pieces, as they are written.

        The turn is remembered once the reply is whole.
        """
        turns = [*self.turns, (USER, text)]
        prompt = self._input.spoken([*self._system, *turns])
        while len(prompt) > REMEMBERED and len(turns) > 2:
            turns = turns[2:]
            prompt = self._input.spoken([*self._system, *turns])
        tokens: list[int] = []
        shown = ""
        for token in self._stream.write(prompt, self._longest):
            tokens.append(token)
            whole = self._input.vocabulary.decode(tokens).lstrip()
            if not whole.endswith(_PART) and len(whole) > len(shown):
                yield whole[len(shown) :]
                shown = whole
        self.turns = [*turns, (ASSISTANT, shown)]

    def forget(self) -> None:
        """Begin a new conversation."""
        self.turns = []
