"""What the features of a trunk depend on, as one hash: equal keys mean equal features."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from typing import Any

import keras
import numpy as np

from kfine.keras_private import calls_of
from kfine.models.cutting import Cut

# Names are counters of the process, and whether a layer trains is the stage's business.
_WITHOUT_MEANING = ("name", "trainable", "build_config")
_LIBRARIES = ("keras", "keras_hub", "tensorflow")
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def trunk_key(cut: Cut, inputs: Any) -> str:
    """Hash of a trunk: its layers, how they are connected, their weights, the libraries' versions.

    Args:
        cut: A cut model.
        inputs: JSON-able description of what is done to an example before it enters the trunk.
    """
    hasher = hashlib.sha256()
    hasher.update(json.dumps([_versions(), inputs], sort_keys=True).encode())
    numbers: dict[int, int] = {}
    for tensor in cut.trunk.inputs:
        numbers[id(tensor)] = len(numbers)
    for node in calls_of(cut.trunk):
        described = _plain((node.arguments.args, node.arguments.kwargs), numbers)
        hasher.update(json.dumps([_operation(node.operation), described], sort_keys=True).encode())
        for variable in getattr(node.operation, "weights", []):
            hasher.update(variable.numpy().tobytes())
        for tensor in node.outputs:
            numbers[id(tensor)] = len(numbers)
    outputs = [numbers[id(tensor)] for tensor in cut.trunk.outputs]
    hasher.update(json.dumps(outputs).encode())
    return hasher.hexdigest()[:24]


def _versions() -> list[str]:
    import keras_hub
    import tensorflow as tf

    return [keras.version(), keras_hub.version(), tf.version.VERSION]


def _operation(operation: Any) -> Any:
    kind = type(operation)
    try:
        config = operation.get_config()
    except Exception:  # an operation that cannot be serialised is known by its attributes
        # "call" is there in frozen layers, and says nothing else.
        config = {k: v for k, v in vars(operation).items() if k[0] != "_" and k != "call"}
    return [*_code(kind), _plain(config, {})]


def _code(thing: Any) -> list[str]:
    """Name of a class or function, and a hash of its source where that may change under it."""
    named = [f"{thing.__module__}.{thing.__qualname__}"]
    if str(thing.__module__).split(".")[0] in _LIBRARIES:
        return named
    try:
        return [*named, hashlib.sha256(inspect.getsource(thing).encode()).hexdigest()]
    except (OSError, TypeError):
        return named


def _plain(value: Any, numbers: dict[int, int]) -> Any:
    """A JSON-able copy without names, tensors replaced by their numbers."""
    if isinstance(value, keras.KerasTensor):
        return {"tensor": numbers.get(id(value), -1)}
    if isinstance(value, dict):
        if str(value.get("class_name")).endswith("DTypePolicy"):
            return repr(value)  # its name is what it means
        return {
            str(key): _plain(one, numbers)
            for key, one in value.items()
            if key not in _WITHOUT_MEANING
        }
    if isinstance(value, (list, tuple)):
        return [_plain(one, numbers) for one in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if hasattr(value, "__array__"):
        array = np.ascontiguousarray(value)
        content = hashlib.sha256(array.tobytes()).hexdigest()
        return ["array", str(array.dtype), array.shape, content]
    if hasattr(value, "__qualname__"):
        return _code(value)
    return _ADDRESS.sub("", repr(value))
