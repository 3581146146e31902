"""Texts as what goes into an exported file: token ids, made by a tokenizer that travels along."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kfine.errors import DataError, ExportError
from kfine.inputs import WINDOWS, InputOnDevice, Shapes, Signature
from kfine.inputs.places import Places
from kfine.inputs.text import tokenizers
from kfine.inputs.text.examples import Question
from kfine.inputs.text.text import FOLDER, LONGEST_QUESTION
from kfine.inputs.text.tokenizers.from_preset import write_tokenizer
from kfine.inputs.text.tokenizers.standalone import Token
from kfine.inputs.text.words import spanned

if TYPE_CHECKING:
    from kfine.inputs.text.text import Text

NAME = "token_ids"
# In tokens; what a damaged file wants may be absurd.
_LONGEST = 8192
# Programs of the tokenizer -> their names in a bundle.
_PROGRAMS = {
    "standalone.py": "tokenizer.py",
    "Tokenizer.kt": "Tokenizer.kt",
    "Tokenizer.js": "Tokenizer.js",
    "Tokenizer.swift": "Tokenizer.swift",
}


@dataclass(frozen=True)
class TextOnDevice:
    """Texts, pairs of texts, or windows of contexts as token ids of one length.

    Attributes:
        text: Tokenizer and length.
    """

    text: Text

    forms: ClassVar[Mapping[str, str]] = {
        "fixed": "Takes token ids of one length: LiteRT's interpreters and LiteRT.js read it; the "
        "text tasks of MediaPipe and tflite-support do not, since they make ids themselves."
    }
    # float16 keeps the vocabulary, most of a small encoder, at twice the size, and dynamic range
    # agrees with Keras on 97 of 100 texts or more.
    usual_quantize = "dynamic"

    def stage(self, form: str) -> tuple[Any, Any]:
        """int32 `token_ids` `(batch, sequence length)` to an encoder's inputs.

        Raises:
            ExportError: The tokenizer cannot be used, or the model takes other inputs.
        """
        import keras

        from kfine.inputs.text.raw_tokens import RawTokens

        padding, separator = self.special_ids()
        names = self.text.inputs
        if not {NAME} <= set(names) <= {NAME, "padding_mask", "segment_ids"}:
            raise ExportError(
                "An encoder takes token_ids, padding_mask and segment_ids; the model to export "
                f"takes {', '.join(names)}."
            )
        token_ids = keras.Input((self.text.sequence_length,), dtype="int32", name=NAME)
        return token_ids, RawTokens(names, padding, separator)(token_ids)

    def special_ids(self) -> tuple[int, int]:
        """Ids of the padding and of the token that ends a text.

        Raises:
            ExportError: The tokenizer cannot be used.
        """
        try:
            tokenizer = self.text.tokenizer
        except ValueError as error:
            raise ExportError(f"The model cannot be exported: {error}") from None
        description = tokenizer.description
        end = description["end"][0]
        return tokenizer.vocabulary[description["padding"]], tokenizer.vocabulary[end]

    def tensors(self, example: Any, form: str) -> tuple[dict[str, np.ndarray], Places]:
        """int32 `(1, sequence length)` of a text or a tuple of two; of a question its windows."""
        ids_alone = replace(self.text, inputs=(NAME,))
        # The same tokenizer: reading its files anew for each example would take long.
        vars(ids_alone)["tokenizer"] = self.text.tokenizer
        try:
            encoded = ids_alone.encode([example])
        except DataError as error:
            raise ExportError(str(error)) from None
        return dict(encoded.rows), encoded.places

    def sample(self) -> dict[str, np.ndarray]:
        """A row of full length, of tokens drawn at random."""
        tokenizer, length = self.text.tokenizer, self.text.sequence_length
        padding = tokenizer.vocabulary[tokenizer.description["padding"]]
        ids = [one for one in tokenizer.vocabulary.values() if one != padding]
        drawn = np.random.default_rng(0).choice(ids, length)
        encoding = tokenizer.pack([[Token(int(one), 0, 0) for one in drawn]])
        return {NAME: np.array([encoding.token_ids], np.int32)}

    def check_shapes(self, shapes: Shapes, form: str) -> None:
        """One row of ids of the length that the tokenizer makes."""
        (shape,) = shapes.values()
        length = self.text.sequence_length
        if shape[1:] != (length,) or length > _LONGEST:
            raise ValueError(f"its input of the shape {shape} does not fit its tokenizer")

    def misfit(self, format: str, quantize: str, form: str) -> str:
        """Ids are whole numbers, and rows have one length."""
        if format == "trainable":
            return "A model of texts does not learn on the phone: use another format."
        if form != "fixed":
            return (
                "A file for texts takes token ids of one length, so its input is fixed. "
                f"Received: input {form}"
            )
        if quantize in ("int8-full", "int16"):
            return (
                f"{quantize} changes the input too, and token ids have to stay whole numbers: use "
                "quantize dynamic or int8."
            )
        return ""

    def signatures(self, inference: Any, answer: Any) -> dict[str, Signature]:
        """`serve_text`: strings in, where KerasHub's tokenizer can be built."""
        from kfine.inputs.text.signature import text_signature

        return text_signature(inference, self.text, answer)

    def tensor_metadata(self, builder: Any, form: str) -> list[int]:
        """A plain feature: MediaPipe's tokenizer units give other ids than the model's own."""
        from kfine.inputs.text.metadata import token_tensor

        return [token_tensor(builder, self.text.sequence_length)]

    def describe(self, form: str) -> dict[str, Any]:
        """What lies between a text and the model, and what the model does itself; JSON-able."""
        description = self.text.tokenizer_files.description
        return {
            "input": {
                "name": "token_ids",
                "shape": [1, self.text.sequence_length],
                "dtype": "int32",
            },
            "tokenizer": {
                "class": description["class"],
                "kind": description["kind"],
                "sequence_length": self.text.sequence_length,
                "truncate": description["truncate"],
                "where": "in the app",
            },
            "masks": {
                "names": [one for one in self.text.inputs if one != "token_ids"],
                "where": "in the graph",
            },
        }

    def portable(self, example: Any) -> Any:
        """A plain text, whose tokens are words again; as much of it, or of a context, as fits."""
        if isinstance(example, Question):
            windows = self.text.windows([example])
            if len(windows) == 1:
                return example
            words = example.context[: windows.piece_spans(0)[-1, 1]].rsplit(maxsplit=1)
            return replace(example, context=words[0])
        text = example if isinstance(example, (str, tuple)) else spanned(example).text
        if isinstance(text, str) and self.text.stride is not None:
            pieces = self.text.tokenizer.tokenize(text)
            if len(pieces) > self.text.room:
                text = text[: pieces[self.text.room - 1].end].rsplit(maxsplit=1)[0]
        return text

    def keep(self, example: Any, folder: Path, stem: str) -> tuple[Any, dict[str, Any]]:
        """The text, or question and context, and its ids, padding included."""
        kept = self.portable(example)
        tokens, _ = self.tensors(kept, "fixed")
        ids = {NAME: tokens[NAME][0].tolist()}
        if isinstance(kept, Question):
            return kept, {"question": kept.question, "context": kept.context, **ids}
        return kept, {"text": list(kept) if isinstance(kept, tuple) else kept, **ids}

    @property
    def _runs(self) -> bool:
        """Whether programs can tokenize: a SentencePiece model takes a library on every device."""
        return bool(self.text.tokenizer_files.description["kind"] != "sentencepiece")

    def write_programs(self, folder: Path) -> None:
        """`tokenizer/`: its files, and the programs that read them."""
        target = folder / FOLDER
        write_tokenizer(self.text.tokenizer_files, target)
        if not self._runs:
            return
        source = Path(tokenizers.__file__).parent
        for program, name in _PROGRAMS.items():
            (target / name).write_bytes((source / program).read_bytes())

    def programs(self, needs: type[Places] | None) -> list[Path]:
        """They tokenize: texts, one text with the spans of its pieces, or a question."""
        folder = Path(__file__).parent / "programs"
        if not self._runs:
            return []
        if self.text.questions:
            return [folder, folder / "question"]
        if self.text.stride is None and needs is None:
            return [folder, folder / "texts"]
        inside = folder / "text"
        return [folder, inside, inside / "pieces" if needs else WINDOWS]

    def program_values(self) -> dict[str, Any]:
        """Where the tokenizer is, and how long a row is."""
        text = self.text
        values = {"length": text.sequence_length, "tokenizer": FOLDER, "each": "a text"}
        if text.questions:
            return {
                **values,
                "given": "A long context is read in windows that overlap.",
                "stride": text.stride,
                "longest_question": LONGEST_QUESTION,
            }
        if not self._runs:
            return values
        given = "What is too long is cut."
        if text.stride is not None:
            given = "A long text is read in windows that overlap."
        shared = text.room - min(text.room, text.stride or text.room)
        return {**values, "given": given, "room": text.room, "shared": shared}

    def card_use(self, form: str, output: str, programs: str) -> str:
        """What goes in and what comes out."""
        length, description = self.text.sequence_length, self.text.tokenizer_files.description
        tools = f"`{FOLDER}/` has programs for Android, iOS, the web and Python that make the ids;"
        if programs:
            tools = f"`snippets/` has programs for {programs}, which use those in `{FOLDER}/`;"
        if not self._runs:
            tools = (
                f"The tokenizer is the SentencePiece model `{description['model']}`, for which the "
                "app needs the SentencePiece library, and special tokens around its ids as "
                f"KerasHub's {description['class']} has them;"
            )
        row, longer = "one text", "a longer text is cut"
        if self.text.stride is not None:
            longer = (
                "a longer text takes several rows, whose windows overlap, and `snippets/` shows "
                "how their answers are put together"
            )
        if self.text.questions:
            row = "one question and a window of its context"
            longer = (
                "a longer context takes several rows, whose windows overlap, and the best span of "
                "them all is the answer"
            )
        return (
            f"In: the token ids of {row}, int32 (1, {length}), made by the "
            f"tokenizer in `{FOLDER}/`; {longer}. Out: {output} Masks are "
            f"worked out in the graph. {tools} `golden/` has texts with their ids with which to "
            "check a port."
        )


_: type[InputOnDevice] = TextOnDevice
