"""Texts as what goes into an exported file: token ids, made by a tokenizer that travels along."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from kfine.data import tokenizers
from kfine.data.tokenizers.from_preset import DESCRIPTION, files_of, write_tokenizer
from kfine.data.tokenizers.standalone import Token
from kfine.errors import ExportError
from kfine.exporting.medium import Medium, Shape, Signature
from kfine.exporting.model_metadata import token_tensor
from kfine.exporting.outputs import Output, output_of
from kfine.models.preprocessing import read_preprocessing
from kfine.models.text_preprocessing import FOLDER, TextPreprocessing

# In tokens; what a damaged file wants may be absurd.
_LONGEST = 8192
# Programs of the tokenizer -> their names in a bundle.
_PROGRAMS = {
    "standalone.py": "tokenizer.py",
    "Tokenizer.kt": "Tokenizer.kt",
    "Tokenizer.swift": "Tokenizer.swift",
}


@dataclass(frozen=True)
class Texts(Medium):
    """Texts, or pairs of texts, as token ids of one length.

    Attributes:
        preprocessing: Tokenizer and length.
    """

    preprocessing: TextPreprocessing

    name = "text"
    each = "a text"
    many = "texts"
    subject = "texts"
    # float16 keeps the vocabulary, most of a small encoder, at twice the size, and dynamic range
    # agrees with Keras on 97 of 100 texts or more.
    usual_quantize = "dynamic"
    usual_input = ("fixed", "fixed")

    @property
    def recipe(self) -> str:
        return self.output.recipe

    @property
    def output(self) -> Output:
        return output_of(self.preprocessing.kind)

    @classmethod
    def of(cls, preprocessing: Any) -> Texts:
        return cls(preprocessing)

    @classmethod
    def of_file(
        cls, path: Path, facts: Mapping[str, Any], shape: Shape, read: Callable[[str], bytes]
    ) -> Texts:
        try:
            found = _unpacked(facts, read)
            if found.to_dict() != dict(facts):
                raise ValueError("the tokenizer is not the one that the model was trained with")
            if shape[1:] != (found.sequence_length,) or found.sequence_length > _LONGEST:
                raise ValueError(f"its input of the shape {shape} does not fit its tokenizer")
            # A vocabulary without its special tokens ends here.
            found.tokenizer  # noqa: B018
        except MemoryError:
            raise
        # A tokenizer that somebody made up raises whatever its reader stumbles over.
        except Exception as error:
            reason = str(error).rstrip(".") or type(error).__name__
            raise ExportError(f"{path} is damaged: {reason}.") from error
        return cls(found)

    def tensor(self, example: Any) -> np.ndarray:
        """int32 `(1, sequence length)` of a text or a tuple of two; of a question its windows."""
        if not self.preprocessing.takes(example):
            raise ExportError(f"{self.preprocessing.wanted}; received {type(example).__name__}.")
        tokens: np.ndarray = self.preprocessing.rows([example])["token_ids"]
        return tokens

    def sample(self) -> np.ndarray:
        """A row of full length, of tokens drawn at random."""
        tokenizer, length = self.preprocessing.tokenizer, self.preprocessing.sequence_length
        padding = tokenizer.vocabulary[tokenizer.description["padding"]]
        ids = [one for one in tokenizer.vocabulary.values() if one != padding]
        drawn = np.random.default_rng(0).choice(ids, length)
        encoding = tokenizer.pack([[Token(int(one), 0, 0) for one in drawn]])
        return np.array([encoding.token_ids], np.int32)

    def settings(self) -> dict[str, Any]:
        return {"sequence_length": self.preprocessing.sequence_length}

    def misfit(self, format: str, quantize: str, input_kind: str) -> str:
        if format == "trainable":
            return "A model of texts does not learn on the phone: use another format."
        if input_kind != "fixed":
            return (
                "A file for texts takes token ids of one length, so its input is fixed. "
                f"Received: input {input_kind}"
            )
        if quantize in ("int8-full", "int16"):
            return (
                f"{quantize} changes the input too, and token ids have to stay whole numbers: use "
                "quantize dynamic or int8."
            )
        return ""

    def inference(self, model: Any, input_kind: str = "fixed") -> Any:
        from kfine.exporting.inference import text_inference_model

        return text_inference_model(model, self.preprocessing)

    def calibration(self, example: Any) -> np.ndarray:
        ids: np.ndarray = self.tensor(example)[0]
        return ids

    def files(self) -> dict[str, bytes]:
        """The tokenizer, below the folder of that name."""
        files = self.preprocessing.files
        text = json.dumps(files.description, ensure_ascii=False)
        found = {DESCRIPTION: text.encode(), **files.files}
        return {f"{FOLDER}/{name}": content for name, content in found.items()}

    def more_signatures(self, inference: Any) -> dict[str, Signature]:
        """`serve_text`: strings in, where KerasHub's tokenizer can be built."""
        from kfine.exporting.text_signature import text_signature

        return text_signature(inference, self.preprocessing)

    @staticmethod
    def metadata_tensor(facts: Mapping[str, Any]) -> Callable[[Any], int]:
        return partial(token_tensor, sequence_length=facts["sequence_length"])

    def describe(self, input_kind: str) -> dict[str, Any]:
        """What lies between a text and the model, and what the model does itself; JSON-able."""
        description = self.preprocessing.files.description
        return {
            "input": {
                "name": "token_ids",
                "shape": [1, self.preprocessing.sequence_length],
                "dtype": "int32",
            },
            "tokenizer": {
                "class": description["class"],
                "kind": description["kind"],
                "sequence_length": self.preprocessing.sequence_length,
                "truncate": description["truncate"],
                "where": "in the app",
            },
            "masks": {
                "names": [one for one in self.preprocessing.inputs if one != "token_ids"],
                "where": "in the graph",
            },
        }

    def portable(self, example: Any) -> Any:
        return self.preprocessing.portable(example)

    def write_golden(
        self, folder: Path, stem: str, example: Any
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """The text, or question and context, and its ids, padding included."""
        tensor = self.tensor(example)
        return tensor, {**self.preprocessing.stated(example), "token_ids": tensor[0].tolist()}

    @property
    def programs(self) -> str | None:
        """None for a SentencePiece model, which takes a library of its own on every device."""
        kind = self.preprocessing.files.description["kind"]
        return None if kind == "sentencepiece" else super().programs

    def write_programs(self, folder: Path) -> None:
        """`tokenizer/`: its files, and the programs that read them."""
        target = folder / FOLDER
        write_tokenizer(self.preprocessing.files, target)
        if self.programs is None:
            return
        source = Path(tokenizers.__file__).parent
        for program, name in _PROGRAMS.items():
            (target / name).write_bytes((source / program).read_bytes())

    def program_values(self) -> dict[str, Any]:
        values = self.preprocessing.program_values()
        return {**values, "length": self.preprocessing.sequence_length, "tokenizer": FOLDER}

    def card_use(self, input_kind: str, output: str) -> str:
        length, description = (
            self.preprocessing.sequence_length,
            self.preprocessing.files.description,
        )
        programs = (
            "`snippets/` has programs for Android, iOS and Python, which use the programs in "
            f"`{FOLDER}/`;"
        )
        if self.programs is None:
            programs = (
                f"The tokenizer is the SentencePiece model `{description['model']}`, for which the "
                "app needs the SentencePiece library, and special tokens around its ids as "
                f"KerasHub's {description['class']} has them;"
            )
        return (
            f"In: the token ids of {self.preprocessing.row}, int32 (1, {length}), made by the "
            f"tokenizer in `{FOLDER}/`; {self.preprocessing.longer}. Out: {output} Masks are "
            f"worked out in the graph. {programs} `golden/` has texts with their ids with which to "
            "check a port."
        )


def _unpacked(facts: Mapping[str, Any], read: Callable[[str], bytes]) -> Any:
    description = json.loads(read(f"{FOLDER}/{DESCRIPTION}"))
    files = files_of(description, lambda name: read(f"{FOLDER}/{name}"))
    with tempfile.TemporaryDirectory() as folder:
        write_tokenizer(files, Path(folder, FOLDER))
        return read_preprocessing(dict(facts), Path(folder))
