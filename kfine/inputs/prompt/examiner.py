"""What can be said of prompts without a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kfine.inputs.prompt.conversation import shown
from kfine.inputs.text.examiner import TextExaminer

if TYPE_CHECKING:
    from kfine.data.changes import Change
    from kfine.data.split import Split


class PromptExaminer(TextExaminer):
    """Lengths of prompts and of their replies, and prompts that differ in a few signs."""

    many = "prompts"
    # A typing error may be what is asked about.
    changes: tuple[Change, ...] = ()

    def text(self, example: Any) -> str:
        """The messages."""
        return shown(example)

    def measure(self, split: Split) -> dict[str, np.ndarray]:
        """Words of both."""
        texts = {
            "words of the prompt": list(map(self.text, split.examples())),
            "words of the reply": [str(one) for one in split.labels],
        }
        return {
            name: np.array([len(one.split()) for one in found], np.float64)
            for name, found in texts.items()
        }
