"""Texts as a model's input: token ids, the same in training, in evaluation and on a phone."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np

from kfine.data.lengths import Lengths
from kfine.data.objects import listed
from kfine.errors import DataError, PresetError
from kfine.inputs import Encoded, Examples, Input, Mistake, ReadFile, Request
from kfine.inputs.places import PiecePlaces, Places, WindowPlaces
from kfine.inputs.text.examples import Question, TaggedText
from kfine.inputs.text.tokenizers.from_preset import (
    DESCRIPTION,
    TokenizerFiles,
    files_of,
    read_tokenizer,
    tokenizer_of,
    usable,
)
from kfine.inputs.text.tokenizers.once import TokenizerOnce
from kfine.inputs.text.windows import LONGEST_QUESTION, Windows, make_windows
from kfine.inputs.text.words import SpannedText, spanned, windows_of
from kfine.presets import Preset

if TYPE_CHECKING:
    from kfine.inputs.text.device import TextOnDevice
    from kfine.inputs.text.tokenizers import Encoding

# Where a run and an exported file keep the tokenizer.
FOLDER = "tokenizer"
# Lengths that are chosen are multiples of this.
LENGTH_STEP = 8
# Longer texts are rare in what is classified, and attention costs the square.
MOST_TOKENS = 256
# Of more unknown word pieces a fit warns.
MOST_UNKNOWN = 0.01


@dataclass(frozen=True)
class Text:
    """Tokenization to a fixed number of tokens, in plain Python.

    An example is a str, a tuple of two, or a text in words (`SpannedText`, `TaggedText`); of
    `questions`, a `Question` with its context.

    Attributes:
        tokenizer_files: The tokenizer, its sequence length set.
        inputs: What the model takes of `token_ids`, `padding_mask` and `segment_ids`.
        stride: Pieces between the beginnings of two windows of a context, or of a text that is
            longer than a row; `None` cuts such texts. Two texts are cut in any case.
        questions: Whether examples are questions.
    """

    tokenizer_files: TokenizerFiles
    inputs: tuple[str, ...] = ("padding_mask", "token_ids")
    stride: int | None = None
    questions: bool = False

    kind: ClassVar[str] = "text"
    each: ClassVar[str] = "a text"
    many: ClassVar[str] = "texts"
    # Batches need nothing more: ids are what the model takes.
    prepare = None

    @property
    def places(self) -> type[Places]:
        """Word pieces of texts, or windows of contexts."""
        return WindowPlaces if self.questions else PiecePlaces

    @property
    def sequence_length(self) -> int:
        """Tokens of an input, special tokens and padding included."""
        return int(self.tokenizer_files.description["sequence_length"])

    @cached_property
    def tokenizer(self) -> TokenizerOnce:
        """What makes ids of texts."""
        return tokenizer_of(self.tokenizer_files)

    def encode(self, examples: Any) -> Encoded:
        """Tokenize.

        Args:
            examples: Each of the kind that the class says.

        Returns:
            Rows: name of a model's input -> int32 `(rows, sequence length)`.

        Raises:
            DataError: An example is something else.
        """
        found = listed(examples)
        for one in found:
            self.check(one)
        self.tokenizer.read(chain.from_iterable(map(_strings, found)))
        if self.questions:
            windows = self.windows(found)
            rows = {name: np.asarray(getattr(windows, name), np.int32) for name in self.inputs}
            owner = windows.examples.astype(np.int64)
            return Encoded(rows, WindowPlaces(owner, windows, found), _lengths(rows))
        windows_of_each = [self._windows(one) for one in found]
        encodings = list(chain.from_iterable(windows_of_each))
        shape = len(encodings), self.sequence_length
        rows = {
            name: np.array([getattr(one, name) for one in encodings], np.int32).reshape(shape)
            for name in self.inputs
        }
        owner = np.repeat(np.arange(len(found)), [len(one) for one in windows_of_each])
        places = PiecePlaces(owner, found, self.tokenizer, self.sequence_length, self.stride)
        return Encoded(rows, places, _lengths(rows))

    def check(self, example: Any) -> None:
        """Check that something is an example.

        Raises:
            DataError: It is not.
        """
        if self.questions:
            fits, wanted = isinstance(example, Question), "a Question with its context"
        else:
            parts = example if isinstance(example, tuple) else (example,)
            fits = isinstance(example, (SpannedText, TaggedText)) or (
                len(parts) <= 2 and all(isinstance(one, str) for one in parts)
            )
            wanted = "a str, a tuple of two, or a TaggedText"
        if not fits:
            raise DataError(
                f"A text to predict must be {wanted}. Received: {type(example).__name__}."
            )

    def windows(self, questions: Sequence[Any]) -> Windows:
        """The windows of `Question`s."""
        if self.stride is None:
            raise ValueError("only an input with a stride makes windows of contexts")
        return make_windows(self.tokenizer, list(questions), self.sequence_length, self.stride)

    def count_windows(self, tokens: int) -> int:
        """Rows of a single text of so many tokens, special tokens included."""
        pieces = tokens - (self.sequence_length - self.room)
        return len(list(windows_of(pieces, self.room, self.stride)))

    def count(self, example: Any) -> int:
        """Tokens of an example, special tokens included, before it is cut or divided."""
        encoding = self._encode(example)
        return sum(encoding.padding_mask) + encoding.tokens_cut

    def _encode(self, text: Any) -> Any:
        return self.tokenizer.pack([self.tokenizer.tokenize(one) for one in _strings(text)])

    @property
    def room(self) -> int:
        """Pieces of a single text that fit into a row."""
        return self.sequence_length - sum(self.tokenizer.pack([[]]).padding_mask)

    def _windows(self, text: Any) -> list[Encoding]:
        strings = _strings(text)
        if self.stride is None or len(strings) > 1:
            return [self._encode(text)]
        pieces = self.tokenizer.tokenize(strings[0])
        windows = windows_of(len(pieces), self.room, self.stride)
        return [self.tokenizer.pack([pieces[one : one + count]]) for one, count, *_ in windows]

    def requested(self, request: Request) -> Examples:
        """Texts as they are, in files, or from standard input; questions about one context."""
        from kfine.inputs.text.requested import requested

        return requested(request, questions=self.questions)

    def settings(self) -> dict[str, Any]:
        """The length of a row, and the stride of contexts."""
        found = {"sequence_length": self.sequence_length}
        return {**found, "stride": self.stride} if self.questions and self.stride else found

    def sizes(self, examples: Sequence[Any]) -> tuple[str, list[int]] | None:
        """How many words each text has."""
        if self.questions:
            return None
        return "words", [len(shown(one).split()) for one in examples]

    def cut(self, examples: Sequence[Any]) -> list[int]:
        """Texts that are longer than a row; windows show everything."""
        if self.questions:
            return []
        self.tokenizer.read(chain.from_iterable(map(_strings, examples)))
        return [
            number
            for number, one in enumerate(examples)
            if any(row.tokens_cut for row in self._windows(one))
        ]

    def caption(self, example: Any) -> str:
        """The text."""
        return shown(example)

    def write_mistakes(
        self, folder: Path, examples: Any, mistakes: Sequence[Mistake], names: Sequence[str]
    ) -> str:
        """Write all mistakes with their texts to `mistakes.csv`."""
        from kfine.inputs.text.mistakes import write_mistakes

        return write_mistakes(folder, examples, mistakes)

    def with_sequence_length(self, sequence_length: int) -> Self:
        """The same for inputs of another length in tokens."""
        files = self.tokenizer_files.with_sequence_length(sequence_length)
        return replace(self, tokenizer_files=files)

    def for_model(self, model: Any) -> Self:
        """The same with the inputs that a model has."""
        return replace(self, inputs=tuple(sorted(model.input)))

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able description; the vocabulary is in it as a hash."""
        files = self.tokenizer_files
        hasher = hashlib.sha256(json.dumps(files.description, sort_keys=True).encode())
        for name in sorted(files.files):
            hasher.update(files.files[name])
        return {
            "kind": self.kind,
            "sequence_length": self.sequence_length,
            "inputs": list(self.inputs),
            "stride": self.stride,
            "questions": self.questions,
            "tokenizer": files.description["class"],
            "tokenizer_sha256": hasher.hexdigest(),
        }

    def files(self) -> dict[str, bytes]:
        """The tokenizer, below the folder of that name."""
        text = json.dumps(self.tokenizer_files.description, indent=2, ensure_ascii=False) + "\n"
        found = {DESCRIPTION: text.encode(), **self.tokenizer_files.files}
        return {f"{FOLDER}/{name}": content for name, content in found.items()}

    @classmethod
    def load(cls, values: Mapping[str, Any], read: ReadFile) -> Self:
        """Read what `to_dict` described and `files` gave.

        Raises:
            ValueError: The tokenizer is not the one that the model was trained with.
        """
        description = json.loads(read(f"{FOLDER}/{DESCRIPTION}"))
        files = files_of(description, lambda name: read(f"{FOLDER}/{name}"))
        stride = values["stride"]
        if stride is not None and (type(stride) is not int or stride < 1):
            raise ValueError(f"its stride is {stride!r}")
        inputs = tuple(map(str, values["inputs"]))
        found = cls(files, inputs, stride, bool(values["questions"]))
        if found.to_dict() != dict(values):
            raise ValueError("the tokenizer is not the one that the model was trained with")
        # A vocabulary without its special tokens ends here.
        found.tokenizer  # noqa: B018
        return found

    def device(self) -> TextOnDevice:
        """Token ids of one length, made by a tokenizer that travels along."""
        from kfine.inputs.text.device import TextOnDevice

        return TextOnDevice(self)


