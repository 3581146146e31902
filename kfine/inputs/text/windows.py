"""Questions with long contexts to rows for a model: overlapping windows of word pieces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kfine.errors import ConfigError
from kfine.inputs.text.examples import Question
from kfine.inputs.text.tokenizers import Encoding, Token, Tokenizer

# Pieces of a question, as in `run_squad.py`.
LONGEST_QUESTION = 64
Spans = NDArray[np.int32]


@dataclass(frozen=True)
class Windows:
    """Windows of contexts as a span finder takes them; one row a window, one column a piece.

    A row is start, question, separator, window of the context, end, padding: for BERT
    `[CLS] question [SEP] context [SEP]`, for RoBERTa `<s> question </s></s> context </s>`.

    Attributes:
        token_ids: int32 `(windows, pieces)`, the word pieces with special tokens and padding.
        padding_mask: bool `(windows, pieces)`, False for padding.
        segment_ids: int32 `(windows, pieces)`, 1 for the context and what closes it, else 0; None
            for models that take none.
        starts: int32 `(windows,)`, the column of the first piece of the answer; 0, which is the
            start token, where the window does not hold the whole answer.
        ends: int32 `(windows,)`, the column of its last piece, or 0.
        examples: int32 `(windows,)`, the number of the question that a window is of; windows of
            one question follow each other, from left to right.
        columns: int32 `(windows,)`, where the context begins in a row.
        counts: int32 `(windows,)`, how many pieces of the context a row holds; may be 0.
        firsts: int32 `(windows,)`, the number of the first of them within the context.
        spans: For each question, int32 `(context pieces, 2)`: start and end of each piece of its
            whole context, in characters.
        questions_cut: How many questions were cut to the longest length.
        unlabelled: How many answerable questions have an answer that no window holds as a whole.
    """

    token_ids: NDArray[np.int32]
    padding_mask: NDArray[np.bool_]
    segment_ids: NDArray[np.int32] | None
    starts: NDArray[np.int32]
    ends: NDArray[np.int32]
    examples: NDArray[np.int32]
    columns: NDArray[np.int32]
    counts: NDArray[np.int32]
    firsts: NDArray[np.int32]
    spans: tuple[Spans, ...]
    questions_cut: int
    unlabelled: int

    def __len__(self) -> int:
        return len(self.examples)

    def part(self, rows: slice, first: int, last: int) -> Windows:
        """The windows `rows`, which are those of the questions `first` to `last`."""
        by_row = ("token_ids", "padding_mask", "starts", "ends", "columns", "counts", "firsts")
        chosen = {name: getattr(self, name)[rows] for name in by_row}
        segments = None if self.segment_ids is None else self.segment_ids[rows]
        return replace(
            self,
            **chosen,
            segment_ids=segments,
            examples=self.examples[rows] - first,
            spans=self.spans[first:last],
        )

    def piece_spans(self, window: int) -> Spans:
        """Start and end in the context of the pieces `columns[window]` and on, in characters."""
        first = int(self.firsts[window])
        spans = self.spans[int(self.examples[window])]
        return spans[first : first + int(self.counts[window])]


def make_windows(
    tokenizer: Tokenizer,
    questions: Sequence[Question],
    sequence_length: int,
    stride: int = 128,
    longest_question: int = LONGEST_QUESTION,
) -> Windows:
    """Cut questions and contexts into rows of one length.

    The way of BERT's `run_squad.py` (Devlin et al., 2019, section 4.2,
    https://arxiv.org/abs/1810.04805), with its defaults. The first answer of a question is its
    label. In a window that does not hold all of it, and for an impossible question, the label is
    the start token, as for SQuAD 2.0. A piece is of the answer if they share a character.

    Args:
        tokenizer: Plain-Python tokenizer of the model.
        questions: What `read_squad` gives.
        sequence_length: Pieces of a row with special tokens and padding.
        stride: Pieces of the context from the beginning of a window to that of the next; where
            fewer fit beside a long question, that many, so that no piece is left out.
        longest_question: Pieces of a question; what is longer is cut at its end.

    Raises:
        ConfigError: A row has no room for the context, or the stride is less than one piece.
    """
    extra = sum(len(tokenizer.description[name]) for name in ("start", "separator", "end"))
    if stride < 1 or longest_question < 1 or sequence_length <= extra + longest_question:
        raise ConfigError(
            "windows need a stride of 1 or more, a question of 1 or more, and a row of more than "
            f"the question and {extra} special pieces. Received: stride {stride}, "
            f"longest_question {longest_question}, sequence_length {sequence_length}"
        )
    contexts: dict[str, tuple[list[Token], Spans]] = {}
    rows: list[_Row] = []
    spans: list[Spans] = []
    cut = unlabelled = 0
    for number, question in enumerate(questions):
        if question.context not in contexts:
            contexts[question.context] = _pieces(tokenizer, question.context)
        pieces, of_context = contexts[question.context]
        spans.append(of_context)
        asked = tokenizer.tokenize(question.question)
        cut += len(asked) > longest_question
        asked = asked[:longest_question]
        answer = answer_pieces(question.answers[0], of_context) if question.answers else None
        labelled = False
        for first, count in cuts(len(pieces), sequence_length - extra - len(asked), stride):
            window = [asked, pieces[first : first + count]]
            row = _row(tokenizer.pack(window, sequence_length), number, first, count, answer)
            labelled |= row.end > 0
            rows.append(row)
        unlabelled += bool(question.answers) and not labelled
    return _assemble(tokenizer, sequence_length, rows, tuple(spans), cut, unlabelled)


def answer_pieces(answer: tuple[int, str], spans: Spans) -> tuple[int, int] | None:
    """The first and the last piece that share a character with an answer; None if none does.

    Args:
        answer: Place in the context, in characters, and text.
        spans: int32 `(pieces, 2)`, start and end of each piece in the context.
    """
    start, end = answer[0], answer[0] + len(answer[1])
    shared = np.flatnonzero((spans[:, 1] > start) & (spans[:, 0] < end))
    return (int(shared[0]), int(shared[-1])) if len(shared) else None


class _Row(NamedTuple):
    """A window: its pieces, and what `Windows` says of it."""

    token_ids: NDArray[np.int32]
    padding_mask: NDArray[np.bool_]
    segment_ids: NDArray[np.int32]
    start: int
    end: int
    example: int
    column: int
    size: int
    first: int


def _row(
    encoding: Encoding, example: int, first: int, size: int, answer: tuple[int, int] | None
) -> _Row:
    # The first segment holds the separators too, so the second begins with the context.
    column = encoding.segment_ids.index(1)
    start = end = 0
    if answer and first <= answer[0] and answer[1] < first + size:
        start, end = (column + piece - first for piece in answer)
    return _Row(
        # Arrays at once: as lists, the windows of SQuAD take ten times the memory.
        np.array(encoding.token_ids, np.int32),
        np.array(encoding.padding_mask, bool),
        np.array(encoding.segment_ids, np.int32),
        *(start, end, example, column, size, first),
    )


def _pieces(tokenizer: Tokenizer, context: str) -> tuple[list[Token], Spans]:
    pieces = tokenizer.tokenize(context)
    spans = np.array([(piece.start, piece.end) for piece in pieces], np.int32)
    return pieces, spans.reshape(-1, 2)


def cuts(total: int, room: int, stride: int) -> Iterator[tuple[int, int]]:
    """First piece and number of pieces of each window.

    Args:
        total: Pieces to show.
        room: Pieces of a window.
        stride: Pieces from the beginning of one to that of the next, at most `room`.
    """
    first = 0
    while first + room < total:
        yield first, room
        first += min(room, stride)
    yield first, total - first


def _assemble(
    tokenizer: Tokenizer,
    sequence_length: int,
    rows: Sequence[_Row],
    spans: tuple[Spans, ...],
    cut: int,
    unlabelled: int,
) -> Windows:
    shape = (len(rows), sequence_length)
    numbers = np.array([row[3:] for row in rows], np.int32).reshape(len(rows), 6)
    starts, ends, examples, columns, counts, firsts = np.ascontiguousarray(numbers.T)
    segments = np.array([row.segment_ids for row in rows], np.int32).reshape(shape)
    return Windows(
        token_ids=np.array([row.token_ids for row in rows], np.int32).reshape(shape),
        padding_mask=np.array([row.padding_mask for row in rows], bool).reshape(shape),
        segment_ids=segments if tokenizer.description["segment_ids"] else None,
        starts=starts,
        ends=ends,
        examples=examples,
        columns=columns,
        counts=counts,
        firsts=firsts,
        spans=spans,
        questions_cut=cut,
        unlabelled=unlabelled,
    )
