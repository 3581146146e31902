"""What a file of a model that writes thinks of each token, beside the Keras model.

A reply that parts from another at one token goes its own way from there, so whole replies say
little of how near a file is. Each token with those before it given does.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kfine.exporting.measuring.gate import CHANCE
from kfine.exporting.measuring.held_out import HeldOut
from kfine.runtimes.loading import load_exported
from kfine.statistics import paired_mean_comparison

# Of the next tokens along the Keras model's own replies. Eight bits kept 0.977 of those of a model
# of 135 million parameters, and four bits, with which it wrote in circles, 0.79.
LEAST = 0.95


@dataclass(frozen=True)
class ToldFile:
    """One file on one split.

    Attributes:
        agreement: In how many places of the Keras model's own replies the file finds the same
            token likeliest, fraction 0 to 1.
        places: How many places there are.
        loss: Of a token of the replies that were wanted, natural logarithm.
        reference_loss: The Keras model's.
        p_value: One-sided paired test that a rise of the loss is chance.
        tokens_per_second: Written, after the prompt is read, on this machine.
    """

    agreement: float
    places: int
    loss: float
    reference_loss: float
    p_value: float
    tokens_per_second: float

    @property
    def rise(self) -> float:
        """Of the loss, as a fraction of the Keras model's."""
        return self.loss / self.reference_loss - 1

    def reasons(self, max_drop: float) -> list[str]:
        """Why it is refused, one sentence each."""
        if self.rise <= max_drop or self.p_value > CHANCE:
            return []
        return [
            f"the loss of the wanted replies rises by {self.rise:.1%} from "
            f"{self.reference_loss:.3f} to {self.loss:.3f}, more than the {max_drop:.1%} allowed, "
            f"and not by chance (p = {self.p_value:.3f})"
        ]

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able copy, with the perplexities."""
        perplexity, reference = (
            float(np.exp(min(one, 700.0))) for one in (self.loss, self.reference_loss)
        )
        return {**asdict(self), "perplexity": perplexity, "reference_perplexity": reference}


def measure_told(path: Path, held_out: HeldOut, progress: Any) -> ToldFile:
    """Tell a file each token of the Keras model's replies, and of those that were wanted.

    Args:
        path: What `write_litertlm` wrote.
        held_out: With `told`, and predictions that know their tokens.
        progress: Told how far it is.
    """
    assert held_out.told is not None
    exported: Any = load_exported(path, own=held_out.own)
    same: list[np.ndarray] = []
    losses: list[float] = []
    seconds, steps = 0.0, 0
    examples = zip(held_out.examples, held_out.predictions, held_out.labels, strict=True)
    for number, (example, prediction, label) in enumerate(examples, start=1):
        prompt = exported.input.tokens(example)
        said = exported.told(prompt, prediction.tokens)
        same.append(np.equal(said.likeliest, prediction.tokens))
        wanted = exported.told(prompt, exported.answer.tokens(label, exported.input.vocabulary))
        losses.append(wanted.loss)
        for one in (said, wanted):
            seconds, steps = seconds + one.seconds, steps + len(one.likeliest) - 1
        progress(f"telling it each token: {number} of {len(held_out)}")
    before, after = held_out.told.losses, np.array(losses)
    p_value, _, _ = paired_mean_comparison(-before, -after)
    right = np.concatenate(same)
    return ToldFile(
        agreement=float(right.mean()),
        places=len(right),
        loss=float(after.sum() / held_out.told.tokens.sum()),
        reference_loss=held_out.told.loss,
        p_value=p_value,
        tokens_per_second=steps / max(seconds, 1e-9),
    )
