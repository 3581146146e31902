"""Prompts as what goes into an exported file: the numbers of their tokens."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kfine.errors import DataError, ExportError
from kfine.inputs import InputOnDevice, Shapes
from kfine.inputs.places import Places
from kfine.inputs.prompt.conversation import shown

if TYPE_CHECKING:
    from kfine.inputs.prompt.prompt import Prompt

NAME = "prompt_ids"
# The runtime hands over the parts of a message, where templates look for its text.
_AS_TEXT = (
    "{%- set given = namespace(messages=[]) -%}{%- for one in messages -%}"
    "{%- set text = one.content if one.content is string else "
    "(one.content | map(attribute='text') | join) -%}"
    "{%- set given.messages = given.messages + [{'role': one.role, 'content': text}] -%}"
    "{%- endfor -%}{%- set messages = given.messages -%}"
)
_PROGRAMS = Path(__file__).parent / "programs"


@dataclass(frozen=True)
class PromptOnDevice:
    """int32 numbers of tokens of one length, -1 before the beginning of a short prompt.

    Attributes:
        prompt: Tokens, template and length.
    """

    prompt: Prompt

    forms: ClassVar[Mapping[str, str]] = {
        "fixed": "Takes the numbers of a prompt's tokens, -1 before the beginning of a short one."
    }
    usual_quantize = "dynamic"

    def stage(self, form: str) -> tuple[Any, Any]:
        """int32 `prompt_ids` `(batch, longest)`, which are what the model takes."""
        import keras

        ids = keras.Input((self.prompt.longest,), dtype="int32", name=NAME)
        return ids, keras.layers.Identity(dtype="int32", name="raw_tokens")(ids)

    def tensors(self, example: Any, form: str) -> tuple[dict[str, np.ndarray], Places]:
        """int32 `(1, longest)`."""
        try:
            encoded = self.prompt.encode([example])
        except DataError as error:
            raise ExportError(str(error)) from None
        return {NAME: encoded.rows}, encoded.places

    def sample(self) -> dict[str, np.ndarray]:
        """A row of full length, of tokens drawn at random."""
        drawn = np.random.default_rng(0).integers(
            0, self.prompt.vocabulary.size, (1, self.prompt.longest)
        )
        return {NAME: drawn.astype(np.int32)}

    def check_shapes(self, shapes: Shapes, form: str) -> None:
        """One row of the length that prompts have."""
        (shape,) = shapes.values()
        if shape[1:] != (self.prompt.longest,):
            raise ValueError(f"its input of the shape {shape} does not fit its prompts")

    def misfit(self, format: str, quantize: str, form: str) -> str:
        """The answer says what can be."""
        return ""

    def signatures(self, inference: Any, answer: Any) -> dict[str, Any]:
        """Tokens are made outside."""
        return {}

    def conversation(self) -> dict[str, Any]:
        """What LiteRT-LM needs to write messages as they were learned: `tokenizer` (the name and
        content of a file), `template` in Jinja, and `start`, the number of the token that stands
        before what a template writes, or `None`.
        """
        vocabulary, template = self.prompt.vocabulary, self.prompt.template
        start = vocabulary.number(vocabulary.start) if vocabulary.start else None
        # The runtime does not say what these are.
        given = {"bos_token": template.start, "eos_token": template.end}
        said = "".join(f"{{%- set {name} = {json.dumps(text)} -%}}" for name, text in given.items())
        return {
            "tokenizer": (vocabulary.FILES[vocabulary.kind], vocabulary.content),
            # Jinja leaves out a line break at the end, and the runtime does not.
            "template": said + _AS_TEXT + template.source.removesuffix("\n"),
            "start": start if template.plain else None,
        }

    def tensor_metadata(self, builder: Any, form: str) -> list[int]:
        """No file with metadata is made."""
        raise NotImplementedError

    def describe(self, form: str) -> dict[str, Any]:
        """What lies between a prompt and the model; JSON-able."""
        return {
            "input": {"name": NAME, "shape": [1, self.prompt.longest], "dtype": "int32"},
            "tokenizer": {"kind": self.prompt.vocabulary.kind, "where": "in the app"},
            "template": self.prompt.template.name,
        }

    def portable(self, example: Any) -> Any:
        """The prompt."""
        return example

    def keep(self, example: Any, folder: Path, stem: str) -> tuple[Any, dict[str, Any]]:
        """The messages and their tokens."""
        tensors, _ = self.tensors(example, "fixed")
        return example, {"text": shown(example), NAME: tensors[NAME][0].tolist()}

    def write_programs(self, folder: Path) -> None:
        """Those that talk with a file, in Python and for Android."""
        for kept, name in (("python.txt", "chat.py"), ("kotlin.txt", "Chat.kt")):
            shutil.copyfile(_PROGRAMS / kept, folder / name)

    def programs(self, needs: type[Places] | None) -> list[Path]:
        """None of parts: the runtime has tokenizer and template."""
        return []

    def program_values(self) -> dict[str, Any]:
        """What a prompt is called."""
        return {"each": "a prompt", "given": "The longest message of what is too long is cut."}

    def card_use(self, form: str, output: str, programs: str) -> str:
        """The programs that talk with it."""
        return (
            "`python chat.py` talks with it (`pip install litert-lm-api`), and `Chat.kt` does in "
            "an Android app; both run it in "
            "[LiteRT-LM](https://github.com/google-ai-edge/LiteRT-LM), which reads tokenizer, chat "
            "template and the tokens that end a reply from the file. "
            f"It was measured on prompts of at most {self.prompt.longest} tokens."
        )


_: type[InputOnDevice] = PromptOnDevice