def _strings(example: Any) -> tuple[str, ...]:
    """The one or two texts that an example has tokens of."""
    if isinstance(example, Question):
        return example.question, example.context
    if isinstance(example, tuple):
        return example
    return (example if isinstance(example, str) else spanned(example).text,)


def _lengths(rows: Mapping[str, np.ndarray]) -> Lengths | None:
    """How many tokens each row uses; `None` for a model that is told no padding."""
    if "padding_mask" not in rows:
        return None
    used = rows["padding_mask"].sum(-1)
    return Lengths(used.astype(np.int64), (True,) * len(rows))


def shown(example: Any) -> str:
    """A text, or a tuple of texts, as one string."""
    if isinstance(example, tuple):
        return " | ".join(example)
    if isinstance(example, Question):
        return example.question
    return example if isinstance(example, str) else spanned(example).text


def choose_sequence_length(counts: Sequence[int], most: int) -> int:
    """The length that 99 of 100 texts fit into.

    Args:
        counts: Tokens of each text, special tokens included.
        most: What the model can take, or what the user can wait for.
    """
    wanted = int(np.percentile(np.asarray(counts), 99, method="higher"))
    return min(most, -(-wanted // LENGTH_STEP) * LENGTH_STEP)


class ChosenText(NamedTuple):
    """A text input, and what `Built` records of how it came about.

    Attributes:
        text: The input.
        decisions: `sequence_length` with the share of texts that it cuts, what becomes of
            `accents`, and the share of `unknown_pieces`, where the tokenizer has such.
        warnings: What the user should hear of.
    """

    text: Text
    decisions: dict[str, str]
    warnings: list[str]


def text_of_preset(
    preset: Preset,
    texts: Any,
    *,
    sequence_length: int | None = None,
    stride: int | None = None,
    windows: bool = False,
    accents: str = "auto",
) -> ChosenText:
    """The text input of a preset, of a length that suits the training texts.

    Args:
        preset: The preset.
        texts: The training texts, as a split has them.
        sequence_length: Tokens of an input, if it is not to be chosen.
        stride: Of the contexts of questions; `None` for texts.
        windows: Read long texts in windows that overlap by a quarter, instead of cutting them.
        accents: As in `read_tokenizer`.

    Returns:
        The input, and what was chosen and found.

    Raises:
        PresetError: The preset has no tokenizer.
    """
    files = read_tokenizer(preset, MOST_TOKENS, accents=accents)
    found = Text(files, stride=stride, questions=stride is not None)
    tokenizer = usable(preset, found.tokenizer_files)
    counts, pieces = [], 0
    unknown: Counter[str] = Counter()
    strings_of_each = [_strings(example) for example in listed(texts)]
    tokenizer.read(chain.from_iterable(strings_of_each))
    for strings in strings_of_each:
        segments = [tokenizer.tokenize(one) for one in strings]
        encoding = tokenizer.pack(segments)
        counts.append(sum(encoding.padding_mask) + encoding.tokens_cut)
        for string, tokens in zip(strings, segments, strict=True):
            pieces += len(tokens)
            unknown.update(
                string[one.start : one.end] for one in tokens if one.id == tokenizer.unknown_id
            )
    most = min(MOST_TOKENS, longest_text(preset) or MOST_TOKENS)
    chosen = sequence_length or choose_sequence_length(counts, most)
    text = found.with_sequence_length(chosen)
    longer = sum(count > chosen for count in counts)
    count = f"{longer} of {len(counts)} training texts"
    percent = f"({longer / len(counts):.1%})"
    decisions = {"sequence_length": f"{chosen} tokens: {count} are cut {percent}"}
    if stride is not None:
        decisions["sequence_length"] = f"{chosen} tokens: {count} take several windows {percent}"
    elif windows:
        text = replace(text, stride=max(1, text.room - text.room // 4))
        rows = sum(text.count_windows(one) for one in counts)
        decisions["sequence_length"] = (
            f"{chosen} tokens: {count} are read in windows {percent}, {rows} rows in all, which "
            f"takes {rows / len(counts):.2f} times as long as cutting them"
        )
    if "strip_accents" in found.tokenizer_files.description:
        stripped = found.tokenizer_files.description["strip_accents"]
        decisions["accents"] = "stripped" if stripped else "kept"
    warnings = []
    if tokenizer.unknown_id is not None and pieces:
        share = unknown.total() / pieces
        decisions["unknown_pieces"] = f"{share:.1%} of the pieces of the training texts"
        if share > MOST_UNKNOWN:
            examples = ", ".join(repr(word[:40]) for word, _ in unknown.most_common(3))
            warnings.append(
                f"{share:.1%} of the word pieces of the training texts are unknown to the "
                f"vocabulary of {preset.name}, such as {examples}: the model cannot tell them "
                "apart; a preset that was pretrained on such texts can"
            )
    return ChosenText(text, decisions, warnings)


def check_text_preset(preset: Preset, sequence_length: int | None) -> None:
    """Check what a local preset says of itself against a text task.

    Raises:
        PresetError: It is made for another kind of input, or for shorter texts.
    """
    config = preset.read_json("config.json")
    if not config:
        return
    kind = str(config.get("class_name") or config.get("model_type") or "unknown")
    settings = _backbone_settings(preset)
    if "vocabulary_size" not in settings and "vocab_size" not in settings:
        raise PresetError(
            f"The preset {preset.name!r} holds a {kind}, which does not take texts; use a text "
            "encoder, such as hf://sentence-transformers/all-MiniLM-L6-v2."
        )
    most = longest_text(preset)
    if sequence_length is not None and most and sequence_length > most:
        raise PresetError(
            f"The preset {preset.name!r} takes {most} tokens at most. "
            f"Received: sequence_length {sequence_length}"
        )


def longest_text(preset: Preset) -> int | None:
    """The number of tokens that a local preset has positions for, if it is limited."""
    settings = _backbone_settings(preset)
    return settings.get("max_sequence_length") or settings.get("max_position_embeddings")


def _backbone_settings(preset: Preset) -> dict[str, Any]:
    """KerasHub nests them below the class's name; Hugging Face does not."""
    config = preset.read_json("config.json")
    return {**config, **config.get("config", {})}


__all__ = ["LONGEST_QUESTION", "Text", "check_text_preset", "longest_text", "text_of_preset"]
_: type[Input] = Text
