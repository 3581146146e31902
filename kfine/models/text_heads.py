"""Heads on a pretrained text encoder."""

from __future__ import annotations

import keras

from kfine.models.groups import BACKBONE, block_outputs
from kfine.models.pretrained import load_task
from kfine.models.text_pooling import USUAL, TextPooling
from kfine.presets import Preset


def text_classifier(
    preset: Preset, classes: int, pooling: TextPooling | None = USUAL, *, dropout: float = 0.1
) -> keras.Model:
    """A classifier of texts.

    Args:
        preset: A KerasHub preset of an encoder.
        classes: How many.
        pooling: One linear layer on one vector for each text (see `text_pooling`); `None` is
            KerasHub's `TextClassifier`.
        dropout: Before the classifier, fraction 0 to 1.

    Returns:
        The encoder's inputs `(batch, length)` to logits `(batch, classes)`.
    """
    import keras_hub

    if pooling is None:
        task = load_task(
            keras_hub.models.TextClassifier, preset, num_classes=classes, dropout=dropout
        )
        task.preprocessor = None
        return task
    encoder = text_encoder(preset, middle=pooling.middle)
    pooled = pooling(encoder(encoder.input), encoder.input.get("padding_mask"))
    pooled = keras.layers.Dropout(dropout, name="classifier_dropout")(pooled)
    logits = keras.layers.Dense(classes, name="logits")(pooled)
    return keras.Model(encoder.input, logits, name="text_classifier")


def token_classifier(preset: Preset, tags: int, *, dropout: float = 0.1) -> keras.Model:
    """A tag for each token: one linear layer on the encoder, as BERT is fine-tuned for entities.

    Devlin et al., 2019, section 5.3, https://arxiv.org/abs/1810.04805.

    Args:
        preset: A KerasHub preset of an encoder.
        tags: How many.
        dropout: Before the classifier, fraction 0 to 1.

    Returns:
        The encoder's inputs `(batch, length)` to logits `(batch, length, tags)`.
    """
    return _on_tokens(preset, tags, dropout, "token_classifier")


def span_finder(preset: Preset, *, dropout: float = 0.1) -> keras.Model:
    """Where an answer begins and ends: two linear scores for each token.

    Devlin et al., 2019, section 4.2, https://arxiv.org/abs/1810.04805.

    Args:
        preset: A KerasHub preset of an encoder.
        dropout: Before the scores, fraction 0 to 1.

    Returns:
        The encoder's inputs `(batch, length)` to logits `(batch, length, 2)` of being the first
        and the last piece.
    """
    return _on_tokens(preset, 2, dropout, "span_finder")


def _on_tokens(preset: Preset, outputs: int, dropout: float, name: str) -> keras.Model:
    encoder = text_encoder(preset)
    tokens = keras.layers.Dropout(dropout, name="classifier_dropout")(encoder(encoder.input))
    logits = keras.layers.Dense(outputs, name="logits")(tokens)
    return keras.Model(encoder.input, logits, name=name)


def text_encoder(preset: Preset, *, middle: bool = False) -> keras.Model:
    """A preset's encoder, from its inputs to the features of each token.

    Without what only the first token goes through, such as BERT's pooler: that would lie in the
    file and never train. Its name is that of a group of layers, see `layer_groups`.

    Args:
        preset: A KerasHub preset of an encoder.
        middle: Give the features of the middle block too, before the last, where they are as
            those: not where a norm follows upon the last block, which the middle has not.

    Returns:
        `(batch, length)` inputs to `(batch, length, features)`, or to a list of two of them.
    """
    import keras_hub

    backbone = load_task(keras_hub.models.Backbone, preset)
    outputs = backbone.output
    tokens = outputs["sequence_output"] if isinstance(outputs, dict) else outputs
    if middle:
        blocks = [one for _, one in block_outputs(backbone) if one.shape == tokens.shape]
        if len(blocks) > 1 and blocks[-1] is tokens:
            tokens = [blocks[len(blocks) // 2 - 1], tokens]
    return keras.Model(backbone.input, tokens, name=BACKBONE)
