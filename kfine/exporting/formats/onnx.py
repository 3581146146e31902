"""ONNX files, by the optional packages tf2onnx, onnx and onnxruntime."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfine.backend import quiet_start
from kfine.errors import ExportError
from kfine.exporting.metadata.attached import metadata_files
from kfine.runtimes.carried import CHECKSUM
from kfine.runtimes.exported import first_line
from kfine.runtimes.onnx import require_onnx
from kfine.runtimes.onnx_metadata import append_properties, checksum_of

if TYPE_CHECKING:
    import keras


def write_onnx(
    inference: keras.Model,
    path: Path,
    labels: Sequence[str],
    info: Mapping[str, Any],
    files: Mapping[str, bytes] | None = None,
) -> Path:
    """Write a float32 ONNX file: "image" or "token_ids" in, the output out, any batch.

    Args:
        inference: What `inference_model` returned.
        path: The file to write.
        labels: Class names in the order of the probabilities.
        info: JSON-able facts to carry along.
        files: What else it carries, name -> content, which is text.

    Returns:
        `path`, with labels, facts, files and a checksum in its `metadata_props`.

    Raises:
        MissingPackage: tf2onnx, onnx or onnxruntime is missing.
        ExportError: The conversion fails.
    """
    require_onnx()
    import tensorflow as tf

    specs = {
        one.name: tf.TensorSpec((None, *one.shape[1:]), one.dtype, name=one.name)
        for one in inference.inputs
    }
    signature = [specs if isinstance(inference.input, dict) else next(iter(specs.values()))]
    logger = logging.getLogger("tf2onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        # tf2onnx prints pages, and warns of what Keras does to it for NumPy 2.
        with warnings.catch_warnings(), quiet_start():
            warnings.simplefilter("ignore")
            inference.export(str(path), format="onnx", verbose=False, input_signature=signature)
            _name(path, inference)
    # tf2onnx raises whatever its rewriters stumble over.
    except Exception as error:
        reason = first_line(error)
        raise ExportError(f"The model could not be converted to ONNX: {reason}.") from error
    finally:
        logger.setLevel(level)
    more = {name: content.decode() for name, content in (files or {}).items()}
    texts = {**metadata_files(labels, info), **more}
    append_properties(path, {**texts, CHECKSUM: checksum_of(path, path.stat().st_size)})
    return path


def _name(path: Path, inference: keras.Model) -> None:
    """Give outputs and free dimensions names that say what they are."""
    import onnx

    model = onnx.load(path)
    graph = model.graph
    # Keras flattens a dict in the order of its keys.
    wanted = sorted(inference.output) if isinstance(inference.output, dict) else []
    wanted = wanted or inference.output_names
    renamed = {one.name: name for one, name in zip(graph.output, wanted, strict=True)}
    for node in graph.node:
        node.output[:] = [renamed.get(name, name) for name in node.output]
        node.input[:] = [renamed.get(name, name) for name in node.input]
    for one in graph.output:
        one.name = renamed[one.name]
    for tensor in (*graph.input, *graph.output):
        sides = tensor.type.tensor_type.shape.dim
        for side, name in zip(sides, ("batch", "height", "width"), strict=False):
            if not side.HasField("dim_value"):
                side.dim_param = name
    model.producer_name = "kfine"
    onnx.checker.check_model(model)
    onnx.save(model, path)
