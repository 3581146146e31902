"""A tokenizer that does each text once, many at a time with the `tokenizers` library.

The library is several times as fast as plain Python, and has the same ids. It is given the texts of
which the places are the same too: without marks of their own, which here belong to the letter
before them.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from array import array
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

from kfine.inputs.text.tokenizers.standalone import Encoding, Token, Tokenizer

if TYPE_CHECKING:
    from kfine.inputs.text.tokenizers.from_preset import TokenizerFiles

# Tokens to keep, of 12 bytes each; those of all questions and contexts of SQuAD are five million.
_MOST_KEPT = 20_000_000
# With fewer texts plain Python is done before the library is ready.
_FEWEST = 64
# Of the vocabularies that were in use last: one length after another, and copies, share one.
_memories: OrderedDict[str, Memory] = OrderedDict()
_MOST_MEMORIES = 4


class Memory:
    """The tokens of texts, by content.

    Args:
        plain: What tokenizes where the library cannot, and says what is right.
        files: Of the same tokenizer.

    Attributes:
        tokenized: How many texts were tokenized so far.
    """

    def __init__(self, plain: Tokenizer, files: TokenizerFiles) -> None:
        self.plain = plain
        self.tokenized = 0
        self._files = files
        self._kept: OrderedDict[bytes, array[int]] = OrderedDict()
        self._size = 0
        # Character -> whether the library treats it as plain Python does.
        self._alike: dict[str, bool] = {}

    def tokens(self, text: str) -> list[Token]:
        """The tokens of a text."""
        key = _key(text)
        kept = self._kept.get(key)
        if kept is not None:
            return [Token(*row) for row in zip(kept[::3], kept[1::3], kept[2::3], strict=True)]
        tokens = self.plain.tokenize(text)
        self._keep(key, tokens)
        return tokens

    def read(self, texts: Iterable[str]) -> None:
        """Tokenize texts that are not known yet, as many as there are at once."""
        missing = {key: text for text in texts if (key := _key(text)) not in self._kept}
        if self.tokenized + len(missing) < _FEWEST or self._fast is None:
            return
        alike = {key: text for key, text in missing.items() if self._is_alike(text)}
        found = self._fast.encode_batch(list(alike.values()), add_special_tokens=False)
        for key, one in zip(alike, found, strict=True):
            self._keep(key, _rows(one))

    def _keep(self, key: bytes, rows: Sequence[tuple[int, int, int]]) -> None:
        self._kept[key] = array("i", chain.from_iterable(rows))
        self.tokenized += 1
        self._size += len(rows)
        while self._size > _MOST_KEPT and len(self._kept) > 1:
            self._size -= len(self._kept.popitem(last=False)[1]) // 3

    @cached_property
    def _fast(self) -> Any:
        """The library's tokenizer by the same rules; `None` where it has none."""
        description = self._files.description
        if description["kind"] != "wordpiece" or description["special_tokens_in_text"]:
            return None
        from tokenizers import Tokenizer as Fast
        from tokenizers import models, normalizers, pre_tokenizers

        model = models.WordPiece(
            self.plain.vocabulary,
            unk_token=description["unknown_token"],
            max_input_chars_per_word=description["max_word_characters"],
            continuing_subword_prefix=description["suffix_indicator"],
        )
        fast = Fast(model)
        fast.normalizer = normalizers.BertNormalizer(
            clean_text=True,
            handle_chinese_chars=description["split_cjk"],
            strip_accents=description["strip_accents"],
            lowercase=description["lowercase"],
        )
        fast.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        return fast

    def _is_alike(self, text: str) -> bool:
        if text.isascii() and text.isprintable():
            return True
        return all(map(self._treats_alike, set(text)))

    def _treats_alike(self, char: str) -> bool:
        """Whether a character gives the same tokens, alone, in a word and beside words."""
        found = self._alike.get(char)
        if found is None:
            is_mark = unicodedata.category(char).startswith("M") or unicodedata.combining(char)
            probes = (char, f"the{char}film", f"the {char} film", f"{char}s", 2 * char)
            found = not is_mark and all(
                _rows(self._fast.encode(one, add_special_tokens=False))
                == [tuple(token) for token in self.plain.tokenize(one)]
                for one in probes
            )
            self._alike[char] = found
        return found


class TokenizerOnce(Tokenizer):
    """A tokenizer with the memory of its vocabulary; `read` many texts before they are asked for.

    Args:
        memory: Shared with all of the same vocabulary and rules.
        sequence_length: Tokens of a row.
    """

    def __init__(self, memory: Memory, sequence_length: int | None) -> None:
        self._memory = memory
        self.vocabulary, self.unknown_id = memory.plain.vocabulary, memory.plain.unknown_id
        self.description = {**memory.plain.description, "sequence_length": sequence_length}
        self.sequence_length = sequence_length

    def read(self, texts: Iterable[str]) -> None:
        """Tokenize texts at once, which is faster than one by one."""
        self._memory.read(texts)

    def tokenize(self, text: str) -> list[Token]:
        """The tokens of a text, without special tokens, truncation or padding."""
        return self._memory.tokens(text)

    def pack(
        self, segments: Sequence[Sequence[Token]], sequence_length: int | None = None
    ) -> Encoding:
        """Put tokens of one or more texts between special tokens; see `encode`."""
        length = self.sequence_length if sequence_length is None else sequence_length
        return self._memory.plain.pack(segments, length)


def memory_of(files: TokenizerFiles, make: Any) -> Memory:
    """The memory of a tokenizer, made anew for one that is not in use.

    Args:
        files: Of the tokenizer.
        make: Makes it of its files.
    """
    description = {**files.description, "sequence_length": None}
    if description["kind"] == "sentencepiece":
        # It lives in a TensorFlow session, which may end.
        return Memory(make(files), files)
    hasher = hashlib.sha256(json.dumps(description, sort_keys=True).encode())
    for name in sorted(files.files):
        hasher.update(files.files[name])
    key = hasher.hexdigest()
    if key not in _memories:
        _memories[key] = Memory(make(files.with_sequence_length(None)), files)
        if len(_memories) > _MOST_MEMORIES:
            _memories.popitem(last=False)
    _memories.move_to_end(key)
    return _memories[key]


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _rows(encoding: Any) -> list[tuple[int, int, int]]:
    return [(one, *span) for one, span in zip(encoding.ids, encoding.offsets, strict=True)]
