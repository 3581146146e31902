"""Language models in LiteRT: a prompt is read in pieces, and each token is written after the other.

Keys and values of earlier tokens stay in buffers that every call reads and writes in place, as
LiteRT-LM does it; handed through NumPy, a model of 135 million parameters wrote a third as fast.
"""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from kfine.backend import quiet_start
from kfine.errors import ExportError
from kfine.inputs import Shapes
from kfine.runtimes.exported import Exported, Tensors, first_line

# The facts of a file that say where in it the model lies, from byte to byte.
SECTION = "section"
DECODE, PREFILL = "decode", "prefill_{}"
# A prompt is read in pieces; the short ones still fit where little of the cache is left.
PIECES = (16, 128)
TOKENS, PLACES, MASK, LOGITS = "tokens", "input_pos", "mask", "logits"
# What the keys and values of each block are called, and what their names begin with.
KEYS, VALUES, KEPT = "kv_cache_k_{}", "kv_cache_v_{}", "kv_cache_"
# Added to the score of a token that must not be looked at.
UNSEEN = -1e9


@dataclass(frozen=True)
class Thought:
    """What a file thinks of a text, the tokens before each given.

    Attributes:
        loss: The sum of minus the natural logarithms of the tokens' probabilities.
        likeliest: The token that it finds likeliest in the place of each.
        seconds: What all tokens but the first took.
    """

    loss: float
    likeliest: list[int]
    seconds: float


