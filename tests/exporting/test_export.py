"""Exported files, run as they are and compared with Keras."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kfine.errors import ExportError


def export(trained: Any, destination: Path, **settings: Any) -> Any:
    from kfine.exporting.export import export_model
    from kfine.exporting.inference import inference_model

    if settings.get("quantize") == "int8":
        settings.setdefault("representative", trained.train_images[:100])
    form = settings.setdefault("form", "any")
    model = settings.pop("model", trained.model)
    held_out = settings.pop("held_out", None) or trained.held_out()
    inference = inference_model(model, trained.input, trained.answer, form)
    return export_model(inference, trained.plan(**settings), destination, held_out)


@pytest.fixture(scope="session")
def float32_file(trained: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    report = export(trained, tmp_path_factory.mktemp("float32"), quantize="none")
    assert report.verdict.passed, report.refusal_sentence()
    return Path(report.path)


def test_the_classifier_under_test_is_a_real_one(trained: Any) -> None:
    assert np.mean(trained.probabilities.argmax(axis=1) == trained.targets) > 0.85


def test_a_float32_file_gives_the_training_pipelines_probabilities(
    trained: Any, float32_file: Path, predict_file: Any
) -> None:
    got = predict_file(float32_file, trained.images)
    assert got.dtype == np.float32
    assert np.abs(got - trained.probabilities).max() < 1e-4


@pytest.mark.parametrize(
    ("quantize", "agreement", "worst"),
    [("float16", 0.995, 0.02), ("dynamic", 0.97, 0.2), ("int8", 0.95, 0.5)],
)
def test_a_quantized_file_is_smaller_and_agrees_with_keras(
    trained: Any,
    float32_file: Path,
    tmp_path: Path,
    quantize: str,
    agreement: float,
    worst: float,
    predict_file: Any,
) -> None:
    report = export(trained, tmp_path, quantize=quantize)
    assert report.verdict.passed, report.refusal_sentence()
    assert report.verdict.agreement >= agreement
    assert report.path == tmp_path / "model.tflite"
    assert report.size_bytes == report.path.stat().st_size < float32_file.stat().st_size
    got = predict_file(report.path, trained.images)
    assert np.abs(got - trained.probabilities).max() < worst


@pytest.mark.parametrize("form", ["any", "fixed"])
def test_a_saved_model_agrees_and_takes_batches(trained: Any, tmp_path: Path, form: str) -> None:
    import tensorflow as tf

    from kfine.inputs.image.pixels import resize_image

    report = export(trained, tmp_path, format="saved_model", quantize="none", form=form)
    assert report.verdict.agreement == 1.0
    serve = tf.saved_model.load(str(report.path)).signatures["serving_default"]
    images = trained.images
    if form == "fixed":
        images = np.stack([resize_image(image, (16, 16)) for image in images])
    got = serve(image=tf.constant(images))["probabilities"].numpy()
    assert np.abs(got - trained.probabilities).max() < 1e-4
    assert (report.path / "assets.extra" / "labels.txt").read_text().startswith("digit 0\n")
    weights = 4 * trained.model.count_params()
    assert report.size_bytes < 1.5 * weights + 300_000


def test_fixed_and_any_input_agree_on_a_photo_of_any_size(
    trained: Any, float32_file: Path, tmp_path: Path, predict_file: Any
) -> None:
    from sklearn.datasets import load_sample_image

    fixed = export(trained, tmp_path, quantize="none", form="fixed").path
    photo = load_sample_image("flower.jpg")
    images = [photo, photo[:300, :77], photo[:16, :16], photo[:1, :1], photo]
    assert np.abs(predict_file(fixed, images) - predict_file(float32_file, images)).max() < 1e-3


def test_labels_and_facts_come_back_exactly(trained: Any, tmp_path: Path) -> None:
    from kfine.answers.classes import Classes
    from kfine.runtimes.carried import read_metadata
    from kfine.runtimes.loading import load_exported

    labels = ("Käse 🧀", "two words", "line\nbreak", ",;\"'", *map(str, range(6)))
    renamed = replace(trained, answer=Classes(labels))
    for settings in ({"quantize": "none"}, {"format": "saved_model", "quantize": "none"}):
        report = export(renamed, tmp_path, info={"run": "ü", "seed": 3}, **settings)
        stated, info = read_metadata(report.path)
        exported = load_exported(report.path)
        assert stated == exported.labels == exported.answer.names == labels
        assert (info["run"], info["seed"], info["form"]) == ("ü", 3, "any")
        assert info["input"]["image_size"] == [16, 16]
        assert exported.input == trained.input


def test_the_labels_are_a_plain_zip_member(trained: Any, float32_file: Path) -> None:
    import zipfile

    with zipfile.ZipFile(float32_file) as archive:
        assert archive.testzip() is None
        assert archive.read("labels.txt").decode().split("\n")[:-1] == list(trained.names)


def test_int8_calibrated_on_black_images_is_refused_and_kept_aside(
    trained: Any, tmp_path: Path
) -> None:
    black = np.zeros((20, 8, 8, 3), np.uint8)
    report = export(trained, tmp_path, quantize="int8", representative=black)
    assert not report.verdict.passed
    assert [path.name for path in tmp_path.iterdir()] == ["model.refused.tflite"]
    assert report.path == tmp_path / "model.refused.tflite"
    assert "refused" in report.refusal_sentence()
    assert "accuracy falls by" in report.refusal_sentence()

    good = export(trained, tmp_path, quantize="int8")
    assert good.verdict.passed, good.refusal_sentence()
    assert [path.name for path in tmp_path.iterdir()] == ["model.tflite"]


def test_a_model_with_nan_weights_is_refused(trained: Any, tmp_path: Path) -> None:
    import keras

    broken = keras.models.clone_model(trained.model)
    broken.set_weights([np.full_like(weight, np.nan) for weight in trained.model.get_weights()])
    report = export(trained, tmp_path, model=broken, format="saved_model", quantize="none")
    assert "the file gives NaN" in report.verdict.reasons[0]
    assert report.path == tmp_path / "model.refused"
    assert report.path.is_dir()


def test_a_model_that_needs_flex_ops_is_refused_with_their_names(
    trained: Any, tmp_path: Path
) -> None:
    import keras
    import tensorflow as tf

    class Bicubic(keras.layers.Layer):
        def call(self, images: Any) -> Any:
            return tf.image.resize(images, (8, 8), method="bicubic")

    image = keras.Input((16, 16, 3))
    logits = keras.layers.Dense(10)(keras.layers.Flatten()(Bicubic()(image)))
    report = export(trained, tmp_path, model=keras.Model(image, logits), quantize="none")
    assert report.verdict.reasons == ("it needs operations that phones lack: FlexResizeBicubic",)
    assert report.path.name == "model.refused.tflite"
    assert report.to_dict()["verdict"]["passed"] is False


def test_a_refused_file_leaves_the_good_one_alone(trained: Any, tmp_path: Path) -> None:

    good = export(trained, tmp_path, quantize="none")
    content = good.path.read_bytes()
    held_out = trained.held_out()
    wrong = replace(held_out, predictions=list(np.roll(trained.probabilities, 1, axis=1)))
    refused = export(trained, tmp_path, quantize="none", held_out=wrong)
    assert not refused.verdict.passed
    assert good.path.read_bytes() == content
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "model.refused.tflite",
        "model.tflite",
    ]


def test_a_saved_model_is_replaced_by_a_new_one(trained: Any, tmp_path: Path) -> None:
    for run in ("first", "second"):
        report = export(trained, tmp_path, format="saved_model", quantize="none", info={"run": run})
    from kfine.runtimes.carried import read_metadata

    assert read_metadata(report.path)[1]["run"] == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"format": "coreml"},
            "use one of tflite, trainable, litertlm, saved_model, onnx, openvino",
        ),
        ({"format": "onnx", "quantize": "float16"}, "onnx takes quantize none"),
        ({"format": "openvino", "quantize": "int8"}, "openvino takes quantize float16 or none"),
        ({"quantize": "int3"}, "none, float16, int16, int8"),
        ({"quantize": "int8-full"}, "cannot resize: use input fixed"),
        ({"quantize": "auto"}, "calibrated on real training images. Received: none"),
        ({"format": "saved_model", "quantize": "int8"}, "saved_model takes quantize none"),
        ({"quantize": "int8", "representative": None}, "Received: none"),
        ({"form": "some"}, "use fixed or any"),
    ],
)
def test_contradictory_settings_are_refused_before_anything_is_written(
    trained: Any, tmp_path: Path, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(ExportError, match=words):
        export(trained, tmp_path / "exports", **settings)
    assert not (tmp_path / "exports").exists()


@pytest.mark.keras
def test_a_failed_conversion_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    from kfine.exporting.formats.litert import write_tflite

    (tmp_path / "empty").mkdir()
    with pytest.raises(ExportError, match="could not be converted to float16 LiteRT: ") as caught:
        write_tflite(tmp_path / "empty", tmp_path / "x.tflite", ["a"], {}, quantize="float16")
    assert "\n" not in str(caught.value)
    assert caught.value.__notes__
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


@pytest.mark.parametrize("damage", ["truncated", "flipped", "bare", "garbage", "tagged", "empty"])
def test_a_damaged_or_foreign_file_is_an_error_not_a_crash(
    float32_file: Path, tmp_path: Path, damage: str
) -> None:
    from kfine.exporting.measuring.scan import custom_ops
    from kfine.runtimes.loading import load_exported

    content = float32_file.read_bytes()
    noise = np.random.default_rng(0).integers(0, 256, 20_000, np.uint8).tobytes()
    bad = tmp_path / "bad.tflite"
    bad.write_bytes(
        {
            "truncated": content[: len(content) // 2],
            "flipped": content[:2000] + bytes(64) + content[2064:],
            "bare": content[: content.index(b"PK\x03\x04")],
            "garbage": noise,
            "tagged": content[:8] + noise,
            "empty": b"",
        }[damage]
    )
    with pytest.raises(ExportError, match=r"bad\.tflite") as caught:
        load_exported(bad)
    assert "\n" not in str(caught.value)
    if damage in ("garbage", "tagged", "empty"):
        with pytest.raises(ExportError):
            custom_ops(bad)


def test_a_foreign_or_damaged_folder_is_an_error(trained: Any, tmp_path: Path) -> None:
    from kfine.runtimes.loading import load_exported

    with pytest.raises(ExportError, match="There is no run or exported file"):
        load_exported(tmp_path / "nowhere")
    with pytest.raises(ExportError, match="holds no model"):
        load_exported(tmp_path)
    path = export(trained, tmp_path, format="saved_model", quantize="none").path
    (path / "saved_model.pb").write_bytes(b"\x00 garbage")
    with pytest.raises(ExportError, match="cannot be loaded by TensorFlow"):
        load_exported(path)


def test_an_image_of_another_kind_is_an_error(float32_file: Path) -> None:
    from kfine.runtimes.loading import load_exported

    predictor = load_exported(float32_file)
    assert list(predictor.predict([])) == []
    for image in (np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3)), np.zeros((0, 8, 3), np.uint8)):
        with pytest.raises(ExportError, match=r"uint8 \(height, width, 3\). Received"):
            list(predictor.predict([image]))


def test_a_builtin_only_file_lists_no_custom_operations(float32_file: Path) -> None:
    from kfine.exporting.measuring.scan import custom_ops, flex_ops

    assert custom_ops(float32_file) == flex_ops(float32_file) == []
