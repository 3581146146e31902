"""Whisper as a model that is taught what was said, and as one that says it by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from kfine.keras_private import calls_of
from kfine.models.groups import BACKBONE

SOUND, TOKENS = "sound", "token_ids"
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
    inner = keras.Model(given, logits, name=BACKBONE)
    outer = {
        name: keras.Input(one.shape[1:], dtype=one.dtype, name=name) for name, one in given.items()
    }
    return keras.Model(outer, inner(outer), name="speech_model")


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
) -> keras.Model:
    """A model that says by itself what it hears: the likeliest token, one after the other.

    It shares the weights of `model`. Keys and values of earlier tokens, and of the sound, are
    computed once.

    Args:
        model: From `speech_model`.
        start: Tokens that every transcript begins with.
        end: The token behind its end; those above it are never said.
        never_first: Tokens that are not said first.
        longest: Tokens of the longest transcript, the end included.

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
    said = GreedyDecoder(inner, tuple(start), end, tuple(never_first), longest, name="decoder")(
        encoder(given)
    )
    return keras.Model(given, said, name="transcriber")


class GreedyDecoder(keras.layers.Layer):
    """The tokens that a decoder says of encoded sounds; see `transcriber`.

    Args:
        inner: What `speech_model` is made of; its decoder is taken.
        start: As in `transcriber`.
        end: As in `transcriber`.
        never_first: As in `transcriber`.
        longest: As in `transcriber`.
        **options: As Keras has them.
    """

    def __init__(
        self,
        inner: Any,
        start: tuple[int, ...],
        end: int,
        never_first: tuple[int, ...],
        longest: int,
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
        self.never_first = never_first

    def call(self, sounds: Any) -> dict[str, Any]:
        """From float32 `(batch, positions, width)`."""
        import numpy as np

        ops = keras.ops
        batch = ops.shape(sounds)[0]
        length = len(self.start) + self.longest - 1
        never = np.zeros((1, self.vocabulary), np.float32)
        never[:, self.end + 1 :] = _NEVER
        first = never.copy()
        first[:, list(self.never_first)] = _NEVER
        shape = (batch, len(self.blocks), 2, length, self.heads, self.width // self.heads)
        own = ops.zeros(shape)
        heard = ops.zeros((*shape[:3], ops.shape(sounds)[1], *shape[4:]))
        start = ops.tile(ops.convert_to_tensor([self.start], "int32"), (batch, 1))
        logits, own, heard = self._step(start, sounds, own, heard, 0, True)
        chosen, sure = _likeliest(logits + first)
        tokens = ops.full((batch, self.longest), self.end, "int32")
        tokens = ops.slice_update(tokens, (0, 0), chosen[:, None])

        def goes_on(index: Any, tokens: Any, *_: Any) -> Any:
            last = ops.slice(tokens, (0, index - 1), (batch, 1))
            return ops.logical_and(index < self.longest, ops.any(last != self.end))

        def say(index: Any, tokens: Any, own: Any, total: Any, count: Any) -> Any:
            last = ops.slice(tokens, (0, index - 1), (batch, 1))
            place = index + len(self.start) - 1
            logits, own, _ = self._step(last, sounds, own, heard, place, False)
            chosen, sure = _likeliest(logits + never)
            done = last[:, 0] == self.end
            chosen = ops.where(done, self.end, chosen)
            goes = ops.cast(ops.logical_not(done), "float32")
            tokens = ops.slice_update(tokens, (0, index), chosen[:, None])
            return index + 1, tokens, own, total + goes * sure, count + goes

        index = ops.convert_to_tensor(1, "int32")
        _, tokens, _, total, count = ops.while_loop(
            goes_on, say, (index, tokens, own, sure, ops.ones_like(sure))
        )
        return {TOKENS: tokens, "confidence": ops.exp(total / count)}

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
        batch = sounds.shape[0]
        return {
            TOKENS: keras.KerasTensor((batch, self.longest), "int32"),
            "confidence": keras.KerasTensor((batch,), "float32"),
        }


def _likeliest(logits: Any) -> tuple[Any, Any]:
    """The likeliest token and the logarithm of its probability."""
    ops = keras.ops
    # Keras' `argmax` and `logsumexp` look at the bits of floats, which LiteRT cannot.
    largest, chosen = ops.top_k(logits, 1)
    log = -ops.log(ops.sum(ops.exp(logits - largest), axis=-1))
    return ops.cast(chosen[:, 0], "int32"), log
