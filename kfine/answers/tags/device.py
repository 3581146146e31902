"""The probabilities of tags, as an exported file gives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kfine.answers import AnswerOnDevice, Described
from kfine.answers.golden import written_rows

if TYPE_CHECKING:
    from kfine.answers.tags.tags import Tags

NAME = "probabilities"


@dataclass(frozen=True)
class TagsOnDevice:
    """A BIO tag for each piece; the first piece speaks for its word.

    Attributes:
        answer: The tags.
    """

    answer: Tags

    programs = (Path(__file__).parent / "programs",)
    right = "share of texts with exactly their entities"
    same = "entities in common with Keras (F1)"
    timed = ""

    @property
    def tensors(self) -> tuple[Described, ...]:
        """float32 `(batch, pieces, tags)`."""
        meaning = "probability", "Probability of each tag, for each token id."
        return (Described(NAME, meaning, "pieces, tags", (0.0, 1.0), self.answer.names, rank=2),)

    def describe(self, quantize: str) -> dict[str, Any]:
        """float32 in every file."""
        return {"name": NAME, "axes": "pieces, tags", "dtype": "float32"}

    def misfit(self, format: str, quantize: str) -> str:
        """Every file can give this."""
        return ""

    def purpose(self, many: str, *, counted: bool = False) -> str:
        """Which types it finds."""
        types = [name[2:] for name in self.answer.names if name.startswith("B-")]
        count = f" {len(types)} type{'s' * (len(types) != 1)}" if counted else ""
        return f"Finds entities in {many}, of{count}: {', '.join(types)}."

    def words(self, dtype: str) -> str:
        """Probabilities for each token id."""
        names = self.answer.names
        return (
            f"for each token id the probabilities ({dtype}) of {len(names)} BIO tags, "
            f"{', '.join(names)}, in the order of `labels.txt` inside the file. The first "
            "piece of a word speaks for it."
        )

    def limits(self) -> str:
        """It was told of some types."""
        return "It knows entities of these types only."

    def strings(
        self, inference: Any, tokenizer: Any, text: Any
    ) -> tuple[tuple[str, ...], Callable[..., dict[str, Any]]]:
        """`text` to the words of each text and the probabilities of their tags."""
        from kfine.answers.tags.strings import tags_of_strings

        return ("text",), tags_of_strings(inference, tokenizer, text.stride)

    def program_values(self) -> dict[str, Any]:
        """`EntityFinder.find`."""
        return {
            "does": "Find entities in",
            "name": "EntityFinder",
            "verb": "find",
            "program": "find_entities",
            "result": "The entities; the probability is that of the least sure word.",
        }

    def keep(
        self, finished: Mapping[str, np.ndarray], prediction: Any, folder: Path, stem: str
    ) -> dict[str, Any]:
        """The entities, and the values in files."""
        return {
            "entities": prediction.entities(),
            **written_rows(folder, stem, finished[NAME]),
        }


_: type[AnswerOnDevice] = TagsOnDevice
