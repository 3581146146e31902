"""From texts to token ids: the same in training, in evaluation and on a phone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np

from kfine.data.lengths import Lengths
from kfine.data.tokenizers.from_preset import (
    TokenizerFiles,
    read_files,
    read_tokenizer,
    tokenizer_of,
    usable,
    write_tokenizer,
)
from kfine.models.presets import Preset, longest_text

MEDIUM = "text"
# Where a run keeps its tokenizer.
FOLDER = "tokenizer"
# Lengths that are chosen are multiples of this.
LENGTH_STEP = 8
# Longer texts are rare in what is classified, and attention costs the square.
MOST_TOKENS = 256


@dataclass(frozen=True)
class TextPreprocessing:
    """Tokenization to a fixed number of tokens, in plain Python.

    Attributes:
        files: The tokenizer, its sequence length set.
        inputs: What the model takes of `token_ids`, `padding_mask` and `segment_ids`.
    """

    files: TokenizerFiles
    inputs: tuple[str, ...] = ("padding_mask", "token_ids")

    medium = MEDIUM
    # What the rows stand for; `read` finds the class by it.
    kind = "texts"
    # How an example is asked for, what a row of a file holds, and what becomes of a longer one.
    wanted = "A text to predict must be a str or a tuple of two"
    row = "one text"
    longer = "a longer text is cut"
    # Batches need nothing more: ids are what the model takes.
    prepare = None

    @property
    def sequence_length(self) -> int:
        """Tokens of an input, special tokens and padding included."""
        return int(self.files.description["sequence_length"])

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer in plain Python."""
        return tokenizer_of(self.files)

    def rows(self, texts: Iterable[Any]) -> dict[str, np.ndarray]:
        """Tokenize texts.

        Args:
            texts: Each a text, or a tuple of two.

        Returns:
            Name of a model's input -> int32 `(texts, sequence length)`.
        """
        encodings = [self._encode(one) for one in texts]
        return {
            name: np.array([getattr(one, name) for one in encodings], np.int32).reshape(
                len(encodings), self.sequence_length
            )
            for name in self.inputs
        }

    def encode(self, texts: Sequence[Any]) -> dict[str, np.ndarray]:
        """As `rows`: texts are stored as they come."""
        return self.rows(texts)

    def lengths(self, rows: dict[str, np.ndarray]) -> Lengths | None:
        """How many tokens each row uses; `None` for a model that is told no padding."""
        if "padding_mask" not in rows:
            return None
        used = rows["padding_mask"][range(len(rows["padding_mask"]))].sum(-1)
        return Lengths(used.astype(np.int64), (True,) * len(rows))

    def takes(self, example: Any) -> bool:
        """Whether something is an example that `rows` takes."""
        parts = example if isinstance(example, tuple) else (example,)
        return len(parts) <= 2 and all(isinstance(one, str) for one in parts)

    def portable(self, example: Any) -> Any:
        """An example as a program elsewhere can be given it, in one row."""
        return example

    def stated(self, example: Any) -> dict[str, Any]:
        """A portable example in JSON."""
        return {"text": list(example) if isinstance(example, tuple) else example}

    def program_values(self) -> dict[str, Any]:
        """What programs elsewhere have to know beside the tokenizer."""
        return {}

    def count(self, text: Any) -> int:
        """Tokens of a text or a tuple of two, special tokens included, before it is cut."""
        encoding = self._encode(text)
        return sum(encoding.padding_mask) + encoding.tokens_cut

    def _encode(self, text: Any) -> Any:
        if isinstance(text, tuple):
            return self.tokenizer.encode_pair(*text)
        return self.tokenizer.encode(text)

    def with_sequence_length(self, sequence_length: int) -> Self:
        """The same for inputs of another length in tokens."""
        return replace(self, files=self.files.with_sequence_length(sequence_length))

    def save(self, run: Path) -> None:
        """Write the tokenizer's files into a run folder."""
        write_tokenizer(self.files, run / FOLDER)

    def for_model(self, model: Any) -> Self:
        """The same with the inputs that a model has."""
        return replace(self, inputs=tuple(sorted(model.input)))

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able description; the vocabulary is in it as a hash."""
        hasher = hashlib.sha256(json.dumps(self.files.description, sort_keys=True).encode())
        for name in sorted(self.files.files):
            hasher.update(self.files.files[name])
        return {
            "medium": MEDIUM,
            "kind": self.kind,
            "sequence_length": self.sequence_length,
            "inputs": list(self.inputs),
            "tokenizer": self.files.description["class"],
            "tokenizer_sha256": hasher.hexdigest(),
        }

    @classmethod
    def read(cls, values: dict[str, Any], run: Path) -> TextPreprocessing:
        """Read what `to_dict` described and `save` wrote into a run folder."""
        return cls(read_files(run / FOLDER), tuple(values["inputs"]))

    def _named(self, arrays: Any) -> dict[str, np.ndarray]:
        """The model's inputs among the attributes of something, as int32."""
        return {name: np.asarray(getattr(arrays, name), np.int32) for name in self.inputs}


Kind = TypeVar("Kind", bound=TextPreprocessing)


def choose_sequence_length(counts: Sequence[int], most: int) -> int:
    """The length that 99 of 100 texts fit into.

    Args:
        counts: Tokens of each text, special tokens included.
        most: What the model can take, or what the user can wait for.
    """
    wanted = int(np.percentile(np.asarray(counts), 99, method="higher"))
    return min(most, -(-wanted // LENGTH_STEP) * LENGTH_STEP)


def text_preprocessing(
    preset: Preset,
    texts: Any,
    *,
    sequence_length: int | None = None,
    kind: type[Kind],
) -> tuple[Kind, str]:
    """The preprocessing of a text preset, of a length that suits the training texts.

    Args:
        preset: The preset.
        texts: The training texts, indexable with an integer array.
        sequence_length: Tokens of an input, if it is not to be chosen.
        kind: What is made of the texts.

    Returns:
        The preprocessing, and its length in words, with the share of texts that it cuts.

    Raises:
        PresetError: The preset has no tokenizer.
    """
    found = kind(read_tokenizer(preset, MOST_TOKENS))
    usable(preset, found.files)
    counts = [found.count(one) for one in texts[range(len(texts))]]
    most = min(MOST_TOKENS, longest_text(preset) or MOST_TOKENS)
    chosen = sequence_length or choose_sequence_length(counts, most)
    cut = sum(count > chosen for count in counts)
    words = f"{chosen} tokens: {cut} of {len(counts)} training texts are cut"
    return found.with_sequence_length(chosen), f"{words} ({cut / len(counts):.1%})"
