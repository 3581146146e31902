"""SavedModel folders, for servers and as the first half of a LiteRT (TFLite) conversion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from kfine.exporting.metadata.attached import write_beside
from kfine.inputs import Signature

DEFAULT_SIGNATURE = "serving_default"
# The folder of a SavedModel with what plain TensorFlow does not load.
STRINGS = "strings"
_README = """\
This SavedModel takes token ids (signature serving_default) and loads in plain TensorFlow.
{folder}/ is a SavedModel of its own that takes strings ({names}): it needs the package
{packages}; import {modules} before you load it, or link its operations into the server. It can be
deleted or moved by itself.
"""


def write_saved_model(
    inference: keras.Model,
    path: Path,
    labels: Sequence[str],
    info: Mapping[str, Any],
    *,
    files: Mapping[str, bytes] | None = None,
    signatures: Mapping[str, Signature] | None = None,
    batch: int | None = None,
    float_input: bool = False,
) -> Path:
    """Write the signature `serving_default`: raw tensors in by name, the outputs out by name.

    Args:
        inference: What `inference_model` returned.
        path: The folder to write; it must not exist yet.
        labels: Names along the last axis of the output.
        info: JSON-able facts to carry along.
        files: What else it carries, name -> content.
        signatures: Further ones by name, which need operations that TensorFlow has not got by
            itself: they are in a SavedModel of their own, `strings/`, since TensorFlow loads no
            part of one whose operations it does not know.
        batch: Examples per call, `None` for any. LiteRT files want 1.
        float_input: Take the same images as float32, for a converter that makes the input
            integer by itself. A uint8 input is cast to float first and never quite integer.

    Returns:
        `path`, with labels, facts and files in its `assets.extra/`.
    """
    if float_input:
        inference = _with_float_input(inference)
    specs = [
        tf.TensorSpec((batch, *one.shape[1:]), one.dtype, name=one.name) for one in inference.inputs
    ]
    single = not isinstance(inference.input, dict)
    names = [one.name for one in inference.inputs]

    def serve(*tensors: Any) -> dict[str, Any]:
        given = tensors[0] if single else dict(zip(names, tensors, strict=True))
        found = inference(given, training=False)
        return found if isinstance(found, dict) else {inference.output_names[0]: found}

    # The endpoint tracks the variables it uses; `track` too would write the weights twice.
    archive = keras.export.ExportArchive()
    archive.add_endpoint(DEFAULT_SIGNATURE, serve, input_signature=specs)
    archive.write_out(str(path), verbose=False)
    more: dict[str, Any] = {}
    if signatures:
        _write_signatures(signatures, path / STRINGS)
        required = {
            name: {"requires": one.requires, "folder": STRINGS} for name, one in signatures.items()
        }
        more = {"signatures": {DEFAULT_SIGNATURE: {}, **required}}
        (path / "README.txt").write_text(_README.format(**_words(signatures)), encoding="utf-8")
    write_beside(path / "assets.extra", labels, {**info, **more}, files)
    return path


def _write_signatures(signatures: Mapping[str, Signature], path: Path) -> None:
    archive = keras.export.ExportArchive()
    for name, one in signatures.items():
        archive.add_endpoint(name, one.function, input_signature=one.inputs)
    archive.write_out(str(path), verbose=False)


def _words(signatures: Mapping[str, Signature]) -> dict[str, str]:
    packages = sorted({one.requires for one in signatures.values()})
    return {
        "names": ", ".join(signatures),
        "folder": STRINGS,
        "packages": ", ".join(one.replace("_", "-") for one in packages),
        "modules": ", ".join(packages),
    }


def _with_float_input(inference: keras.Model) -> keras.Model:
    source = inference.inputs[0]
    raw = keras.Input(source.shape[1:], dtype="float32", name=source.name)
    # The same layers, called on another input.
    return keras.models.clone_model(
        inference, input_tensors=raw, clone_function=lambda layer: layer
    )
