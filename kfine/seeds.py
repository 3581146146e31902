"""Randomness that follows from the seed and the epoch alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from kfine.keras_private import flattened, seed_generators


def derive_seed(*parts: int) -> int:
    """Mix integers into one well-spread seed in 0..2**31-1, the same on every machine."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0] >> 1)


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and Keras, and ask TensorFlow for deterministic operations."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def reseed_layers(model: Any, seed: int) -> None:
    """Set the state of every dropout and random layer of a model from one seed.

    Done at the start of each epoch, it makes the random state a function of the epoch, so that
    a resumed run draws what the undisturbed one would have drawn.
    """
    generators = [one for layer in flattened(model) for one in seed_generators(layer)]
    for index, generator in enumerate(generators):
        generator.state.assign([derive_seed(seed, index), 0])
