"""How well a model that writes knows the texts that were wanted, told each token before the next.

What a model writes by itself is one text of many; the probability that it gives to the wanted one
says more of few examples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kfine.answers import Answer
from kfine.data.split import Split
from kfine.inputs import Input
from kfine.statistics import paired_mean_comparison


@dataclass(frozen=True)
class Told:
    """Of each example, over the tokens of its text.

    Attributes:
        losses: float64 `(examples,)`, the sum of minus the natural logarithms of the tokens'
            probabilities.
        right: int64 `(examples,)`, how many tokens are the likeliest.
        tokens: int64 `(examples,)`, how many there are, the end included.
    """

    losses: np.ndarray
    right: np.ndarray
    tokens: np.ndarray

    @property
    def loss(self) -> float:
        """Of a token."""
        return float(self.losses.sum() / self.tokens.sum())

    def to_dict(self) -> dict[str, Any]:
        """`loss` of a token, `perplexity`, `token_accuracy` and `tokens`."""
        return {
            "loss": self.loss,
            "perplexity": float(np.exp(min(self.loss, 700.0))),
            "token_accuracy": float(self.right.sum() / self.tokens.sum()),
            "tokens": int(self.tokens.sum()),
        }


def told(model: Any, input: Input, answer: Answer, split: Split, batch_size: int) -> Told:
    """Ask a model for each token of the texts of a split, those before it given.

    Args:
        model: As it is trained, its inputs completed from the targets.
        input: What it is given.
        answer: With `fed`, one output of logits, and targets of which those below 0 do not count.
        split: The examples.
        batch_size: Examples at a time.
    """
    import tensorflow as tf

    from kfine.data.lengths import by_length
    from kfine.data.pipeline import evaluation_dataset
    from kfine.models.feeding import feed_of_model

    encoded = input.encode(split.inputs)
    ((_, targets),) = answer.encode(split.labels, encoded.places).rows.items()
    order = np.arange(len(targets))
    if encoded.lengths is not None:
        order = by_length(encoded.lengths)
    dataset = evaluation_dataset(
        encoded.rows,
        input.prepare,
        batch_size,
        targets,
        encoded.lengths,
        target=getattr(answer, "target", None),
        feed=feed_of_model(model, getattr(answer, "fed", {})),
        rows=order,
    )

    @tf.function(reduce_retracing=True)
    def measure(given: Any, wanted: Any) -> tuple[Any, Any, Any]:
        logits = tf.cast(model(given, training=False), tf.float32)
        counted = tf.cast(wanted >= 0, tf.int64)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.maximum(wanted, 0), logits)
        right = tf.cast(tf.equal(tf.argmax(logits, -1, tf.int32), wanted), tf.int64)
        losses = tf.reduce_sum(tf.cast(losses, tf.float64) * tf.cast(counted, tf.float64), 1)
        return losses, tf.reduce_sum(right * counted, 1), tf.reduce_sum(counted, 1)

    parts = [[one.numpy() for one in measure(given, wanted)] for given, wanted in dataset]
    found = [np.concatenate(one) for one in zip(*parts, strict=True)]
    back = np.argsort(order, kind="stable")
    return Told(*(one[back] for one in found))


def gain_of_told(tuned: Told, base: Told) -> dict[str, Any]:
    """By how much the loss of the one is below that of the other, on the same examples.

    Returns:
        `share` of the other's loss, its 95 % `interval`, and the one-sided `p_value` that it is
        chance (sign-flip test of the examples).
    """
    p_value, low, high = paired_mean_comparison(-tuned.losses, -base.losses)
    whole = max(float(base.losses.mean()), 1e-12)
    return {
        "share": float(1 - tuned.losses.mean() / whole),
        "interval": [low / whole, high / whole],
        "p_value": p_value,
    }
