"""How the metadata of a `.tflite` describes token ids."""

from __future__ import annotations

from typing import Any

from kfine.inputs.metadata import FEATURE, table, tensor


def token_tensor(b: Any, sequence_length: int) -> int:
    """Describe an input of token ids, as a plain feature.

    The schema's tokenizer units stand for MediaPipe's own tokenizers, which give other ids.

    Args:
        b: The builder.
        sequence_length: In tokens.
    """
    return tensor(
        b,
        "token_ids",
        f"Ids of {sequence_length} tokens with special tokens and padding, as the tokenizer in "
        "the zip behind the model makes them. Masks are worked out in the model.",
        content=(FEATURE, table(b, 0, {})),
    )
