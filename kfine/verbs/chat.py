"""`chat`: talk with a run, or an exported file, that writes text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from kfine.backend import load_backend
from kfine.console import Console
from kfine.errors import ConfigError
from kfine.runtimes.kinds import find_model, kind_of
from kfine.training.run import TrainedRun, as_run
from kfine.verbs.files import is_run, load_file, warn_if_refused

if TYPE_CHECKING:
    from kfine.models.language import TokenStream
    from kfine.runtimes.language import LanguageFile

USER, SYSTEM, ASSISTANT = "user", "system", "assistant"
# Tokens of a conversation; the oldest turns are forgotten beyond.
REMEMBERED = 2048
# What a byte of a letter that is not whole yet is decoded to.
_PART = "\ufffd"


class Chat:
    """A conversation with a model that writes.

    Args:
        model: A run of a recipe that teaches a model to write, such as `text_generation`, its
            folder, or a `.litertlm` file that was exported from one, or its bundle.
        system: What the model is told before the conversation, where its template allows that.
        longest: Tokens of a reply; as it was learned if `None`.
        console: Hears of the loading.

    Raises:
        KfineError: The run has not finished, or the model does not write text.

    Example:
        chat = kfine.Chat("runs/notes")
        for piece in chat.say("What did we agree on?"):
            print(piece, end="", flush=True)
    """

    def __init__(
        self,
        model: TrainedRun | str | Path,
        *,
        system: str | None = None,
        longest: int | None = None,
        console: Console | None = None,
    ) -> None:
        if longest is not None and longest < 1:
            raise ConfigError(f"longest is a number of tokens above 0. Received: {longest}")
        console = console or Console()
        self._stream: TokenStream | LanguageFile
        self._input: Any
        # What a file has room for.
        self._room: int | None = None
        exported = not isinstance(model, TrainedRun) and Path(model).exists() and not is_run(model)
        ask = self._ask_file if exported else self._ask_run
        answer = ask(model, console)
        self._longest = longest or answer.longest
        if self._room and self._longest >= self._room:
            raise ConfigError(
                f"longest and a message have {self._room} tokens together in this file. Received: "
                f"longest {self._longest}"
            )
        self._system = [(SYSTEM, system)] if system else []
        self.turns: list[tuple[str, str]] = []
        # A template that does not know the role says so now.
        self._input.spoken([*self._system, (USER, "x")])

    def _ask_run(self, model: TrainedRun | str | Path, console: Console) -> Any:
        """Have a run write; its answer."""
        run = as_run(model)
        run.folder.require_finished()
        self._input, answer = run.input, cast(Any, run.answer)
        self._require_spoken()
        with console.timed("loading the model"):
            load_backend()
            from kfine.models.language import TokenStream

            self._stream = TokenStream(run.model, answer.ends)
        return answer

    def _ask_file(self, model: TrainedRun | str | Path, console: Console) -> Any:
        """Have a file write; its answer."""
        assert not isinstance(model, TrainedRun)
        path = find_model(model)
        if kind_of(path) != "litertlm":
            raise ConfigError(
                "chat talks with a run or a .litertlm file, and predict asks all others. Received: "
                f"{path}"
            )
        warn_if_refused(path, console)
        with console.timed("loading the model"):
            self._stream = cast("LanguageFile", load_file(path))
        self._input, self._room = self._stream.input, self._stream.room
        self._require_spoken()
        return self._stream.answer

    def _require_spoken(self) -> None:
        if not hasattr(self._input, "spoken"):
            raise ConfigError(
                "chat is for a model that writes text, such as one of text_generation. Received: "
                f"one of {self._input.many}"
            )

    def say(self, text: str) -> Iterator[str]:
        """Say something; the reply in pieces, as they are written.

        The turn is remembered once the reply is whole.
        """
        turns = [*self.turns, (USER, text)]
        prompt = self._input.spoken([*self._system, *turns])
        most = REMEMBERED if self._room is None else self._room - self._longest
        while len(prompt) > most and len(turns) > 2:
            turns = turns[2:]
            prompt = self._input.spoken([*self._system, *turns])
        if self._room is not None and len(prompt) > most:
            raise ConfigError(
                f"A message may have {most} tokens, where its reply may have {self._longest}. "
                f"Received: {len(prompt)}"
            )
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
