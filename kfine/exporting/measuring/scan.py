"""Which operations of a LiteRT (TFLite) file a phone may lack."""

from __future__ import annotations

from pathlib import Path

from kfine.errors import ExportError

# LiteRT has some 200 builtin operations, and a model seldom more than 40 of them.
_MOST_CODES = 10_000


def custom_ops(path: Path | str) -> list[str]:
    """Names of the operations that are not LiteRT builtins, sorted.

    Raises:
        ExportError: If the file is not a LiteRT model.
    """
    # The interpreter would fail on such a file without naming what it lacks.
    from ai_edge_litert import schema_py_generated as schema

    content = Path(path).read_bytes()
    if content[4:8] != b"TFL3":
        raise ExportError(f"{path} is not a .tflite model (no TFL3 identifier).")
    try:
        # Field by field: the whole tree of a hostile file may be larger than any memory.
        model = schema.Model.GetRootAs(content, 0)
        count = model.OperatorCodesLength()
        if count > _MOST_CODES:
            raise ValueError(f"{count} operator codes")
        names = {model.OperatorCodes(index).CustomCode() for index in range(count)} - {None, b""}
    except Exception as error:
        raise ExportError(f"{path} is a damaged .tflite model.") from error
    return sorted(name.decode(errors="replace") for name in names)


def flex_ops(path: Path | str) -> list[str]:
    """Names of the TensorFlow (Flex) operations, which no phone runtime brings along."""
    return [name for name in custom_ops(path) if name.startswith("Flex")]
