"""What a phone may stumble over in a `.tflite`: each finding with its Keras layer and a way out.

Whether a GPU can run it is not among them: since TensorFlow 2.19 LiteRT's own analyzer calls every
model compatible (https://github.com/tensorflow/tensorflow/issues/77042).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kfine.errors import ExportError
from kfine.exporting.formats.layer_errors import OUTPUT
from kfine.exporting.formats.layers import keras_layer
from kfine.inputs import IN_FLOAT

# The layers that prepare raw inputs are called so.
_STAGE = "raw_"
_CONVERSIONS = ("QUANTIZE", "DEQUANTIZE", "CAST")
_HEAVY = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_FLOATS = ("FLOAT32", "FLOAT16")


@dataclass(frozen=True)
class Finding:
    """One thing that a device may not run, or not run fast.

    Attributes:
        kind: "custom op", "dynamic shape" or "float island".
        operation: The LiteRT operation, such as `CONV_2D` or `FlexResizeBicubic`.
        layer: The Keras layer that it comes from.
        what: What is wrong, a sentence.
        advice: What to do, a sentence.
    """

    kind: str
    operation: str
    layer: str
    what: str
    advice: str


@dataclass(frozen=True)
class _Operation:
    index: int
    name: str
    custom: bool
    layer: str
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]


def lint_file(path: Path | str, *, form: str = "fixed") -> list[Finding]:
    """Look through a `.tflite` that kfine wrote for what devices lack.

    Args:
        path: The file.
        form: "any" declares an input of any size, and the stage that resizes it is then
            no finding.

    Returns:
        Findings, one for each kind and layer, in the order of the graph.

    Raises:
        ExportError: It is not a LiteRT model.
    """
    content = Path(path).read_bytes()
    if content[4:8] != b"TFL3":
        raise ExportError(f"{path} is not a .tflite model (no TFL3 identifier).")
    operations = list(_operations(content))
    exempt = form == "any"
    found = [
        *_custom(operations),
        *_dynamic(operations, exempt),
        *_islands(operations),
    ]
    return list({(one.kind, one.layer, one.operation): one for one in found}.values())


def summarize(findings: Sequence[Finding]) -> list[str]:
    """One line for each kind of finding: its layers, the first one's reason, what to do."""
    lines = []
    for kind in dict.fromkeys(one.kind for one in findings):
        same = [one for one in findings if one.kind == kind]
        layers = ", ".join(dict.fromkeys(one.layer for one in same))
        lines.append(f"{kind} in {layers}: {same[0].what} {same[0].advice}")
    return lines


def _operations(content: bytes) -> Iterator[_Operation]:
    from ai_edge_litert import schema_py_generated as schema

    names = {v: k for k, v in vars(schema.BuiltinOperator).items() if not k.startswith("_")}
    kinds = {v: k for k, v in vars(schema.TensorType).items() if not k.startswith("_")}
    root = schema.Model.GetRootAs(content, 0)
    graph = root.Subgraphs(0)

    def tensor(index: int) -> tuple[str, str, tuple[int, ...], bool]:
        one = graph.Tensors(index)
        signature = one.ShapeSignatureAsNumpy() if one.ShapeSignatureLength() else ()
        constant = root.Buffers(one.Buffer()).DataLength() > 0
        return one.Name().decode(), kinds[one.Type()], tuple(map(int, signature)), constant

    for index in range(graph.OperatorsLength()):
        operator = graph.Operators(index)
        code = root.OperatorCodes(operator.OpcodeIndex())
        custom = code.CustomCode()
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        inputs = [operator.Inputs(i) for i in range(operator.InputsLength())]
        outputs = tuple(tensor(operator.Outputs(i)) for i in range(operator.OutputsLength()))
        yield _Operation(
            index,
            custom.decode(errors="replace") if custom else names.get(number, str(number)),
            custom is not None,
            keras_layer(outputs[0][0]) if outputs else "",
            tuple(tensor(one) for one in inputs if one >= 0),
            outputs,
        )


def _custom(operations: list[_Operation]) -> Iterator[Finding]:
    for one in operations:
        if one.custom:
            kind = "a TensorFlow (Flex)" if one.name.startswith("Flex") else "a custom"
            yield Finding(
                "custom op",
                one.name,
                one.layer,
                f"{one.name} is {kind} operation, which no phone runtime brings along.",
                "Replace the layer by one of LiteRT's builtin operations.",
            )


def _dynamic(operations: list[_Operation], exempt: bool) -> Iterator[Finding]:
    for one in operations:
        shape = next((shape for _, _, shape, _ in one.outputs if -1 in shape), None)
        if shape is None or (exempt and _is_input_stage(one)):
            continue
        yield Finding(
            "dynamic shape",
            one.name,
            one.layer,
            f"The output of {one.name} has the open shape {list(shape)}, which most "
            "accelerators refuse.",
            "Export with --input fixed, and give the layer a fixed size.",
        )


def _is_input_stage(one: _Operation) -> bool:
    # The raw image's own name is that of the signature.
    near = [one.layer, *(keras_layer(name) for name, _, _, _ in one.inputs)]
    return any(name.startswith((_STAGE, "serving_default_")) for name in near)


def _islands(operations: list[_Operation]) -> Iterator[Finding]:
    heavy = [one for one in operations if one.name in _HEAVY]
    integer = [one for one in heavy if one.outputs[0][1] in ("INT8", "UINT8", "INT16")]
    if 2 * len(integer) <= len(heavy):
        return
    meant: tuple[str, ...] = (_STAGE,)
    # Where a layer says that it stays in float, the outputs do too.
    if any(one.layer.startswith(IN_FLOAT) for one in operations):
        meant += (IN_FLOAT, OUTPUT)
    for one in operations:
        is_float = any(kind in _FLOATS for _, kind, _, _ in one.outputs)
        if is_float and one.name not in _CONVERSIONS and not one.layer.startswith(meant):
            yield Finding(
                "float island",
                one.name,
                one.layer,
                f"{one.name} computes in float in an integer file: an accelerator that runs "
                "integers only hands it to the CPU.",
                "Try --quantize int8-full, which leaves nothing in float, and look at what it "
                "costs.",
            )
