"""Worker: the transfer-learning guide of Keras by hand, as a careful user would write it.

Reference: https://keras.io/guides/transfer_learning/
"""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import keras_hub
import numpy as np
import tensorflow as tf
from worker import (
    BATCH_SIZE,
    DROPOUT,
    LABEL_SMOOTHING,
    LEARNING_RATE,
    LOWER_LEARNING_RATE,
    Clock,
    Settings,
    accuracy,
    arrays,
    read_data,
    read_settings,
    report,
)

from kfine.data.augmentation import augmentation_layers


class EpochEnds(keras.callbacks.Callback):
    """Tells the clock."""

    def __init__(self, clock: Clock, stage: int) -> None:
        super().__init__()
        self.clock = clock
        self.stage = stage

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Note the time."""
        self.clock.epoch_ends(self.stage)


def batches(images: np.ndarray, labels: np.ndarray, classes: int) -> tf.data.Dataset:
    """Decoded images in memory, in order."""
    targets = keras.utils.to_categorical(labels, classes)
    return tf.data.Dataset.from_tensor_slices((images, targets))


def build(settings: Settings, classes: int) -> tuple[keras.Model, keras.Model]:
    """The backbone, and the model with a new head on it."""
    backbone = keras_hub.models.Backbone.from_preset(settings.preset)
    backbone.trainable = False
    inputs = keras.Input((settings.image_size, settings.image_size, 3))
    x = keras.layers.Rescaling(settings.scale, settings.offset)(inputs)
    # Without training=False BatchNorm would go over to the statistics of the batch later on.
    x = backbone(x, training=False)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dropout(DROPOUT)(x)
    return backbone, keras.Model(inputs, keras.layers.Dense(classes)(x))


def unfreeze(backbone: keras.Model, lowest_layer: str) -> None:
    """Let the backbone train from a layer up, but for BatchNorm."""
    names = [layer.name for layer in backbone.layers]
    first = next(i for i, name in enumerate(names) if name.startswith(lowest_layer))
    backbone.trainable = True
    for layer in backbone.layers[:first]:
        layer.trainable = False
    for layer in backbone._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False


def compile_model(model: keras.Model, learning_rate: float) -> None:
    """Also takes in which layers are trainable."""
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss=keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=LABEL_SMOOTHING
        ),
        metrics=["accuracy"],
    )


def write_reference(settings: Settings) -> None:
    """Some images and what the backbone gives for them, for other frameworks to compare."""
    images, _ = arrays(read_data(settings).validation)
    images = images[:8]
    backbone = keras_hub.models.Backbone.from_preset(settings.preset)
    features = backbone.predict(images * np.float32(settings.scale) + settings.offset, verbose=0)
    np.savez(settings.reference, images=images, features=features)
    report({})


def main() -> None:
    """Decode, train the head, train the upper part, score."""
    settings = read_settings()
    if settings.reference:
        return write_reference(settings)
    clock = Clock()
    keras.utils.set_random_seed(settings.seed)
    data = read_data(settings)
    classes = len(data.class_names)
    images, labels = arrays(data.train)
    train = batches(images, labels, classes).cache().shuffle(len(labels), seed=settings.seed)
    train = train.batch(BATCH_SIZE)
    if layers := augmentation_layers(settings.augmentation, flip="horizontal"):
        vary = keras.Sequential(layers)
        train = train.map(
            lambda rows, targets: (vary(tf.cast(rows, tf.float32), training=True), targets),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
    train = train.prefetch(tf.data.AUTOTUNE)
    validation = batches(*arrays(data.validation), classes)
    validation = validation.batch(BATCH_SIZE).cache().prefetch(tf.data.AUTOTUNE)
    backbone, model = build(settings, classes)
    for stage, epochs in enumerate(settings.stage_epochs()):
        if stage:
            unfreeze(backbone, settings.lowest_layer)
        compile_model(model, LOWER_LEARNING_RATE if stage else LEARNING_RATE)
        history = model.fit(
            train,
            epochs=epochs,
            validation_data=validation,
            callbacks=[EpochEnds(clock, stage)],
            verbose=0,
        )
    clock.stop()
    images, labels = arrays(data.test)
    report(
        clock.found,
        validation_accuracy=history.history["val_accuracy"][-1],
        test_accuracy=accuracy(model.predict(images, verbose=0), labels),
    )


if __name__ == "__main__":
    main()
