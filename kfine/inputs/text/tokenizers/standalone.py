"""Text to token ids in plain Python: WordPiece and byte-level BPE, as a `tokenizer.json` says.

This one file needs nothing but Python's standard library. It gives the ids that the model was
trained with, and where each token stands in the text:

    tokenizer = load("bundle")                    # the folder that holds tokenizer.json
    encoding = tokenizer.encode("A fine film.")   # or encode_pair(question, context)
    encoding.token_ids, encoding.padding_mask, encoding.segment_ids, encoding.offsets

    python tokenizer.py bundle "A fine film."     # the same as JSON

Sources: BERT's words and pieces, https://github.com/google-research/bert/blob/master/tokenization.py
and https://arxiv.org/abs/2012.15524, with the characters of the `tokenizers` library; byte-level
BPE, the encoder of GPT-2, https://github.com/openai/gpt-2/blob/master/src/encoder.py.
"""

from __future__ import annotations

import heapq
import json
import re
import sys
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

# KerasHub marks the places where GPT-2's expression looks ahead with this digit, and then loses
# the digit wherever it ends a number in the text itself.
_MARK = "६"
_SPACES = "\xa0\u2009\u202f\u3000"
_WHITE = f"\\t\\n\\f\\r {_SPACES}"
# Reads a shape: letters outside ASCII as z, digits as 0, other characters as a dot.
_WORDS = re.compile(
    f"'s|'t|'re|'ve|'m|'ll|'d|[{_WHITE}]+[\\n\\r\\t\\f{_MARK}{_SPACES}]| ?[A-Za-z]+"
    f"| ?[0-9{_MARK}]+| ?[^{_WHITE}A-Za-z0-9{_MARK}]+"
)


class Char(NamedTuple):
    """A character, perhaps normalised, and the span of the text that it comes from."""

    char: str
    start: int
    end: int


class Token(NamedTuple):
    """A token's id, and the span `text[start:end]` that it stands for, in characters."""

    id: int
    start: int
    end: int


@dataclass(frozen=True)
class Encoding:
    """What the model takes, and how it maps to the text; all lists have the same length.

    Attributes:
        token_ids: With start, separator, end and padding.
        padding_mask: 1 for a token, 0 for padding.
        segment_ids: 0 for the first text and what surrounds it, 1 for the second.
        offsets: Span of each token in its own text, in characters; None for tokens that stand
            for no text.
        tokens_cut: How many tokens of the texts did not fit.
    """

    token_ids: list[int]
    padding_mask: list[int]
    segment_ids: list[int]
    offsets: list[tuple[int, int] | None]
    tokens_cut: int


class Classes:
    """Classes of characters.

    Args:
        table: Name of a class -> its ranges of code points, such as `"41-5A 61"`.

    Attributes:
        ranges: First and last code point and class of each range, sorted.
    """

    def __init__(self, table: Mapping[str, str]) -> None:
        self.ranges = sorted((*ends, name) for name in table for ends in _ranges(table[name]))
        self._known: dict[str, str | None] = {}

    def of(self, char: str) -> str | None:
        """The class of a character, if it is in one."""
        if char not in self._known:
            code = ord(char)
            place = bisect_right(self.ranges, code, key=lambda one: one[0]) - 1
            _, last, name = self.ranges[place] if place >= 0 else (0, -1, None)
            self._known[char] = name if code <= last else None
        return self._known[char]


def _ranges(text: str) -> Iterator[tuple[int, int]]:
    """First and last of ranges of hexadecimal numbers: `"41-5A 61"`."""
    for one in text.split():
        first, _, last = one.partition("-")
        yield int(first, 16), int(last or first, 16)


