"""WordPiece in a TensorFlow graph: the ids and the places of the tokenizer in plain Python."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kfine.inputs.text.graph_tokenizer import Pieces, before, characters
from kfine.inputs.text.tokenizers.standalone import WordPiece

if TYPE_CHECKING:
    from kfine.inputs.text.tokenizers import TokenizerFiles

# Above all letters that have a lower case or accents, by planes of Unicode.
_ABOVE = 0x30000
_LETTER, _DROPPED, _SPACE, _ALONE, _MARK = range(5)
_BLANK = " "
_NONE = np.int64(-1)


class Chars(NamedTuple):
    """The characters of texts, flat, each `(characters,)`.

    Attributes:
        codes: Code points, int32.
        rows: Text that each is of, int64.
        starts: Its place in that text as it was given, int32.
        ends: The place behind it, int32.
    """

    codes: Any
    rows: Any
    starts: Any
    ends: Any

    def where(self, kept: Any) -> Chars:
        """Those where `kept` `(characters,)` is true."""
        import tensorflow as tf

        return Chars(*(tf.boolean_mask(one, kept) for one in self))


class GraphWords:
    """Texts to word pieces, character by character with the tables of the plain tokenizer.

    What Unicode says of a character is asked when the graph is made, so that it does not depend
    on the versions that TensorFlow's own operations know.

    Args:
        files: Of a WordPiece tokenizer.
    """

    def __init__(self, files: TokenizerFiles) -> None:
        import tensorflow as tf
        import tensorflow_text as tf_text

        from kfine.inputs.text.tokenizers.from_preset import tokenizer_of

        description = files.description
        self.vocabulary = tokenizer_of(files).vocabulary
        plain = WordPiece(description, self.vocabulary)
        kinds = {"dropped": _DROPPED, "spaces": _SPACE, "alone": _ALONE, "marks": _MARK}
        if description["split_cjk"]:
            kinds["cjk"] = _ALONE
        ranges = plain.classes.ranges
        self._kinds = _Ranges((one, last, kinds.get(name, _LETTER)) for one, last, name in ranges)
        marks = [(one, last) for one, last, name in ranges if name in ("marks", "ordered")]
        codes = (code for first, last in marks for code in range(first, last + 1))
        self._order = _Ranges((code, code, plain.order(chr(code))) for code in codes)
        strips, lowers = description["strip_accents"], description["lowercase"]
        self._parts = _Mapping(plain.parts) if strips else None
        self._lower = _Mapping(plain.lower) if lowers else None
        self._longest = description["max_word_characters"]
        self._unknown = description["unknown_token"]
        suffix = description["suffix_indicator"]
        # An empty line, or one that stands again below, is a number that no word has.
        pieces = [f"{_BLANK}{number}" for number in range(1 + max(self.vocabulary.values()))]
        for token, number in self.vocabulary.items():
            pieces[number] = token or pieces[number]
        self._sizes = np.array([len(one.removeprefix(suffix)) for one in pieces], np.int64)
        self._specials = description["special_tokens_in_text"]
        self._word_pieces = tf_text.FastWordpieceTokenizer(
            vocab=pieces,
            suffix_indicator=suffix,
            unknown_token=self._unknown,
            max_bytes_per_word=4 * self._longest,
            token_out_type=tf.int32,
            no_pretokenization=True,
        )

    def pieces(self, text: Any) -> Pieces:
        """Strings `(batch,)` to their pieces."""
        if not self._specials:
            return self._pieces(text)
        import tensorflow as tf
        import tensorflow_text as tf_text

        special = "|".join(map(_quoted, sorted(self._specials, key=len, reverse=True)))
        parts, begins, ends = tf_text.regex_split_with_offsets(text, special, special)
        begins, ends = characters(text, begins, ends)
        flat = parts.flat_values
        numbers = tf.fill(tf.shape(flat), -1)
        for token in self._specials:
            numbers = tf.where(flat == token, self.vocabulary[token], numbers)
        found = self._pieces(tf.where(numbers < 0, flat, ""))
        shift = tf.gather(begins.flat_values, found.ids.value_rowids())
        own = tf.cast(numbers >= 0, tf.int64)
        alone = (
            tf.RaggedTensor.from_row_lengths(tf.boolean_mask(one, numbers >= 0), own)
            for one in (numbers, begins.flat_values, ends.flat_values)
        )
        placed = (
            found.ids,
            found.starts.with_flat_values(found.starts.flat_values + shift),
            found.ends.with_flat_values(found.ends.flat_values + shift),
        )
        both = (tf.concat(pair, axis=1) for pair in zip(placed, alone, strict=True))
        return Pieces(*(parts.with_flat_values(one).merge_dims(1, 2) for one in both))

    def _pieces(self, text: Any) -> Pieces:
        import tensorflow as tf

        codes = tf.strings.unicode_decode(text, "UTF-8")
        places = tf.ragged.range(tf.cast(codes.row_lengths(), tf.int32)).flat_values
        chars = Chars(codes.flat_values, codes.value_rowids(), places, places + 1)
        chars, words = self._words(self._normalized(chars))
        count = tf.reduce_max(tf.concat([words, [_NONE]], 0)) + 1
        spelt = tf.RaggedTensor.from_value_rowids(chars.codes, words, count)
        is_long = spelt.row_lengths() > self._longest
        strings = tf.where(is_long, self._unknown, tf.strings.unicode_encode(spelt, "UTF-8"))
        ids = self._word_pieces.tokenize(strings)

        # Where the sizes of the pieces do not add up, the word is one unknown piece.
        word, size = ids.value_rowids(), tf.gather(tf.constant(self._sizes), ids.flat_values)
        sizes = ids.with_flat_values(size)
        is_known = ~is_long & (tf.reduce_sum(sizes, axis=1) == spelt.row_lengths())
        is_known = tf.gather(is_known, word)
        first = tf.gather(spelt.row_splits, word)
        last = tf.gather(spelt.row_splits, word + 1) - 1
        own = first + before(sizes)
        first, last = tf.where(is_known, own, first), tf.where(is_known, own + size - 1, last)
        flat = ids.flat_values, tf.gather(chars.starts, first), tf.gather(chars.ends, last)
        rows = tf.gather(chars.rows, first)
        return Pieces(
            *(tf.RaggedTensor.from_value_rowids(one, rows, codes.nrows()) for one in flat)
        )

    def _normalized(self, chars: Chars) -> Chars:
        import tensorflow as tf

        kinds = self._kinds(chars.codes)
        codes = tf.where(kinds == _SPACE, ord(_BLANK), chars.codes)
        chars = chars._replace(codes=codes).where(kinds != _DROPPED)
        if self._parts is not None:
            chars = self._without_marks(self._parts(chars))
        return chars if self._lower is None else self._lower(chars)

    def _without_marks(self, chars: Chars) -> Chars:
        import tensorflow as tf

        order = self._order(chars.codes)
        runs = tf.cumsum(tf.cast((order == 0) | _is_first(chars.rows), tf.int32))
        chars = Chars(
            *(tf.gather(one, tf.argsort(runs * 256 + order, stable=True)) for one in chars)
        )
        is_kept = self._kinds(chars.codes) != _MARK
        # A mark belongs to the character before it.
        letter = tf.cumsum(tf.cast(is_kept, tf.int32)) - 1
        kept = chars.where(is_kept)
        own = (letter >= 0) & (tf.gather(tf.concat([kept.rows, [_NONE]], 0), letter) == chars.rows)
        ends = tf.math.unsorted_segment_max(
            tf.where(own, chars.ends, 0), tf.where(own, letter, 0), tf.size(kept.codes)
        )
        return kept._replace(ends=ends)

    def _words(self, chars: Chars) -> tuple[Chars, Any]:
        """The characters of words, and the number of the word of each, int64."""
        import tensorflow as tf

        is_space = chars.codes == ord(_BLANK)
        is_alone = self._kinds(chars.codes) == _ALONE
        parts = tf.concat([[True], (is_space | is_alone)[:-1]], 0)[: tf.size(chars.codes)]
        is_first = ~is_space & (is_alone | parts | _is_first(chars.rows))
        words = tf.cumsum(tf.cast(is_first, tf.int64)) - 1
        return chars.where(~is_space), tf.boolean_mask(words, ~is_space)


class _Ranges:
    """A small number of each character: of those in sorted ranges, else 0."""

    def __init__(self, ranges: Iterable[tuple[int, int, int]]) -> None:
        starts, values = [-1], [0]
        for first, last, number in ranges:
            # The start of this one is the end of the one before, where they touch.
            if starts[-1] == first:
                starts.pop(), values.pop()
            starts += [first, last + 1]
            values += [number, 0]
        self._starts, self._values = np.array(starts, np.int32), np.array(values, np.int32)

    def __call__(self, codes: Any) -> Any:
        import tensorflow as tf

        place = tf.searchsorted(tf.constant(self._starts), codes, side="right") - 1
        return tf.gather(tf.constant(self._values), place)


class _Mapping:
    """What each character becomes, kept for those that change."""

    def __init__(self, become: Callable[[str], str]) -> None:
        changed = {char: to for char in map(chr, range(_ABOVE)) if (to := become(char)) != char}
        self._keys = np.array([*map(ord, changed), sys.maxunicode + 1], np.int32)
        self._lengths = np.array([*map(len, changed.values()), 1], np.int32)
        self._starts = np.cumsum(self._lengths, dtype=np.int32) - self._lengths
        self._values = np.array([*map(ord, "".join(changed.values())), 0], np.int32)

    def __call__(self, chars: Chars) -> Chars:
        import tensorflow as tf

        place = tf.searchsorted(tf.constant(self._keys), chars.codes)
        changes = tf.gather(tf.constant(self._keys), place) == chars.codes
        lengths = tf.where(changes, tf.gather(tf.constant(self._lengths), place), 1)
        owners = tf.repeat(tf.range(tf.size(lengths)), lengths)
        within = tf.range(tf.size(owners)) - tf.gather(tf.cumsum(lengths, exclusive=True), owners)
        chars = Chars(*(tf.gather(one, owners) for one in chars))
        start = tf.gather(tf.gather(tf.constant(self._starts), place), owners)
        changes = tf.gather(changes, owners)
        found = tf.gather(tf.constant(self._values), tf.where(changes, start + within, 0))
        return chars._replace(codes=tf.where(changes, found, chars.codes))


def _is_first(rows: Any) -> Any:
    """Whether each of sorted rows is another than the one before."""
    import tensorflow as tf

    return tf.concat([[_NONE], rows], 0)[:-1] != rows


def _quoted(token: str) -> str:
    return "".join(char if char.isalnum() else f"\\{char}" for char in token)
