"""SentencePiece tokenizers, which need KerasHub and `tensorflow_text` to run."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Any

from kfine.inputs.text.tokenizers.standalone import Token, Tokenizer

# KerasHub's class -> start, separator, end and padding, as its preprocessors put them.
_MARKS = {
    "AlbertTokenizer": (["[CLS]"], ["[SEP]"], ["[SEP]"], "<pad>"),
    "DebertaV3Tokenizer": (["[CLS]"], ["[SEP]"], ["[SEP]"], "[PAD]"),
    "FNetTokenizer": (["[CLS]"], ["[SEP]"], ["[SEP]"], "<pad>"),
    "XLMRobertaTokenizer": (["<s>"], ["</s>", "</s>"], ["</s>"], "<pad>"),
}


class SentencePiece(Tokenizer):
    """Ids of KerasHub's tokenizer, with the offsets of the pieces.

    Args:
        description: What `tokenizer.json` holds, of the kind `sentencepiece`.
        model: The SentencePiece model.
    """

    def __init__(self, description: Mapping[str, Any], model: bytes) -> None:
        import keras_hub
        import tensorflow_text

        kind = str(description["class"])
        start, separator, end, padding = _MARKS[kind]
        self._hub = getattr(keras_hub.tokenizers, kind)(proto=model)
        self._pieces = tensorflow_text.SentencepieceTokenizer(model=model)
        marks = dict.fromkeys([*start, *separator, *end, padding])
        super().__init__(
            {
                **description,
                "start": start,
                "separator": separator,
                "end": end,
                "padding": padding,
            },
            {mark: int(self._hub.token_to_id(mark)) for mark in marks},
        )
        # Whatever the model does not know has this id; no text holds a noncharacter.
        self.unknown_id = int(self._hub.token_to_id("\ufdd0"))

    def tokenize(self, text: str) -> list[Token]:
        """The tokens of a text, without special tokens, truncation or padding."""
        ids = [int(one) for one in self._hub(text)]
        _, starts, ends = (part.numpy() for part in self._pieces.tokenize_with_offsets(text))
        places = _characters(text)
        spans = [(places[first], places[last]) for first, last in zip(starts, ends, strict=True)]
        return [Token(one, *span) for one, span in zip(ids, spans, strict=True)]


def _characters(text: str) -> list[int]:
    """For each byte of the UTF-8 text, and the end, the character that it belongs to."""
    ends = accumulate(len(char.encode()) for char in text)
    found: list[int] = []
    for number, end in enumerate(ends):
        found += [number] * (end - len(found))
    return [*found, len(text)]
