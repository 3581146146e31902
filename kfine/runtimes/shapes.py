"""Whether a `.tflite` tells the truth about its tensors' shapes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kfine.errors import ExportError


def require_true_shapes(path: Path, taken: Sequence[tuple[int, ...]]) -> None:
    """Compare the shapes that a file states with those that its operations make.

    LiteRT's own kernels work shapes out anew and ignore what is stated; XNNPACK, which runs
    by default, believes it and reads past the end of a buffer.

    Args:
        path: The file; may end the process if it is damaged.
        taken: Shapes of inputs that it takes, each with its batch of 1, in no order.

    Raises:
        ExportError: The two differ.
        RuntimeError, ValueError: LiteRT refuses the file.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    plain = Interpreter(
        model_path=str(path),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    stated = {
        tensor["index"]: tuple(tensor["shape_signature"]) or tuple(tensor["shape"])
        for tensor in plain.get_tensor_details()
    }
    left = list(taken)
    for one in plain.get_input_details():
        fitting = next((shape for shape in left if _fits(shape, stated[one["index"]])), None)
        if fitting is not None:
            left.remove(fitting)
            plain.resize_tensor_input(one["index"], fitting)
    plain.allocate_tensors()
    for tensor in plain.get_tensor_details():
        # Tensors that a kernel adds for its own use are not in the file.
        if tensor["index"] in stated and not _fits(tensor["shape"], stated[tensor["index"]]):
            raise ExportError(
                f"{path} is damaged: its tensor {tensor['name'][:80]!r} is stated to be "
                f"{tuple(map(int, stated[tensor['index']]))} and is "
                f"{tuple(map(int, tensor['shape']))}."
            )


def _fits(shape: tuple[int, ...], stated: tuple[int, ...]) -> bool:
    return len(shape) == len(stated) and all(
        free < 0 or side == free for side, free in zip(shape, stated, strict=True)
    )
