"""Where rows lie in their examples: inputs make places, answers use them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np

    from kfine.inputs.prompt.vocabulary import Vocabulary
    from kfine.inputs.text.windows import Windows
    from kfine.inputs.text.words import PieceRows, SpannedText


class Places(Protocol):
    """Where rows lie in their examples.

    Attributes:
        owner: `(rows,)` int64, the number of the example that each row is of, ascending.
    """

    @property
    def owner(self) -> np.ndarray: ...

    def part(self, first: int, last: int) -> Places:
        """The places of the examples `first` to `last`, that one not included, from 0."""
        ...


def rows_of(places: Places, first: int, last: int) -> tuple[int, int]:
    """First row of the examples `first` to `last`, that one not included, and the row behind."""
    start, end = places.owner.searchsorted([first, last])
    return int(start), int(end)


def mean_of_rows(values: np.ndarray, places: Places) -> np.ndarray:
    """The mean of the rows of each example, `(examples, ...)`; the rows where each has one.

    Args:
        values: `(rows, ...)`.
        places: Whose rows they are.
    """
    import numpy as np

    firsts = np.flatnonzero(np.diff(places.owner, prepend=-1))
    if len(firsts) == len(values):
        return values
    counts = np.diff(firsts, append=len(values)).reshape(-1, *[1] * (values.ndim - 1))
    return np.add.reduceat(values, firsts, axis=0) / counts.astype(values.dtype)


@dataclass(frozen=True)
class Whole:
    """Rows that stand for whole examples, one each."""

    owner: np.ndarray

    @classmethod
    def of(cls, count: int) -> Whole:
        """One row for each of so many examples."""
        import numpy as np

        return cls(np.arange(count))

    def part(self, first: int, last: int) -> Whole:
        """Some of them."""
        return Whole.of(last - first)


@dataclass(frozen=True)
class ImagePlaces(Whole):
    """Images, one row each.

    Attributes:
        sizes: Height and width in pixels of each as it came; `None` where that is not known, as of
            rows that were resized when they were read.
    """

    sizes: Sequence[tuple[int, int]] | None = None

    @classmethod
    def of(cls, count: int) -> ImagePlaces:
        """So many images of unknown sizes."""
        return cls(Whole.of(count).owner)

    @classmethod
    def of_images(cls, images: Sequence[np.ndarray]) -> ImagePlaces:
        """The places of images `(height, width, 3)`."""
        sizes = [(int(one.shape[0]), int(one.shape[1])) for one in images]
        return cls(Whole.of(len(sizes)).owner, sizes)

    def part(self, first: int, last: int) -> ImagePlaces:
        """Some of them."""
        sizes = None if self.sizes is None else self.sizes[first:last]
        return ImagePlaces(Whole.of(last - first).owner, sizes)


@dataclass(frozen=True)
class SoundPlaces:
    """Recordings in windows, one or more rows each.

    Attributes:
        owner: `(windows,)` int64.
    """

    owner: np.ndarray

    def part(self, first: int, last: int) -> SoundPlaces:
        """Those of some of the recordings."""
        start, end = rows_of(self, first, last)
        return SoundPlaces(self.owner[start:end] - first)


@dataclass(frozen=True)
class PromptPlaces(Whole):
    """Prompts, one row each.

    Attributes:
        vocabulary: What made the rows, and makes text of what follows on them.
    """

    vocabulary: Vocabulary

    def part(self, first: int, last: int) -> PromptPlaces:
        """Some of them."""
        return PromptPlaces(Whole.of(last - first).owner, self.vocabulary)


@dataclass(frozen=True)
class PiecePlaces:
    """Texts in word pieces, one row each, or one for each window of a long text.

    Attributes:
        owner: `(rows,)` int64.
        examples: The texts.
        tokenizer: What made the rows.
        sequence_length: Pieces of a row.
        stride: Pieces between the beginnings of two windows; `None` where long texts are cut.
    """

    owner: np.ndarray
    examples: Sequence[Any]
    tokenizer: Any
    sequence_length: int
    stride: int | None = None

    def part(self, first: int, last: int) -> PiecePlaces:
        """The same of some of the texts."""
        owner = self.owner[slice(*rows_of(self, first, last))] - first
        return replace(self, owner=owner, examples=self.examples[first:last])

    @cached_property
    def texts(self) -> list[SpannedText]:
        """Each text with the words that it is divided into."""
        from kfine.inputs.text.words import spanned

        return [spanned(one) for one in self.examples]

    @cached_property
    def pieces(self) -> PieceRows:
        """The word pieces of the rows, and the word that each is of."""
        from kfine.inputs.text.words import encode_tokens

        return encode_tokens(self.tokenizer, self.texts, self.sequence_length, self.stride)


@dataclass(frozen=True)
class WindowPlaces:
    """Questions with their contexts in overlapping windows, one or more rows each.

    Attributes:
        owner: `(windows,)` int64.
        windows: Where each window lies in its context.
        questions: The examples.
    """

    owner: np.ndarray
    windows: Windows
    questions: Sequence[Any]

    def part(self, first: int, last: int) -> WindowPlaces:
        """The windows of some of the questions."""
        rows = slice(*rows_of(self, first, last))
        windows = self.windows.part(rows, first, last)
        return WindowPlaces(self.owner[rows] - first, windows, self.questions[first:last])
