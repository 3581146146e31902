"""From the long tensor names of a LiteRT (TFLite) file back to the Keras layers."""

from __future__ import annotations

import re

# The part of a fused name that says which layer the weights are of, not its activation.
_WEIGHTS = ("convolution", "depthwise", "Conv2D", "MatMul")


def keras_layer(tensor: str) -> str:
    """The Keras layer that a tensor comes from.

    A tensor is named after all operations that were fused into it, joined by `;`, each with
    the path of its scopes. Keras numbers each scope when a model is traced again: all get the
    same `_1`, and it is taken off again.

    Args:
        tensor: Such as `inference_1/backbone_1/stem_bn_1/batchnorm/add;.../stem_conv_1/Conv2D`.

    Returns:
        The layer's name, `stem_conv`; the tensor's own name if it has no path.
    """
    if "/" not in tensor and not tensor.startswith("StatefulPartitionedCall"):
        return tensor.split(":")[0]
    fused = re.sub(r";?StatefulPartitionedCall\S*", "", tensor).split(";")
    parts = [[word for word in part.split("/") if word] for part in fused]
    parts = [words for words in parts if words]
    if not parts:
        return tensor
    path = next((words for words in parts if words[-1].startswith(_WEIGHTS)), parts[0])
    number = re.search(r"_\d+$", path[0])
    suffix = number.group() if number else ""
    # Every scope of a layer has the number, what TensorFlow adds below has none or another.
    scopes = [word for word in path[:-1] if word.endswith(suffix)] or path[:1]
    return scopes[-1].removesuffix(suffix) or tensor
