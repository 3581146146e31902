"""`.litertlm` files, which LiteRT-LM runs on phones: model, tokenizer and template in one.

See https://github.com/google-ai-edge/LiteRT-LM. Written by the optional packages
litert-lm-builder and, for integers, ai-edge-quantizer.
"""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kfine.console import format_bytes
from kfine.errors import ExportError, MissingPackage
from kfine.exporting.formats.converting import run_converter
from kfine.exporting.metadata.attached import attach_metadata
from kfine.keras_private import flattened
from kfine.runtimes.language import SECTION

BUILDER, QUANTIZER = "litert_lm_builder", "ai_edge_quantizer"
# Tokens of a conversation that the file has room for, or more where a run's examples are longer.
ROOM = 1024
_STEP = 128
# Bytes of memory for each of the float32 weights: 5.6 GB for a model of 0.54.
_MEMORY = 10.5
# What the offsets of a file reach, in which all weights are float32 at first.
_LARGEST = 2**31
_META = "llm_metadata.pb"


@dataclass(frozen=True)
class Packed:
    """What a file needs beside the model to be talked with.

    Attributes:
        tokenizer: Name and content of a file: `tokenizer.json` or a SentencePiece model.
        template: A chat template in Jinja.
        start: The number of the token before a conversation that the template does not write.
        ends: Tokens any of which ends a reply.
        longest: Tokens of a prompt and a reply of the run, together.
    """

    tokenizer: tuple[str, bytes]
    template: str
    start: int | None
    ends: Sequence[int]
    longest: int

    @property
    def room(self) -> int:
        """Tokens of the longest conversation."""
        return max(ROOM, -(-self.longest // _STEP) * _STEP)


def require_litertlm(quantize: str) -> None:
    """Look whether the packages are there, without loading them.

    Raises:
        MissingPackage: One is not.
    """
    wanted = [BUILDER] + [QUANTIZER] * (quantize != "none")
    if any(importlib.util.find_spec(one) is None for one in wanted):
        raise MissingPackage(
            "Files for LiteRT-LM need the packages litert-lm-builder and ai-edge-quantizer: "
            "pip install 'kfine[lm]'."
        )


def check_fits(count: int) -> int:
    """Check that a model of so many weights can be converted here.

    Returns:
        How many bytes of memory that takes.

    Raises:
        ExportError: It is too large for the format or for this machine.
    """
    import psutil

    size = 4 * count
    if size > _LARGEST:
        raise ExportError(
            f"The model has {count / 1e6:.0f} million weights, {format_bytes(size)} in float32: a "
            "file for LiteRT is made from at most 2 GB, which is 530 million weights."
        )
    need, free = int(_MEMORY * size), int(psutil.virtual_memory().available)
    if need > free:
        raise ExportError(
            f"Converting {count / 1e6:.0f} million weights takes about {format_bytes(need)} of "
            f"memory, and {format_bytes(free)} are free: close what else runs, or use a machine "
            "with more."
        )
    return need


def write_litertlm(
    inference: Any,
    path: Path,
    packed: Packed,
    labels: Sequence[str],
    info: Mapping[str, Any],
    *,
    quantize: str,
    files: Mapping[str, bytes] | None = None,
) -> Path:
    """Write a file that LiteRT-LM runs, and kfine too.

    Args:
        inference: What `inference_model` returned, of a model that writes.
        path: The file to write.
        packed: Tokenizer, template and lengths.
        labels: None.
        info: JSON-able facts to carry along.
        quantize: "none" (float32), "dynamic" (int8 weights, per channel) or "int4".
        files: What else it carries, name -> content.

    Returns:
        `path`.

    Raises:
        ExportError: The model attends in a way that is not known, or the conversion fails.
        MissingPackage: As `require_litertlm`.
    """
    from kfine.exporting.formats.language_graph import write_language_graph
    from kfine.models.language import ReplyDecoder

    require_litertlm(quantize)
    (decoder,) = (one for one in flattened(inference) if isinstance(one, ReplyDecoder))
    with tempfile.TemporaryDirectory(prefix=".graph-", dir=path.parent) as folder:
        graph = write_language_graph(decoder, Path(folder, "graph"), packed.room)
        model = Path(folder, "model.tflite")
        run_converter("convert_language", graph, model, quantize, what=quantize)
        section = _pack(model, path, packed, Path(folder))
    facts = {**info, SECTION: section, "room": packed.room}
    attach_metadata(path, labels, facts, files, packed=True)
    return path


def _pack(model: Path, path: Path, packed: Packed, folder: Path) -> list[int]:
    """Write the file; where in it the model lies, from byte to byte."""
    from litert_lm_builder import litertlm_builder

    (folder / _META).write_bytes(_metadata(packed))
    name, content = packed.tokenizer
    tokenizer = folder / name
    tokenizer.write_bytes(content)
    builder = litertlm_builder.LitertLmFileBuilder()
    builder.add_llm_metadata(str(folder / _META))
    if name.endswith(".json"):
        builder.add_hf_tokenizer(str(tokenizer))
    else:
        builder.add_sentencepiece_tokenizer(str(tokenizer))
    kind = litertlm_builder.TfLiteModelType.PREFILL_DECODE
    builder.add_tflite_model(str(model), kind)
    with path.open("wb") as file:
        builder.build(file)
    return _section(path, model)


def _section(path: Path, model: Path) -> list[int]:
    """Where the model is: it is the last part, and as long as its own file."""
    size, whole = model.stat().st_size, path.stat().st_size
    with path.open("rb") as file:
        file.seek(whole - size)
        if file.read(8)[4:] != b"TFL3":
            raise ExportError(
                f"The model that was packed into {path.name} is not where it was put."
            )
    return [whole - size, whole]


def _metadata(packed: Packed) -> bytes:
    from litert_lm_builder.runtime.proto import llm_metadata_pb2, sampler_params_pb2

    said = llm_metadata_pb2.LlmMetadata()
    said.max_num_tokens = packed.room
    said.jinja_prompt_template = packed.template
    said.supports_thinking = said.supports_function_calling = False
    said.llm_model_type.generic_model.SetInParent()
    if packed.start is not None:
        said.start_token.token_ids.ids.append(packed.start)
    for end in packed.ends:
        said.stop_tokens.add().token_ids.ids.append(end)
    # The likeliest token each time, as the file was measured.
    sampler = sampler_params_pb2.SamplerParameters
    said.sampler_params.type = sampler.TOP_P
    said.sampler_params.k, said.sampler_params.p = 1, 1.0
    said.sampler_params.temperature = 1.0
    return bytes(said.SerializeToString())
