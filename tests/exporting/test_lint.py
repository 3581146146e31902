"""The device lint: what it finds in real files, and the layer that it names."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kfine.errors import ExportError
from kfine.exporting.measuring.lint import lint_file, summarize


@pytest.fixture(scope="module")
def write(needs_keras: None, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`write(layer, ...)` converts a graph whose layer `odd` computes something unusual."""
    import tensorflow as tf

    kernel = tf.constant(np.random.default_rng(0).normal(size=(3, 3, 3, 3)), tf.float32)

    def make(odd: Callable[[Any], Any], *, size: int | None = 8, int8: bool = False) -> Path:
        @tf.function(input_signature=[tf.TensorSpec((1, size, size, 3), name="image")])
        def net(image: Any) -> Any:
            hidden = image
            for name in ("first", "second"):
                with tf.name_scope(f"inference_1/backbone_1/{name}_1"):
                    hidden = tf.nn.conv2d(hidden, kernel, 1, "SAME", name="convolution")
                if name == "first":
                    with tf.name_scope("inference_1/backbone_1/odd_1"):
                        hidden = odd(hidden)
            with tf.name_scope("inference_1/backbone_1/pool_1"):
                return tf.reduce_mean(hidden, axis=(1, 2))

        converter = tf.lite.TFLiteConverter.from_concrete_functions([net.get_concrete_function()])
        converter.target_spec.supported_ops = [
            tf.lite.OpsSet.TFLITE_BUILTINS,
            tf.lite.OpsSet.SELECT_TF_OPS,
        ]
        if int8:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            noise = np.random.default_rng(0).normal(size=(8, 1, 8, 8, 3)).astype(np.float32)
            converter.representative_dataset = lambda: ([one] for one in noise)
        path = tmp_path_factory.mktemp("lint") / "model.tflite"
        with warnings.catch_warnings():
            # TensorFlow's, about itself.
            warnings.simplefilter("ignore", UserWarning)
            path.write_bytes(converter.convert())
        return path

    return make


def test_a_flex_operation_is_named_with_its_layer(write: Callable[..., Path]) -> None:
    import tensorflow as tf

    path = write(lambda hidden: tf.image.resize(hidden, (8, 8), method="bicubic"), size=9)
    (finding,) = lint_file(path)
    assert (finding.kind, finding.operation, finding.layer) == (
        "custom op",
        "FlexResizeBicubic",
        "odd",
    )


def test_a_float_island_in_an_integer_file_is_named(write: Callable[..., Path]) -> None:
    import tensorflow as tf

    path = write(tf.math.ceil, int8=True)
    assert [(one.kind, one.operation, one.layer) for one in lint_file(path)] == [
        ("float island", "CEIL", "odd")
    ]


def test_a_plain_file_has_no_findings(write: Callable[..., Path]) -> None:
    import tensorflow as tf

    assert lint_file(write(tf.nn.relu)) == []
    assert lint_file(write(tf.nn.relu, int8=True)) == []


def test_open_shapes_are_named(write: Callable[..., Path]) -> None:
    import tensorflow as tf

    found = lint_file(write(tf.nn.relu, size=None))
    assert {one.kind for one in found} == {"dynamic shape"}
    assert "first" in {one.layer for one in found}
    assert "--input fixed" in found[0].advice


def test_findings_of_one_kind_are_one_line(write: Callable[..., Path]) -> None:
    import tensorflow as tf

    (line,) = summarize(lint_file(write(tf.nn.relu, size=None)))
    assert line.startswith("dynamic shape in first")
    assert line.endswith("give the layer a fixed size.")


def test_what_is_no_model_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.tflite").write_bytes(b"hello, hello, hello")
    with pytest.raises(ExportError, match=r"x\.tflite is not a \.tflite model"):
        lint_file(tmp_path / "x.tflite")


def test_litert_calls_every_graph_compatible_with_gpus(write: Callable[..., Path]) -> None:
    """Why the lint says nothing of GPUs; when this fails, LiteRT checks again: use it."""
    import tensorflow as tf
    from ai_edge_litert._pywrap_analyzer_wrapper import ModelAnalyzer

    def odd(hidden: Any) -> Any:
        values, _ = tf.unique(tf.reshape(hidden, (-1,)))
        return hidden + tf.reduce_sum(values)

    text = ModelAnalyzer(str(write(odd)), True, True)
    assert "UNIQUE" in text
    assert "looks compatible with GPU delegate" in text
    assert "WARNING" not in text