class Tokenizer:
    """The frame of both kinds: special tokens, truncation and padding."""

    unknown_id: int | None = None

    def __init__(self, description: Mapping[str, Any], vocabulary: Mapping[str, int]) -> None:
        self.description = dict(description)
        self.vocabulary = dict(vocabulary)
        self.sequence_length: int | None = description.get("sequence_length")
        self._start, self._separator, self._end = (
            [self._special_id(token) for token in description[name]]
            for name in ("start", "separator", "end")
        )
        self._padding = self._special_id(description["padding"])
        found = sorted(description.get("special_tokens_in_text", []), key=len, reverse=True)
        self._specials = {token: self._special_id(token) for token in found}
        self._special_pattern = re.compile("|".join(map(re.escape, found)) or r"(?!)")

    def _special_id(self, token: str) -> int:
        if token not in self.vocabulary:
            raise ValueError(f"The vocabulary lacks the special token {token!r}.")
        return self.vocabulary[token]

    def tokenize(self, text: str) -> list[Token]:
        """The tokens of a text, without special tokens, truncation or padding."""
        raise NotImplementedError

    def encode(self, text: str, sequence_length: int | None = None) -> Encoding:
        """What the model takes for one text.

        Args:
            text: Any text.
            sequence_length: Tokens in all, instead of the description's; where neither gives
                one, nothing is cut or padded.

        Raises:
            ValueError: The special tokens alone do not fit.
        """
        return self.pack([self.tokenize(text)], sequence_length)

    def encode_pair(self, first: str, second: str, sequence_length: int | None = None) -> Encoding:
        """What the model takes for two texts; see `encode`."""
        return self.pack([self.tokenize(first), self.tokenize(second)], sequence_length)

    def pack(
        self, segments: Sequence[Sequence[Token]], sequence_length: int | None = None
    ) -> Encoding:
        """Put tokens of one or more texts between special tokens; see `encode`."""
        length = self.sequence_length if sequence_length is None else sequence_length
        extra = len(self._start) + len(self._separator) * (len(segments) - 1) + len(self._end)
        lengths = [len(segment) for segment in segments]
        if length is not None:
            if length < extra:
                raise ValueError(f"A sequence_length of {length} cannot hold {extra} special ids.")
            lengths = _shares(lengths, length - extra, self.description["truncate"])
        rows: list[tuple[int, int, tuple[int, int] | None]] = [
            (one, 0, None) for one in self._start
        ]
        for number, (segment, kept) in enumerate(zip(segments, lengths, strict=True)):
            rows += [(token.id, number, (token.start, token.end)) for token in segment[:kept]]
            closing = self._end if number == len(segments) - 1 else self._separator
            rows += [(one, number, None) for one in closing]
        rows += [(self._padding, 0, None)] * ((length or 0) - len(rows))
        return Encoding(
            [token for token, *_ in rows],
            [int(token != self._padding) for token, *_ in rows],
            [segment for _, segment, _ in rows],
            [span for *_, span in rows],
            sum(map(len, segments)) - sum(lengths),
        )


def _shares(lengths: Sequence[int], budget: int, truncate: str) -> list[int]:
    """How many tokens of each segment are kept: in turns, or the first ones first."""
    kept = [0] * len(lengths)
    if truncate == "waterfall":
        for number, length in enumerate(lengths):
            kept[number] = min(length, budget - sum(kept))
        return kept
    while sum(kept) < min(budget, sum(lengths)):
        for number, length in enumerate(lengths):
            kept[number] += kept[number] < length and sum(kept) < budget
    return kept


