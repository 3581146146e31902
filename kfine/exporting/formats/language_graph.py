"""A language model as a phone's runtime wants it: some tokens and a cache in, the cache out.

KerasHub's layers, called with a cache, make a graph that a phone runs at a quarter of the speed:
keys and values of all layers are stacked and turned for each token. So the same arithmetic is
written here from the layers' weights, and compared with KerasHub's in the tests.

The signatures are those of LiteRT-LM (https://github.com/google-ai-edge/LiteRT-LM):
`prefill_N` reads N tokens of a prompt, `decode` one token and says what follows.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kfine.errors import ExportError
from kfine.models.language import CachedBlocks, ReplyDecoder
from kfine.runtimes.language import (
    DECODE,
    KEYS,
    LOGITS,
    MASK,
    PIECES,
    PLACES,
    PREFILL,
    TOKENS,
    UNSEEN,
    VALUES,
)

# Operations of the file that must stay in eight bits or more are found by this.
HEAD = "lm_head"


def write_language_graph(decoder: ReplyDecoder, folder: Path, room: int) -> Path:
    """Write a SavedModel with the signatures of `LanguageGraph`.

    Args:
        decoder: The layer that writes; its weights are taken.
        folder: To write; it must not exist yet.
        room: Tokens that the cache holds.

    Raises:
        ExportError: The model attends in a way that is not known here.
    """
    graph = LanguageGraph(decoder.cached, room)
    signatures = {PREFILL.format(count): graph.signature(count, False) for count in PIECES}
    tf.saved_model.save(graph, str(folder), {**signatures, DECODE: graph.signature(1, True)})
    return folder


class LanguageGraph(tf.Module):
    """The arithmetic of a language model on one conversation.

    Args:
        cached: Its layers, of KerasHub.
        room: Tokens that the cache holds.

    Raises:
        ExportError: The model attends in a way that is not known here.
    """

    def __init__(self, cached: CachedBlocks, room: int) -> None:
        super().__init__()
        self.room = room
        self.table = _weight(cached.embedding.embeddings)
        tied = bool(cached.embedding.tie_weights)
        self.head = self.table if tied else _turned(cached.embedding.reverse_embeddings, 1)
        self.norm = _Norm(cached.norm)
        self.blocks = [_Block(one, room) for one in cached.blocks]
        # The same in all blocks.
        self.cosine, self.sine = _rotation(cached.blocks[0], self.blocks[0].size, room)
        self.window = _window(cached.blocks[0], room)

    def signature(self, count: int, says: bool) -> Any:
        """The function of so many tokens.

        Args:
            count: Tokens in each call.
            says: Whether it gives the logits behind the last of them.

        Returns:
            A concrete function of `tokens` int32 `(1, count)`, `input_pos` int32 `(count,)`,
            `mask` float32 `(1, 1, count, room)`, which is added to the scores, and of each block
            `kv_cache_k_I` and `kv_cache_v_I` float32 `(1, heads, room, size)`; to the caches and
            `logits` `(1, 1, vocabulary)`.
        """
        first = self.blocks[0]
        specs = {
            TOKENS: tf.TensorSpec((1, count), tf.int32, name=TOKENS),
            PLACES: tf.TensorSpec((count,), tf.int32, name=PLACES),
            MASK: tf.TensorSpec((1, 1, count, self.room), tf.float32, name=MASK),
        }
        for number in range(len(self.blocks)):
            for name in (KEYS.format(number), VALUES.format(number)):
                shape = (1, first.heads, self.room, first.size)
                specs[name] = tf.TensorSpec(shape, tf.float32, name=name)

        def step(**given: Any) -> dict[str, Any]:
            return self._step(given, says)

        return tf.function(step, autograph=False).get_concrete_function(**specs)

    def _step(self, given: dict[str, Any], says: bool) -> dict[str, Any]:
        places, mask = given[PLACES], given[MASK]
        if self.window:
            apart = places[:, None] - tf.range(self.room)[None]
            mask += tf.where(apart >= self.window, UNSEEN, 0.0)
        cosine, sine = tf.gather(self.cosine, places), tf.gather(self.sine, places)
        x = tf.gather(self.table, given[TOKENS][0])
        found: dict[str, Any] = {}
        for number, block in enumerate(self.blocks):
            key, value = KEYS.format(number), VALUES.format(number)
            x, found[key], found[value] = block.step(
                x, given[key], given[value], places[0], mask, cosine, sine
            )
        if says:
            logits = tf.matmul(self.norm(x[-1:]), self.head, transpose_b=True, name=HEAD)
            found[LOGITS] = logits[None]
        return found


class _Norm(tf.Module):
    """Root mean square layer normalization (Zhang and Sennrich 2019,
    https://arxiv.org/abs/1910.07467).
    """

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.scale, self.epsilon = _weight(layer.scale), float(layer.epsilon)

    def __call__(self, x: Any) -> Any:
        # In this order: the converter folds a factor that comes last into the weights behind it,
        # and would so store a tied table twice.
        mean = tf.reduce_mean(x * x, axis=-1, keepdims=True)
        return (x * self.scale) * tf.math.rsqrt(mean + self.epsilon)


class _Block(tf.Module):
    """A transformer block; weights are stored `(out, in)`, as phones multiply."""

    def __init__(self, block: Any, room: int) -> None:
        super().__init__()
        inner = block._self_attention_layer
        self.groups, self.heads, self.size = _heads(block, inner)
        self.before, self.between = (
            _Norm(one) for one in (block._self_attention_layernorm, block._feedforward_layernorm)
        )
        asked = [inner._query_dense, inner._key_dense, inner._value_dense]
        self.query, self.key, self.value = (_turned(one.kernel, 1) for one in asked)
        self.biases = [
            None if one.bias is None else tf.Variable(np.ravel(one.bias), trainable=False)
            for one in asked
        ]
        norms = ("_query_dense_layer_norm", "_key_dense_layer_norm")
        self.norms = [_Norm(getattr(inner, one)) for one in norms if hasattr(inner, one)]
        self.output = _turned(inner._output_dense.kernel, 2)
        self.gate = _turned(block._feedforward_gate_dense.kernel, 1)
        self.up = _turned(block._feedforward_intermediate_dense.kernel, 1)
        self.down = _turned(block._feedforward_output_dense.kernel, 1)
        self.activation = block.activation
        self.room = room

    def step(
        self, x: Any, keys: Any, values: Any, place: Any, mask: Any, cosine: Any, sine: Any
    ) -> tuple[Any, Any, Any]:
        """From `(tokens, width)`, with keys and values of `(1, heads, room, size)`."""
        count = x.shape[0]
        h = self.before(x)
        query, key, value = (
            self._by_head(h, kernel, bias)
            for kernel, bias in zip((self.query, self.key, self.value), self.biases, strict=True)
        )
        if self.norms:
            query, key = self.norms[0](query), self.norms[1](key)
        query, key = _rotated(query, cosine, sine), _rotated(key, cosine, sine)
        start = (0, 0, place, 0)
        keys = keras.ops.slice_update(keys, start, key)
        values = keras.ops.slice_update(values, start, value)
        query = tf.reshape(query * (1 / math.sqrt(self.size)), (1, self.heads, -1, self.size))
        scores = tf.matmul(query, keys, transpose_b=True)
        scores = tf.reshape(scores, (1, self.heads * self.groups, count, self.room)) + mask
        weights = tf.reshape(tf.nn.softmax(scores), (1, self.heads, -1, self.room))
        said = tf.reshape(tf.matmul(weights, values), (-1, count, self.size))
        said = tf.reshape(tf.transpose(said, (1, 0, 2)), (count, -1))
        x += tf.matmul(said, self.output, transpose_b=True)
        h = self.between(x)
        gate = self.activation(tf.matmul(h, self.gate, transpose_b=True))
        h = tf.matmul(h, self.up, transpose_b=True) * gate
        return x + tf.matmul(h, self.down, transpose_b=True), keys, values

    def _by_head(self, x: Any, kernel: Any, bias: Any) -> Any:
        """`(1, heads, tokens, size)`."""
        found = tf.matmul(x, kernel, transpose_b=True)
        if bias is not None:
            found += bias
        found = tf.reshape(found, (x.shape[0], -1, self.size))
        return tf.transpose(found, (1, 0, 2))[None]


def _heads(block: Any, inner: Any) -> tuple[int, int, int]:
    """Queries for each key, keys, and the width of one."""
    _, queries, size = inner._query_dense.kernel.shape
    heads = int(block.num_key_value_heads)
    return int(queries) // heads, heads, int(size)


def _weight(variable: Any) -> Any:
    return tf.Variable(np.asarray(variable, np.float32), trainable=False)


def _turned(kernel: Any, inputs: int) -> Any:
    """A kernel as `(out, in)`, its first axes being those of what goes in."""
    values = np.asarray(kernel, np.float32)
    width = int(np.prod(values.shape[:inputs]))
    return tf.Variable(values.reshape(width, -1).T.copy(), trainable=False)


def _rotation(block: Any, size: int, room: int) -> tuple[Any, Any]:
    """Cosine and sine `(room, size / 2)` of each place, as the block's own layer turns a one."""
    ones = np.zeros((1, room, 1, size), np.float32)
    ones[..., : size // 2] = 1
    turned = np.asarray(block._self_attention_layer.rotary_embedding_layer(ones))[0, :, 0]
    halves = turned[:, : size // 2], turned[:, size // 2 :]
    cosine, sine = (tf.Variable(one, trainable=False) for one in halves)
    return cosine, sine


def _rotated(x: Any, cosine: Any, sine: Any) -> Any:
    first, second = tf.split(x, 2, axis=-1)
    return tf.concat([first * cosine - second * sine, second * cosine + first * sine], axis=-1)


def _window(block: Any, room: int) -> int:
    """How far back tokens look, 0 for all the way."""
    own = int(getattr(block, "sliding_window", None) or 0)
    other = getattr(block, "use_sliding_window_attention", True)
    size = int(getattr(block, "sliding_window_size", None) or 0) if other else 0
    if size and size < room:
        raise ExportError(
            f"{type(block).__name__} with a sliding window of {size} tokens cannot be written for "
            f"LiteRT-LM, whose cache holds {room}"
        )
    return own if own < room else 0
