"""Model metadata inside a `.tflite`: where other tools look for it, and nothing else changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kfine.answers import Described
from kfine.errors import ExportError
from kfine.exporting.formats.layers import keras_layer
from kfine.exporting.formats.names import shorten_names
from kfine.exporting.metadata.embedding import embed_buffer, read_buffer
from kfine.exporting.metadata.model_metadata import BUFFER_NAME, model_metadata
from kfine.inputs.image.metadata import image_tensor

METADATA = model_metadata(
    {
        "name": "birds",
        "description": "Classifies birds.",
        "version": "3",
        "license": "Apache-2.0",
    },
    describe_inputs=lambda builder: [image_tensor(builder, (16, 24))],
    outputs=[Described("birds", ("probability", "Of each bird."), "birds", (0.0, 1.0), ("a", "b"))],
    labels_files={"birds": "labels.txt"},
)


@pytest.fixture(scope="module")
def model(needs_keras: None) -> bytes:
    """A small convolution as the converter writes it, with its long names."""
    import tensorflow as tf

    kernel = tf.constant(np.random.default_rng(0).normal(size=(3, 3, 3, 40)), tf.float32)

    @tf.function(input_signature=[tf.TensorSpec((1, 16, 16, 3), tf.float32, name="image")])
    def net(image: Any) -> Any:
        with tf.name_scope("inference_1/backbone_1/stem_conv_1"):
            hidden = tf.nn.relu(tf.nn.conv2d(image, kernel, 1, "SAME", name="convolution"))
        with tf.name_scope("inference_1/backbone_1/pooler_1"):
            return tf.reduce_mean(tf.sin(hidden), axis=(1, 2))

    converter = tf.lite.TFLiteConverter.from_concrete_functions([net.get_concrete_function()])
    return bytes(converter.convert())


def answer(model: bytes) -> np.ndarray:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=model)
    interpreter.allocate_tensors()
    image = np.random.default_rng(1).normal(size=(1, 16, 16, 3)).astype(np.float32)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    return np.asarray(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))


def field(table: Any, slot: int) -> Any:
    """The table that a field refers to, by the schema's numbers."""
    from flatbuffers.table import Table

    offset = table.Offset(4 + 2 * slot)
    return Table(table.Bytes, table.Indirect(table.Pos + offset)) if offset else None


def text(table: Any, slot: int) -> str:
    offset = table.Offset(4 + 2 * slot)
    return table.String(table.Pos + offset).decode() if offset else ""


def first(table: Any, slot: int) -> Any:
    from flatbuffers.table import Table

    return Table(table.Bytes, table.Indirect(table.Vector(table.Offset(4 + 2 * slot))))


def number(table: Any, slot: int, kind: str) -> int:
    from flatbuffers import number_types

    return int(table.GetSlot(4 + 2 * slot, 0, getattr(number_types, f"{kind}Flags")))


def test_the_metadata_follows_the_published_schema() -> None:
    from flatbuffers import encode, packer
    from flatbuffers.table import Table

    assert METADATA[4:8] == b"M001"
    root = Table(bytearray(METADATA), encode.Get(packer.uoffset, METADATA, 0))
    assert [text(root, slot) for slot in (0, 1, 2, 5, 7)] == [
        "birds",
        "Classifies birds.",
        "3",
        "Apache-2.0",
        "1.0.0",
    ]
    graph = first(root, 3)
    image, output = first(graph, 2), first(graph, 3)
    assert (text(image, 0), text(output, 0)) == ("image", "probability")
    content = field(image, 3)
    assert number(content, 0, "Uint8") == 2, "the union's second member, ImageProperties"
    properties = field(content, 1)
    assert number(properties, 0, "Int8") == 1, "RGB"
    size = field(properties, 1)
    assert (number(size, 0, "Uint32"), number(size, 1, "Uint32")) == (24, 16)
    labels = first(output, 6)
    assert (text(labels, 0), number(labels, 2, "Int8")) == ("labels.txt", 2)


def test_embedding_changes_no_answer_and_reads_back(model: bytes) -> None:
    made = embed_buffer(model, BUFFER_NAME, METADATA)
    assert read_buffer(made, BUFFER_NAME) == METADATA
    assert read_buffer(model, BUFFER_NAME) is None
    assert read_buffer(made, "min_runtime_version") == read_buffer(model, "min_runtime_version")
    assert model[8:] in made, "what the converter wrote is there, byte for byte"
    assert np.array_equal(answer(made), answer(model))
    with pytest.raises(ExportError, match="has metadata of the name TFLITE_METADATA already"):
        embed_buffer(made, BUFFER_NAME, METADATA)
    with pytest.raises(ExportError, match=r"not a \.tflite model"):
        embed_buffer(b"nothing of the kind", BUFFER_NAME, METADATA)


def test_short_names_are_layers_and_change_no_answer(model: bytes) -> None:
    from ai_edge_litert import schema_py_generated as schema

    made = shorten_names(model)
    assert len(made) < len(model)
    assert np.array_equal(answer(made), answer(model))
    root = schema.Model.GetRootAs(made, 0)
    graph = root.Subgraphs(0)
    names = [graph.Tensors(index).Name().decode() for index in range(graph.TensorsLength())]
    assert {"stem_conv", "pooler"} <= {keras_layer(name) for name in names}
    for index in range(root.BuffersLength()):
        table = root.Buffers(index)._tab
        if root.Buffers(index).DataLength():
            assert table.Vector(table.Offset(4)) % 16 == 0


def test_weights_behind_the_tables_are_found_again(model: bytes) -> None:
    from kfine.exporting.formats.four_bit import four_bit_weights

    quantized = four_bit_weights(model)
    for made in (shorten_names(quantized), embed_buffer(quantized, BUFFER_NAME, METADATA)):
        assert np.array_equal(answer(made), answer(quantized))


@pytest.mark.parametrize(
    ("tensor", "layer"),
    [
        (
            "inference_1/task_1/backbone_1/block1a_bn_1/batchnorm/add_1;"
            "inference_1/task_1/backbone_1/block1a_dwconv2_1/depthwise",
            "block1a_dwconv2",
        ),
        ("inference_1/raw_images_1/Conv2D;inference_1/raw_images_1/Const_1", "raw_images"),
        ("inference/head/MatMul;StatefulPartitionedCall/inference/head/BiasAdd", "head"),
        ("inference_1/backbone_1/conv_2_1/convolution", "conv_2"),
        ("stem_conv:17", "stem_conv"),
        ("serving_default_image:0", "serving_default_image"),
    ],
)
def test_a_tensor_is_traced_to_its_keras_layer(tensor: str, layer: str) -> None:
    assert keras_layer(tensor) == layer


def test_an_exported_file_carries_metadata_and_labels(
    tmp_path: Path, model: bytes, trained: Any
) -> None:
    import zipfile

    from kfine.exporting.metadata.attached import attach_metadata
    from kfine.runtimes.carried import read_metadata

    path = tmp_path / "model.tflite"
    path.write_bytes(model)
    attach_metadata(path, trained.names, {"name": "digits"}, described=METADATA)
    described = read_buffer(path.read_bytes(), BUFFER_NAME)
    assert described == METADATA and b"birds" in described and b"labels.txt" in described
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo("labels.txt")
        assert member.compress_type == zipfile.ZIP_STORED, "MediaPipe reads no other"
    assert read_metadata(path)[0] == trained.names