class LanguageFile(Exported):
    """A `.litertlm` file, its model run by LiteRT.

    Attributes:
        room: Tokens that a prompt and its reply may have together.
    """

    def _load(self, threads: int | None) -> Shapes:
        from ai_edge_litert.compiled_model import CompiledModel
        from ai_edge_litert.options import CpuOptions, Options

        # All that the runtime made, so that it can be given back without what it says then.
        self._held: dict[str, Any] = {}
        weakref.finalize(self, _give_back, self._held)
        options = Options(cpu_options=CpuOptions(num_threads=threads or os.cpu_count() or 1))
        try:
            begin, end = (int(one) for one in self.info[SECTION])
            with self.path.open("rb") as file:
                file.seek(begin)
                self._content = file.read(end - begin)
            with quiet_start():
                self._held["model"] = CompiledModel.from_buffer(self._content, options=options)
                self._make_buffers()
            longest = int(self.input.device().sample()[self._given].shape[1])
            said = cast(Any, self.answer).generation
            self._ends, self._longest = tuple(said["ends"]), int(said["longest"])
        # What a made-up description leads to is not known.
        except (AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError) as error:
            message = f"{self.path} cannot be loaded by LiteRT: {first_line(error)}."
            raise ExportError(message) from error
        if longest + self._longest > self.room:
            raise ExportError(
                f"{self.path} is damaged: its cache of {self.room} tokens has no room for a prompt "
                f"of {longest} and a reply of {self._longest}."
            )
        return {self._given: (1, longest)}

    @property
    def _given(self) -> str:
        """What its input is called."""
        (name,) = self.input.device().sample()
        return name

    def _make_buffers(self) -> None:
        details = self._held["model"].get_input_tensor_details(DECODE)
        self.room = int(details[MASK]["shape"][-1])
        self._held["kept"] = kept = {}
        for name, one in details.items():
            if name.startswith(KEPT):
                buffer = self._held["model"].create_input_buffer_by_name(DECODE, name)
                buffer.write(np.zeros(one["shape"], np.float32))
                kept[name] = buffer
        self._held["inputs"] = {
            signature: {
                name: self._held["model"].create_input_buffer_by_name(signature, name)
                for name in (TOKENS, PLACES, MASK)
            }
            for signature in (DECODE, *map(PREFILL.format, PIECES))
        }
        shape = self._held["model"].get_output_tensor_details(DECODE)[LOGITS]["shape"]
        self._words = int(np.prod(shape))
        self._held["logits"] = self._held["model"].create_output_buffer_by_name(DECODE, LOGITS)

    def _run(self, tensors: Tensors) -> dict[str, np.ndarray]:
        from kfine.answers.said import CONFIDENCE
        from kfine.answers.said import TOKENS as SAID

        (row,) = tensors.values()
        said, logs = [], []
        for token, log in self._written([int(one) for one in row[0] if one >= 0], self._longest):
            said.append(self._ends[0] if token in self._ends else token)
            logs.append(log)
        row = np.full((1, self._longest), self._ends[0], np.float32)
        row[0, : len(said)] = said
        return {SAID: row, CONFIDENCE: np.exp(np.mean(logs, keepdims=True))}

    def write(self, prompt: Sequence[int], longest: int) -> Iterator[int]:
        """The likeliest tokens behind a prompt, each as soon as it is known, without the end.

        Args:
            prompt: Its tokens; with the reply at most `room`.
            longest: How many are written at most, the end included.
        """
        for token, _ in self._written(prompt, longest):
            if token in self._ends:
                return
            yield token

    def _written(self, prompt: Sequence[int], longest: int) -> Iterator[tuple[int, float]]:
        """Tokens with the logarithms of their probabilities, the one that ends them included."""
        logits = self.read(prompt)
        for number in range(longest):
            token = int(logits.argmax())
            yield token, float(-log_sum(logits - logits[token]))
            if token in self._ends:
                return
            if number + 1 < longest:
                logits = self.step(token, len(prompt) + number)

    def told(self, prompt: Sequence[int], reply: Sequence[int]) -> Thought:
        """What it thinks of a reply.

        Args:
            prompt: Tokens.
            reply: Tokens, the one that ends it included; not empty.
        """
        loss, likeliest = 0.0, []
        logits = self.read(prompt)
        start = time.perf_counter()
        for number, token in enumerate(reply):
            if number:
                logits = self.step(reply[number - 1], len(prompt) + number - 1)
            likeliest.append(int(logits.argmax()))
            loss += float(log_sum(logits - logits[token]))
        return Thought(loss, likeliest, time.perf_counter() - start)

    def read(self, prompt: Sequence[int]) -> np.ndarray:
        """Read a prompt, and say what follows: float32 logits `(vocabulary,)`."""
        place, last = 0, len(prompt) - 1
        while place < last:
            left = last - place
            count = max((one for one in PIECES if one <= left), default=min(PIECES))
            if place + count > self.room:
                self.step(prompt[place], place)
                place += 1
                continue
            piece = np.zeros(count, np.int32)
            # What is behind the prompt is not looked at, and written over.
            read = min(count, left)
            piece[:read] = prompt[place : place + read]
            self._call(PREFILL.format(count), piece, place, {})
            place += read
        return self.step(prompt[last], last)

    def step(self, token: int, place: int) -> np.ndarray:
        """Read the token at a place, and say what follows: float32 logits `(vocabulary,)`."""
        self._call(DECODE, np.array([token], np.int32), place, {LOGITS: self._held["logits"]})
        return np.asarray(self._held["logits"].read(self._words, np.float32))

    def _call(self, signature: str, tokens: np.ndarray, place: int, outputs: Any) -> None:
        inputs = self._held["inputs"][signature]
        places = np.arange(place, place + len(tokens), dtype=np.int32)
        seen = np.arange(self.room)[None] <= places[:, None]
        inputs[TOKENS].write(tokens[None])
        inputs[PLACES].write(places)
        inputs[MASK].write(np.where(seen, 0, UNSEEN).astype(np.float32)[None, None])
        self._held["model"].run_by_name(
            signature, {**inputs, **self._held["kept"]}, {**self._held["kept"], **outputs}
        )


def _give_back(held: dict[str, Any]) -> None:
    with quiet_start():
        held.clear()


def log_sum(values: np.ndarray) -> float:
    """The logarithm of the sum of exponentials."""
    most = float(values.max())
    return most + float(np.log(np.exp(values.astype(np.float64) - most).sum()))
