"""Weights of four bits, by the optional package ai-edge-quantizer."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
from typing import Any

from kfine.errors import MissingPackage

PACKAGE = "ai_edge_quantizer"
# Of all weights. In an EfficientNet-Lite0 four bits everywhere cost 23 points of accuracy, and
# eight where the layers are small, 8: the small ones come first and their errors grow.
_LARGE = 0.01


def require_four_bit() -> None:
    """Look whether the package is there, without loading it.

    Raises:
        MissingPackage: It is not.
    """
    if importlib.util.find_spec(PACKAGE) is None:
        raise MissingPackage(
            "4-bit weights need the package ai-edge-quantizer: pip install 'kfine[int4]'."
        )


def four_bit_weights(model: bytes) -> bytes:
    """Store the weights of large layers in 4 bits and of the others in 8, per channel.

    The arithmetic stays float: weights are unpacked when the model runs. The 4-bit scales are
    the optimal clipping of OCTAV.

    Args:
        model: A float32 LiteRT (TFLite) flatbuffer.

    Returns:
        The smaller flatbuffer.

    Reference:
        Sakr et al., "Optimal Clipping and Magnitude-aware Differentiation for Improved
        Quantization-aware Training", ICML 2022; https://github.com/google-ai-edge/ai-edge-quantizer
    """
    require_four_bit()
    from ai_edge_quantizer import algorithm_manager, qtyping, quantizer

    names = qtyping.TFLOperationName
    clipping = algorithm_manager.AlgorithmName.OCTAV
    made = quantizer.Quantizer(bytearray(model))
    made.add_weight_only_config(".*", names.ALL_SUPPORTED, num_bits=8)
    for operation, output in _large_layers(model):
        made.add_weight_only_config(
            f"^{re.escape(output)}", getattr(names, operation), num_bits=4, algorithm_key=clipping
        )
    return quantized_by(made)


def quantized_by(made: Any) -> bytes:
    """What an `ai_edge_quantizer.quantizer.Quantizer` makes, without the progress it prints."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return bytes(made.quantize().quantized_model)


def _large_layers(model: bytes) -> list[tuple[str, str]]:
    """Operation and output tensor of the layers that hold most weights."""
    from ai_edge_litert import schema_py_generated as schema

    root = schema.Model.GetRootAs(model, 0)
    graph = root.Subgraphs(0)
    kinds = {
        schema.BuiltinOperator.CONV_2D: "CONV_2D",
        schema.BuiltinOperator.FULLY_CONNECTED: "FULLY_CONNECTED",
    }
    sizes = {}
    for index in range(graph.OperatorsLength()):
        operator = graph.Operators(index)
        kind = kinds.get(root.OperatorCodes(operator.OpcodeIndex()).BuiltinCode())
        if kind:
            weights = root.Buffers(graph.Tensors(operator.Inputs(1)).Buffer()).DataLength()
            output = graph.Tensors(operator.Outputs(0)).Name().decode()
            sizes[kind, output] = weights
    limit = _LARGE * _weight_bytes(root)
    return [layer for layer, size in sizes.items() if size >= limit]


def _weight_bytes(root: Any) -> int:
    return sum(root.Buffers(index).DataLength() for index in range(root.BuffersLength()))
