"""The child process that converts a language model: SavedModel folder in, LiteRT file out.

`python -m kfine.exporting.formats.convert_language SAVED_MODEL OUTPUT QUANTIZE`
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from kfine.exporting.formats.converting import write_or_explain
from kfine.exporting.formats.four_bit import quantized_by
from kfine.exporting.formats.language_graph import HEAD
from kfine.runtimes.language import DECODE, PIECES, PREFILL

# Of weights that share a scale where they have four bits.
_BLOCK = 32


def convert(saved_model: Path, quantize: str) -> bytes:
    """Convert all signatures to builtin operations, which share their weights.

    Args:
        saved_model: What `write_language_graph` wrote.
        quantize: "none", "dynamic" or "int4".
    """
    import tensorflow as tf

    keys = [*(PREFILL.format(count) for count in PIECES), DECODE]
    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved_model), signature_keys=keys)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    model = with_lookups(bytes(converter.convert()))
    return model if quantize == "none" else quantized(model, quantize)


def with_lookups(model: bytes) -> bytes:
    """The same file with rows of the largest table looked up by the operation made for it.

    The quantizer knows `EMBEDDING_LOOKUP` and leaves a table that is read by `GATHER` in float32,
    beside the one that the logits are computed with.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    root = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))
    sizes = [0 if one.data is None else len(one.data) for one in root.buffers]
    largest = max(sizes)
    codes = [max(one.builtinCode, one.deprecatedBuiltinCode) for one in root.operatorCodes]
    lookup = len(codes)
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.EMBEDDING_LOOKUP
    code.version = 1
    root.operatorCodes.append(code)
    for graph in root.subgraphs:
        for one in graph.operators:
            if codes[one.opcodeIndex] != schema.BuiltinOperator.GATHER:
                continue
            table, rows = (int(number) for number in one.inputs)
            if sizes[graph.tensors[table].buffer] == largest:
                one.opcodeIndex, one.inputs = lookup, [rows, table]
                one.builtinOptionsType, one.builtinOptions = 0, None
    builder = flatbuffers.Builder(len(model))
    builder.Finish(root.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def quantized(model: bytes, quantize: str) -> bytes:
    """The weights in eight bits per channel, or in four per block but for the table."""
    from ai_edge_quantizer import qtyping, quantizer

    names = qtyping.TFLOperationName
    made = quantizer.Quantizer(bytearray(model))
    made.add_dynamic_config(".*", names.ALL_SUPPORTED, num_bits=8)
    if quantize == "int4":
        block = qtyping.QuantGranularity(
            f"BLOCKWISE_{_BLOCK}" if _in_blocks(model) else "CHANNELWISE"
        )
        made.add_dynamic_config(".*", names.FULLY_CONNECTED, num_bits=4, granularity=block)
        made.add_dynamic_config(f".*{HEAD}.*", names.FULLY_CONNECTED, num_bits=8)
    return quantized_by(made)


def _in_blocks(model: bytes) -> bool:
    """Whether all weights that are multiplied with can be parted so."""
    from ai_edge_litert import schema_py_generated as schema

    root = schema.Model.GetRootAs(model, 0)
    kind = schema.BuiltinOperator.FULLY_CONNECTED
    graph = root.Subgraphs(0)
    operators = [graph.Operators(number) for number in range(graph.OperatorsLength())]
    shapes = [
        graph.Tensors(one.Inputs(1)).ShapeAsNumpy()
        for one in operators
        if root.OperatorCodes(one.OpcodeIndex()).BuiltinCode() == kind
    ]
    return all(shape[1] % _BLOCK == 0 for shape in shapes)


def main(arguments: list[str]) -> int:
    """Convert once; the last line of standard error says what went wrong."""
    saved_model, output, quantize = arguments
    return write_or_explain(output, lambda: convert(Path(saved_model), quantize))


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.exit(main(sys.argv[1:]))