class WordPiece(Tokenizer):
    """Words at white space, punctuation and CJK, as BERT's; each the longest pieces first."""

    def __init__(self, description: Mapping[str, Any], vocabulary: Mapping[str, int]) -> None:
        super().__init__(description, vocabulary)
        self._unknown = self.unknown_id = self._special_id(description["unknown_token"])
        table = dict(description["unicode"])
        lower, whole = table.pop("lower"), table.pop("whole")
        self.classes = Classes(table)
        # What Unicode says of a character is pinned where that depends on its version.
        self._lower = {
            chr(code): chr(code - first + int(to, 16))
            for codes, to in lower.items()
            for first, last in _ranges(codes)
            for code in range(first, last + 1)
        }
        self._apart = {
            chr(code): chr(code)
            for first, last in _ranges(whole)
            for code in range(first, last + 1)
        }

    def kind(self, char: str) -> str | None:
        """`dropped`, `spaces`, `alone`, `cjk`, `marks`, `ordered`, or `None` for a letter."""
        return self.classes.of(char)

    def lower(self, char: str) -> str:
        """A character by itself in lower case."""
        if char not in self._lower:
            self._lower[char] = char.lower()
        return self._lower[char]

    def tokenize(self, text: str) -> list[Token]:
        tokens: list[Token] = []
        place = 0
        for special in [*self._special_pattern.finditer(text), None]:
            end = special.start() if special else len(text)
            for word in self._words(self._normalized(text, place, end)):
                tokens += self._pieces(word)
            if special:
                tokens.append(Token(self._specials[special[0]], *special.span()))
                place = special.end()
        return tokens

    def _normalized(self, text: str, start: int, end: int) -> list[Char]:
        chars = list(self._clean(text, start, end))
        if self.description["strip_accents"]:
            chars = self._without_marks(chars)
        if self.description["lowercase"]:
            chars = [Char(to, *span) for char, *span in chars for to in self.lower(char)]
        return chars

    def _clean(self, text: str, start: int, end: int) -> Iterator[Char]:
        """Without control characters, and a plain space for each other."""
        for place in range(start, end):
            kind = self.kind(text[place])
            if kind != "dropped":
                yield Char(" " if kind == "spaces" else text[place], place, place + 1)

    def _without_marks(self, chars: Iterable[Char]) -> list[Char]:
        """Letters and accents apart, and without the accents (NFD, and no category Mn)."""
        kept: list[Char] = []
        apart = (Char(part, start, end) for one, start, end in chars for part in self.parts(one))
        for char in self._in_order(apart):
            if self.kind(char.char) != "marks":
                kept.append(char)
            elif kept:
                kept[-1] = kept[-1]._replace(end=max(kept[-1].end, char.end))
        return kept

    def _in_order(self, chars: Iterable[Char]) -> Iterator[Char]:
        """The marks behind each letter in the canonical order of Unicode."""
        marks: list[Char] = []
        for char in chars:
            if self.order(char.char):
                marks.append(char)
                continue
            yield from sorted(marks, key=lambda one: self.order(one.char))
            yield char
            marks = []
        yield from sorted(marks, key=lambda one: self.order(one.char))

    def order(self, char: str) -> int:
        """The canonical combining class of a mark; 0 for what is not put in order."""
        if self.kind(char) in ("marks", "ordered"):
            return unicodedata.combining(char)
        return 0

    def parts(self, char: str) -> str:
        """Letter and accents of a character apart (NFD)."""
        if char not in self._apart:
            self._apart[char] = unicodedata.normalize("NFD", char)
        return self._apart[char]

    def _words(self, chars: Iterable[Char]) -> Iterator[list[Char]]:
        word: list[Char] = []
        kinds = ("alone", "cjk") if self.description["split_cjk"] else ("alone",)
        for char in chars:
            alone = self.kind(char.char) in kinds
            if char.char != " " and not alone:
                word.append(char)
                continue
            if word:
                yield word
            if alone:
                yield [char]
            word = []
        if word:
            yield word

    def _pieces(self, word: list[Char]) -> list[Token]:
        plain = "".join(char for char, *_ in word)
        unknown = [Token(self._unknown, word[0].start, word[-1].end)]
        if len(word) > self.description["max_word_characters"]:
            return unknown
        tokens: list[Token] = []
        start = 0
        while start < len(plain):
            prefix = self.description["suffix_indicator"] if start else ""
            for end in range(len(plain), start, -1):
                piece = self.vocabulary.get(prefix + plain[start:end])
                if piece is not None:
                    tokens.append(Token(piece, word[start].start, word[end - 1].end))
                    start = end
                    break
            else:
                return unknown
        return tokens


class BytePair(Tokenizer):
    """Words as GPT-2 cuts them; the bytes of each joined by rank."""

    def __init__(
        self,
        description: Mapping[str, Any],
        vocabulary: Mapping[str, int],
        merges: Sequence[str],
    ) -> None:
        super().__init__(description, vocabulary)
        self.classes = Classes(description["unicode"])
        self._byte_chars = _byte_chars()
        missing = [char for char in self._byte_chars if char not in self.vocabulary]
        if missing:
            raise ValueError(f"The vocabulary lacks {len(missing)} of the 256 bytes.")
        rules = [tuple(line.split()) for line in merges if line and "#version:" not in line]
        self._ranks = {rule: rank for rank, rule in enumerate(rules)}

    def tokenize(self, text: str) -> list[Token]:
        shift = 1 if self.description["add_prefix_space"] else 0
        return [
            Token(token, max(start - shift, 0), end - shift)
            for word in self._words(" " * shift + text)
            for token, start, end in self._pieces(word)
        ]

    def _words(self, text: str) -> Iterator[list[Char]]:
        chars = _marked(text)
        plain = "".join(char for char, *_ in chars)
        place = 0
        for special in [*self._special_pattern.finditer(plain), None]:
            part = chars[place : special.start() if special else len(chars)]
            for start, end in _cut("".join(self._shape(char) for char, *_ in part)):
                last = end - 1 if part[end - 1].char in f" \t\r\f\v{_MARK}{_SPACES}" else end
                for word in (part[start:last], part[last:end]):
                    if "".join(char for char, *_ in word) != _MARK:
                        yield word
            if special:
                place = special.end()
                yield chars[special.start() : place]

    def _shape(self, char: str) -> str:
        if char.isascii() or char in _MARK + _SPACES:
            return char
        kind = self.classes.of(char) or unicodedata.category(char)[0]
        return {"letters": "z", "L": "z", "numbers": "0", "N": "0"}.get(kind, ".")

    def _pieces(self, word: list[Char]) -> Iterator[Token]:
        plain = "".join(char for char, *_ in word)
        if plain in self._specials:
            yield Token(self._specials[plain], word[0].start, word[-1].end)
            return
        source = [char for char in word for _ in char.char.encode()]
        place = 0
        for symbol in _merge([self._byte_chars[byte] for byte in plain.encode()], self._ranks):
            first, last = source[place], source[place + len(symbol) - 1]
            # The space in front of a word belongs to its token, not to the span that it names.
            start = first.end if first.char == " " and first != last else first.start
            yield Token(self.vocabulary[symbol], start, last.end)
            place += len(symbol)


