"""OpenVINO IR folders, by the optional package openvino."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfine.errors import ExportError
from kfine.exporting.metadata.attached import write_beside
from kfine.runtimes.exported import first_line
from kfine.runtimes.openvino import MODEL, require_openvino

if TYPE_CHECKING:
    import keras


def write_openvino(
    inference: keras.Model,
    path: Path,
    labels: Sequence[str],
    info: Mapping[str, Any],
    *,
    quantize: str = "none",
    files: Mapping[str, bytes] | None = None,
) -> Path:
    """Write a folder with `model.xml` and `model.bin`.

    "image" or "token_ids" in, the output out, any batch.

    Args:
        inference: What `inference_model` returned.
        path: The folder to write; it must not exist yet.
        labels: Class names in the order of the probabilities.
        info: JSON-able facts to carry along.
        quantize: "none", or "float16" for weights of half the size.
        files: What else it carries, name -> content.

    Returns:
        `path`, with labels, facts and files beside the model.

    Raises:
        MissingPackage: openvino is missing.
        ExportError: The conversion fails.
    """
    require_openvino()
    import openvino

    from kfine.exporting.formats.saved_model import write_saved_model

    with tempfile.TemporaryDirectory(prefix=".graph-", dir=path.parent) as folder:
        graph = write_saved_model(inference, Path(folder, "graph"), labels, info)
        try:
            # Not `convert_model`: that one reports to Intel how it is used.
            model = openvino.Core().read_model(str(graph))
            path.mkdir()
            openvino.save_model(model, path / MODEL, compress_to_fp16=quantize == "float16")
        except Exception as error:
            reason = first_line(error)
            raise ExportError(f"The model could not be converted to OpenVINO: {reason}.") from error
    write_beside(path, labels, info, files)
    return path
