"""SavedModel folders, for servers and as the first half of a LiteRT (TFLite) conversion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from kfine.exporting.metadata import metadata_files


def write_saved_model(
    inference: keras.Model,
    path: Path,
    labels: Sequence[str],
    info: Mapping[str, Any],
    *,
    batch: int | None = None,
    float_input: bool = False,
) -> Path:
    """Write the signature `serving_default`: "image" in, "probabilities" out.

    Args:
        inference: What `inference_model` returned.
        path: The folder to write; it must not exist yet.
        labels: Class names in the order of the probabilities.
        info: JSON-able facts to carry along.
        batch: Images per call, `None` for any. LiteRT files want 1.
        float_input: Take the same images as float32, for a converter that makes the input
            integer by itself. A uint8 input is cast to float first and never quite integer.

    Returns:
        `path`, with labels and facts in its `assets.extra/`.
    """
    if float_input:
        inference = _with_float_input(inference)
    dtype = tf.float32 if float_input else tf.uint8
    signature = tf.TensorSpec((batch, *inference.inputs[0].shape[1:]), dtype, name="image")

    def serve(image: Any) -> dict[str, Any]:
        return {"probabilities": inference(image, training=False)}

    # The endpoint tracks the variables it uses; `track` too would write the weights twice.
    archive = keras.export.ExportArchive()
    archive.add_endpoint("serving_default", serve, input_signature=[signature])
    archive.write_out(str(path), verbose=False)
    extra = path / "assets.extra"
    extra.mkdir()
    for name, text in metadata_files(labels, info).items():
        (extra / name).write_text(text, encoding="utf-8")
    return path


def _with_float_input(inference: keras.Model) -> keras.Model:
    image = keras.Input(inference.inputs[0].shape[1:], dtype="float32", name="image")
    # The same layers, called on another input.
    return keras.models.clone_model(
        inference, input_tensors=image, clone_function=lambda layer: layer
    )