def _marked(text: str) -> list[Char]:
    """The text with a mark before each space that belongs to the word behind it."""
    marks = {match.start() for match in re.finditer(f" (?=[^{_WHITE}])", text)}
    if re.search(f"[\t\n\f\r ]{_SPACES}\\Z", text):
        marks.add(len(text))
    chars: list[Char] = []
    for place in range(len(text) + 1):
        if place in marks:
            chars.append(Char(_MARK, place, place))
        chars += [Char(char, place, place + 1) for char in text[place : place + 1]]
    return chars


def _cut(shape: str) -> Iterator[tuple[int, int]]:
    """Spans of the expression's matches and of what is left between them."""
    place = 0
    for match in _WORDS.finditer(shape):
        if match.start() > place:
            yield place, match.start()
        yield match.span()
        place = match.end()
    if place < len(shape):
        yield place, len(shape)


def _merge(symbols: list[str], ranks: Mapping[tuple[str, ...], int]) -> list[str]:
    """Join the pair of lowest rank, the leftmost first, until no pair has a rank."""
    after = list(range(1, len(symbols) + 1))
    before = list(range(-1, len(symbols) - 1))
    queue: list[tuple[int, int, tuple[str, str]]] = []

    def offer(left: int) -> None:
        if left >= 0 and after[left] < len(symbols):
            pair = (symbols[left], symbols[after[left]])
            if pair in ranks:
                heapq.heappush(queue, (ranks[pair], left, pair))

    for place in range(len(symbols)):
        offer(place)
    while queue:
        _, left, pair = heapq.heappop(queue)
        right = after[left]
        if right == len(symbols) or (symbols[left], symbols[right]) != pair:
            continue
        symbols[left], symbols[right] = "".join(pair), ""
        after[left] = after[right]
        if after[left] < len(symbols):
            before[after[left]] = left
        offer(before[left])
        offer(left)
    return [symbol for symbol in symbols if symbol]


def _byte_chars() -> list[str]:
    """The printable character that stands for each byte in the vocabulary."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte if byte in printable else 256 + others.index(byte)) for byte in range(256)]


def load(folder: Path | str) -> Tokenizer:
    """Read `tokenizer.json` and the files that it names.

    Raises:
        ValueError: The description is of another format or kind, or does not fit its vocabulary.
        OSError: A file is missing.
    """
    folder = Path(folder)
    description = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    if description.get("format") != "kfine-tokenizer-2":
        raise ValueError(f"{folder / 'tokenizer.json'} is not in the format kfine-tokenizer-2.")
    kind = description["kind"]
    if kind == "sentencepiece":
        raise ValueError(
            f"This tokenizer is a SentencePiece model, which plain Python does not run: read "
            f"{folder / description['model']} with the sentencepiece library."
        )
    if kind not in ("wordpiece", "bpe"):
        raise ValueError(f"A tokenizer is of kind wordpiece, bpe or sentencepiece, not {kind!r}.")
    text = (folder / description["vocabulary"]).read_text(encoding="utf-8")
    if kind == "bpe":
        merges = (folder / description["merges"]).read_text(encoding="utf-8")
        return BytePair(description, json.loads(text), merges.split("\n"))
    lines = text.removesuffix("\n").split("\n")
    return WordPiece(description, {line.rstrip(): number for number, line in enumerate(lines)})


if __name__ == "__main__":
    print(json.dumps(asdict(load(sys.argv[1]).encode(sys.argv[2]))))
