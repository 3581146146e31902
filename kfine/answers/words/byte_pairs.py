"""A byte-pair vocabulary that turns words into tokens and back, as Whisper and GPT-2 do."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kfine.errors import ConfigError

if TYPE_CHECKING:
    from kfine.answers.words.words import Words

# Stands for a space at the beginning of a token.
_SPACE = "\u0120"


@dataclass(frozen=True)
class BytePairs:
    """Tokens of text: their number is their place.

    Attributes:
        tokens: In the letters that stand for bytes.
        merges: Pairs with a space between them, the first merged first.
    """

    tokens: tuple[str, ...]
    merges: tuple[str, ...]

    def encode(self, text: str) -> list[int]:
        """The tokens of a text, a space before it."""
        return list(self._library.encode(f" {text.strip()}").ids)

    def decode(self, numbers: Sequence[int]) -> str:
        """The text of tokens, without the space around it; what is no text is left out."""
        known = [one for one in numbers if 0 <= one < len(self.tokens)]
        return str(self._library.decode(known, skip_special_tokens=False)).strip()

    @property
    def space(self) -> int | None:
        """The token of a space alone."""
        return self.tokens.index(_SPACE) if _SPACE in self.tokens else None

    @cached_property
    def _library(self) -> Any:
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers

        numbers = {token: number for number, token in enumerate(self.tokens)}
        pairs = [(one.split(" ")[0], one.split(" ")[1]) for one in self.merges]
        found = Tokenizer(models.BPE(numbers, pairs))
        found.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        found.decoder = decoders.ByteLevel()
        return found

    def packed(self) -> str:
        """Both as text, small enough to lie in a file's description."""
        content = json.dumps([self.tokens, self.merges], ensure_ascii=False).encode()
        return base64.b64encode(zlib.compress(content, 9)).decode("ascii")

    @classmethod
    def unpacked(cls, text: str) -> BytePairs:
        """Read what `packed` gave.

        Raises:
            ValueError, zlib.error: It is damaged.
        """
        tokens, merges = json.loads(zlib.decompress(base64.b64decode(text)))
        return cls(tuple(map(str, tokens)), tuple(map(str, merges)))


def words_of_preset(handle: str, language: str | None, longest: int | None, labels: Any) -> Words:
    """The words that a preset of Whisper knows.

    Args:
        handle: As KerasHub's `from_preset` takes it.
        language: Such as `de`, of a multilingual preset; `None` for English.
        longest: Tokens of the longest transcript; twice what any training transcript has and at
            least 32 if `None`.
        labels: Transcripts that it learns from.

    Raises:
        ConfigError: The preset does not know the language.
    """
    import keras_hub

    from kfine.answers.words.words import MOST, Words

    tokenizer = keras_hub.models.WhisperTokenizer.from_preset(handle)
    end = tokenizer.eos_token_id
    tokens = _before(tokenizer.vocabulary, end)
    pairs = BytePairs(tokens, tuple(tokenizer.merges))
    start = [tokenizer.bos_token_id]
    spoken = tokenizer.language_tokens or {}
    if spoken:
        wanted = f"<|{language or 'en'}|>"
        if wanted not in spoken:
            known = ", ".join(sorted(one.strip("<|>") for one in spoken))
            raise ConfigError(f"language is one of {known}. Received: {language}")
        start += [spoken[wanted], tokenizer.transcribe_token_id]
    elif language not in (None, "en"):
        raise ConfigError(
            f"{handle} knows English alone; leave out language, or take a multilingual preset. "
            f"Received: {language}"
        )
    if longest is None:
        most = max((len(pairs.encode(one)) + 1 for one in labels), default=0)
        longest = min(MOST, max(32, 2 * most))
    return Words(pairs, (*start, tokenizer.no_timestamps_token_id), end, longest)


def _before(vocabulary: Mapping[str, int], end: int) -> tuple[str, ...]:
    """The tokens of text, which come before those that mean something."""
    found = {number: token for token, number in vocabulary.items() if number < end}
    return tuple(found.get(number, "") for number in range(end))
