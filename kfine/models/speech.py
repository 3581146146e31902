"""Whisper as a model that is taught what was said, and as one that says it by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kfine.answers.said import CONFIDENCE, TOKENS
from kfine.keras_private import calls_of
from kfine.models.groups import BACKBONE
from kfine.models.told import said_specs, told_model

SOUND = "sound"
# What stands in the place of a token that must not be said; large enough for float16.
_NEVER = -3e4
_DECODER = "transformer_decoder_layer_"


def whisper_of_preset(handle: str) -> keras.Model:
    """A KerasHub `WhisperBackbone` with its pretrained weights.

    Args:
        handle: As KerasHub's `from_preset` takes it.
    """
    import keras_hub

    return keras_hub.models.WhisperBackbone.from_preset(handle)


def speech_model(whisper: keras.Model) -> keras.Model:
    """The next token at each place of a transcript that is given (teacher forcing).

    Whisper (Radford et al., 2022, https://arxiv.org/abs/2212.04356): its decoder's output layer is
    the token embedding again. Tokens see only those before them, so that what stands behind the
    end of a transcript makes no difference.

    KerasHub has no task for it, and a model around its backbone would have the embedding twice
    once it is loaded from a file: the layers are put together anew here.

    Args:
        whisper: A KerasHub `WhisperBackbone`, whose layers the model takes.

    Returns:
        `sound` float32 `(batch, frames, bands)` and `token_ids` int32 `(batch, length)` to logits
        `(batch, length, vocabulary)`.
    """
    given = {
        SOUND: keras.Input((None, whisper.num_mels), name=SOUND),
        TOKENS: keras.Input((None,), dtype="int32", name=TOKENS),
    }
    heard = _heard(whisper, given[SOUND])
    embedding = whisper.decoder_embeddings
    x = embedding.token_embedding(given[TOKENS])
    x = keras.layers.Add(name="decoder_embeddings_add")((x, embedding.position_embedding(x)))
    for block in whisper.decoder_transformer_layers:
        x = block(x, heard)
    x = whisper.decoder_layer_norm(x)
    logits = embedding.token_embedding(x, reverse=True)
    return told_model(given, logits, "speech_model")


def speech_encoder(whisper: keras.Model) -> keras.Model:
    """What Whisper hears, without its decoder, as a backbone for heads of other kinds.

    Args:
        whisper: A KerasHub `WhisperBackbone`, whose layers the model takes.

    Returns:
        float32 `(batch, frames, bands)` to `(batch, frames / 2, width)`, of the name `BACKBONE`.
    """
    sound = keras.Input((None, whisper.num_mels), name=SOUND)
    return keras.Model(sound, _heard(whisper, sound), name=BACKBONE)


def _heard(whisper: Any, sound: Any) -> Any:
    """The encoder's layers on a symbolic spectrogram."""
    layers = keras.layers
    x = whisper.encoder_conv_layer_1(sound)
    x = layers.Activation("gelu", name="encoder_gelu_1")(x)
    x = layers.ZeroPadding1D(1, name="encoder_padding")(x)
    x = whisper.encoder_conv_layer_2(x)
    x = layers.Activation("gelu", name="encoder_gelu_2")(x)
    x = whisper.encoder_embeddings_add((x, whisper.encoder_position_embedding(x)))
    for block in whisper.encoder_transformer_layers:
        x = block(x)
    return whisper.encoder_layer_norm(x)


def transcriber(
    model: keras.Model,
    *,
    start: Sequence[int],
    end: int,
    never_first: Sequence[int] = (),
    longest: int = 64,
    beams: int = 1,
) -> keras.Model:
    """A model that says by itself what it hears: the likeliest token, one after the other.

    With several beams so many texts are begun side by side, and the one whose tokens are the
    likeliest in the geometric mean is said.

    It shares the weights of `model`. Keys and values of earlier tokens, and of the sound, are
    computed once.

    Args:
        model: From `speech_model`.
        start: Tokens that every transcript begins with.
        end: The token behind its end; those above it are never said.
        never_first: Tokens that are not said first.
        longest: Tokens of the longest transcript, the end included.
        beams: Texts that are followed at a time.

    Returns:
        float32 `(batch, frames, mels)` to a dict: `token_ids` int32 `(batch, longest)`, the `end`
        behind a transcript, and `confidence` float32 `(batch,)`, the mean probability of its
        tokens as the geometric mean, 0 to 1.
    """
    inner = model.get_layer(BACKBONE)
    # A layer that KerasHub has called too has other outputs beside.
    hears = next(one for one in calls_of(inner) if one.operation.name == "encoder_layer_norm")
    encoder = keras.Model(inner.input[SOUND], hears.outputs[0], name="encoder")
    sound = model.input[SOUND]
    given = keras.Input(batch_shape=sound.shape, dtype=sound.dtype, name=SOUND)
    said = TokenDecoder(
        inner, tuple(start), end, tuple(never_first), longest, beams, name="decoder"
    )(encoder(given))
    return keras.Model(given, said, name="transcriber")


class TokenDecoder(keras.layers.Layer):
    """The tokens that a decoder says of encoded sounds; see `transcriber`.

    Args:
        inner: What `speech_model` is made of; its decoder is taken.
        start: As in `transcriber`.
        end: As in `transcriber`.
        never_first: As in `transcriber`.
        longest: As in `transcriber`.
        beams: As in `transcriber`.
        **options: As Keras has them.
    """

    def __init__(
        self,
        inner: Any,
        start: tuple[int, ...],
        end: int,
        never_first: tuple[int, ...],
        longest: int,
        beams: int,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.embedding = inner.get_layer("token_embedding")
        self.positions = inner.get_layer("position_embedding")
        self.blocks = [one for one in inner.layers if one.name.startswith(_DECODER)]
        self.norm = inner.get_layer("decoder_layer_norm")
        self.heads, self.width = self.blocks[0].num_heads, self.embedding.output_dim
        self.vocabulary = self.embedding.input_dim
        self.start, self.end, self.longest = start, end, longest
        self.never_first, self.beams = never_first, beams

    def call(self, sounds: Any) -> dict[str, Any]:
        """From float32 `(batch, positions, width)`."""
        ops, beams = keras.ops, self.beams
        batch = ops.shape(sounds)[0]
        never, first, ended = self._forbidden()
        length = len(self.start) + self.longest - 1
        shape = (batch, len(self.blocks), 2, length, self.heads, self.width // self.heads)
        own = ops.zeros(shape)
        heard = ops.zeros((*shape[:3], ops.shape(sounds)[1], *shape[4:]))
        start = ops.tile(ops.convert_to_tensor([self.start], "int32"), (batch, 1))
        logits, own, heard = self._step(start, sounds, own, heard, 0, True)
        scores, chosen = ops.top_k(_log_probabilities(logits + first), beams)
        # The beams of an example are rows one after the other.
        example = ops.arange(batch, dtype="int32")[:, None]
        rows = ops.reshape(ops.tile(example, (1, beams)), (-1,))
        own, heard, sounds = (ops.take(one, rows, axis=0) for one in (own, heard, sounds))
        tokens = ops.full((batch * beams, self.longest), self.end, "int32")
        tokens = ops.slice_update(tokens, (0, 0), ops.cast(_column(chosen), "int32"))

        def goes_on(index: Any, tokens: Any, *_: Any) -> Any:
            last = ops.slice(tokens, (0, index - 1), (batch * beams, 1))
            return ops.logical_and(index < self.longest, ops.any(last != self.end))

        def say(index: Any, tokens: Any, own: Any, scores: Any) -> Any:
            last = ops.slice(tokens, (0, index - 1), (batch * beams, 1))
            place = index + len(self.start) - 1
            logits, own, _ = self._step(last, sounds, own, heard, place, False)
            # Behind its end a text goes on as it is.
            more = ops.where(last == self.end, ended, _log_probabilities(logits + never))
            total = ops.reshape(_column(scores) + more, (batch, beams * self.vocabulary))
            scores, places = ops.top_k(total, beams)
            places = ops.cast(places, "int32")
            parents = ops.reshape(places // self.vocabulary + beams * example, (-1,))
            tokens, own = ops.take(tokens, parents, axis=0), ops.take(own, parents, axis=0)
            chosen = _column(places % self.vocabulary)
            return index + 1, ops.slice_update(tokens, (0, index), chosen), own, scores

        index = ops.convert_to_tensor(1, "int32")
        _, tokens, _, scores = ops.while_loop(goes_on, say, (index, tokens, own, scores))
        said = ops.sum(ops.cast(tokens != self.end, "float32"), axis=1) + 1.0
        said = ops.reshape(ops.minimum(said, float(self.longest)), (batch, beams))
        sure, best = ops.top_k(scores / said, 1)
        rows = ops.cast(best, "int32") + beams * example
        return {
            TOKENS: ops.take(tokens, ops.reshape(rows, (-1,)), axis=0),
            CONFIDENCE: ops.exp(ops.reshape(sure, (-1,))),
        }

    def _forbidden(self) -> tuple[Any, Any, Any]:
        """Float32 `(1, vocabulary)`, added to logits: always, first, and behind the end."""
        never = np.zeros((1, self.vocabulary), np.float32)
        never[:, self.end + 1 :] = _NEVER
        first = never.copy()
        first[:, list(self.never_first)] = _NEVER
        ended = np.full((1, self.vocabulary), _NEVER, np.float32)
        ended[:, self.end] = 0.0
        return never, first, ended

    def _step(
        self, tokens: Any, sounds: Any, own: Any, heard: Any, place: Any, first: bool
    ) -> tuple[Any, Any, Any]:
        """The logits behind the last of some tokens, and the keys and values with theirs."""
        ops = keras.ops
        x = self.embedding(tokens)
        x += self.positions(x, start_index=place)
        own_parts, heard_parts = [], []
        for number, block in enumerate(self.blocks):
            x, own_part, heard_part = block(
                x,
                sounds,
                self_attention_cache=own[:, number],
                self_attention_cache_update_index=place,
                cross_attention_cache=heard[:, number],
                cross_attention_cache_update_index=0 if first else None,
                training=False,
            )
            own_parts.append(own_part)
            heard_parts.append(heard_part)
        last = self.norm(x)[:, -1]
        logits = self.embedding(last, reverse=True)
        logits = ops.cast(logits, "float32")
        if first:
            heard = ops.stack(heard_parts, axis=1)
        return logits, ops.stack(own_parts, axis=1), heard

    def compute_output_spec(self, sounds: Any) -> dict[str, Any]:
        """Without tracing the loop."""
        return said_specs(sounds.shape[0], self.longest)


def _log_probabilities(logits: Any) -> Any:
    # Keras' own look at the bits of floats for infinities, which LiteRT cannot.
    ops = keras.ops
    logits -= ops.max(logits, axis=-1, keepdims=True)
    return logits - ops.log(ops.sum(ops.exp(logits), axis=-1, keepdims=True))


def _column(rows: Any) -> Any:
    return keras.ops.reshape(rows, (-1, 1))
