"""The model as a phone sees it: raw examples in, what the answer makes of the outputs out."""

from __future__ import annotations

from typing import Any

import keras

from kfine.answers import Answer, named_outputs
from kfine.errors import ExportError
from kfine.exporting.choices import FIXED
from kfine.inputs import Input
from kfine.keras_private import flattened
from kfine.models.answering import answering


def inference_model(
    model: keras.Model, input: Input, answer: Answer, form: str = FIXED
) -> keras.Model:
    """Put the input's stage before a model and the answer's behind it.

    The weights are shared with `model`, or copied when it computes in another type than
    float32: a mixed-precision graph needs Flex ops on a phone.

    Args:
        model: From what the input's `prepare` gives to what the answer's losses compare.
        input: What lies between raw examples and the model.
        answer: What lies between its outputs and predictions.
        form: How raw examples are taken, one of the forms of `input.device()`.

    Returns:
        Raw tensors (one, or a dict by name) to a dict of float32 tensors by name.

    Raises:
        ExportError: The form is unknown, or the model does not give what the answer needs.
    """
    device = input.device()
    if form not in device.forms:
        raise ExportError(f"Unknown input form: {form!r}; use {' or '.join(device.forms)}.")
    raw, prepared = device.stage(form)
    outputs = answering(answer, _in_float32(model))(prepared, training=False)
    described = {one.name: one for one in answer.device().tensors}
    try:
        finished = answer.finish(named_outputs(answer, outputs))
        wrong = {
            name: value.shape
            for name, value in finished.items()
            if len(value.shape) != 1 + described[name].rank
        }
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ExportError(f"The model does not give what the answer reads: {error}.") from error
    for name, shape in wrong.items():
        raise ExportError(
            f"The model to export must give {name} (batch, {described[name].axes}). "
            f"Received: {shape}."
        )
    named = {
        name: keras.layers.Identity(dtype="float32", name=name)(value)
        for name, value in finished.items()
    }
    return keras.Model(raw, named, name="inference")


def _in_float32(model: keras.Model) -> keras.Model:
    layers = flattened(model)
    if all(layer.dtype_policy.compute_dtype == "float32" for layer in layers):
        return model
    config = _float32_config(keras.saving.serialize_keras_object(model))
    config.pop("compile_config", None)
    copy = keras.saving.deserialize_keras_object(config)
    copy.set_weights(model.get_weights())
    return copy


def _float32_config(config: Any) -> Any:
    if isinstance(config, dict):
        if config.get("class_name", "").endswith("DTypePolicy"):
            return {**config, "config": {**config["config"], "name": "float32"}}
        return {key: _float32_config(value) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return type(config)(_float32_config(value) for value in config)
    return "float32" if config in ("mixed_float16", "mixed_bfloat16") else config
