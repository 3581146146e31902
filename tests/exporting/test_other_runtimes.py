"""ONNX and OpenVINO: written, read back and run."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kfine.errors import ExportError, MissingPackage

INFO = {"preprocessing": {"image_size": [16, 16]}, "run": "ü"}


@pytest.fixture(scope="module")
def written(trained: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """`written(kind, input_kind)` converts once."""
    from kfine.exporting.inference import inference_model
    from kfine.exporting.onnx import write_onnx
    from kfine.exporting.openvino import write_openvino

    folder = tmp_path_factory.mktemp("other")

    def write(kind: str, input_kind: str = "any") -> Path:
        pytest.importorskip({"onnx": "tf2onnx"}.get(kind, kind))
        path = folder / (f"{input_kind}.onnx" if kind == "onnx" else f"{input_kind}-openvino")
        model = inference_model(trained.model, trained.preprocessing, input_kind=input_kind)
        if not path.exists():
            (write_onnx if kind == "onnx" else write_openvino)(model, path, trained.labels, INFO)
        return path

    return write


@pytest.mark.parametrize("kind", ["onnx", "openvino"])
def test_the_file_gives_the_training_pipelines_probabilities(
    trained: Any, written: Any, kind: str
) -> None:
    from kfine.exporting.metadata import read_metadata
    from kfine.exporting.runner import load_exported

    predictor = load_exported(written(kind), threads=1)
    assert np.abs(predictor.predict(trained.images) - trained.probabilities).max() < 1e-4
    assert (predictor.labels, predictor.info) == (trained.labels, INFO)
    assert read_metadata(written(kind)) == (trained.labels, INFO)
    assert predictor.medium.image_size is None
    fixed = load_exported(written(kind, "fixed"))
    assert fixed.medium.image_size == (16, 16)
    assert np.abs(fixed.predict(trained.images[:9]) - trained.probabilities[:9]).max() < 1e-4


def test_an_onnx_file_takes_batches_and_names_its_tensors(trained: Any, written: Any) -> None:
    onnx = pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    model = onnx.load(written("onnx"))
    onnx.checker.check_model(model)
    properties = {entry.key: entry.value for entry in model.metadata_props}
    assert properties["labels.txt"].splitlines() == list(trained.labels)
    session = onnxruntime.InferenceSession(str(written("onnx")))
    (image,), (answer,) = session.get_inputs(), session.get_outputs()
    assert (image.name, image.type) == ("image", "tensor(uint8)")
    assert image.shape == ["batch", "height", "width", 3]
    assert (answer.name, answer.shape) == ("probabilities", ["batch", 10])
    (got,) = session.run(None, {"image": trained.images})
    assert np.abs(got - trained.probabilities).max() < 1e-4


def test_half_the_weights_size_in_openvino(trained: Any, written: Any, tmp_path: Path) -> None:
    from kfine.exporting.inference import inference_model
    from kfine.exporting.openvino import write_openvino
    from kfine.exporting.runner import load_exported

    whole = written("openvino") / "model.bin"
    model = inference_model(trained.model, trained.preprocessing)
    half = write_openvino(model, tmp_path / "half", trained.labels, INFO, quantize="float16")
    assert (half / "model.bin").stat().st_size < 0.55 * whole.stat().st_size
    got = load_exported(half).predict(trained.images)
    assert np.mean(got.argmax(1) == trained.probabilities.argmax(1)) > 0.99
    assert sorted(path.name for path in tmp_path.iterdir()) == ["half"]


@pytest.mark.parametrize("name", ["tf2onnx", "onnxruntime", "openvino"])
def test_a_missing_package_is_named_with_its_extra(
    trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    from kfine.exporting.onnx import write_onnx
    from kfine.exporting.openvino import write_openvino

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda one, *rest: None if one == name else find(one, *rest)
    )
    extra = "openvino" if name == "openvino" else "onnx"
    write = {"onnx": write_onnx, "openvino": write_openvino}[extra]
    with pytest.raises(MissingPackage, match=rf"{name}.*pip install 'kfine\[{extra}\]'"):
        write(trained.model, tmp_path / "x", trained.labels, INFO)
    assert not list(tmp_path.iterdir())


def test_a_damaged_onnx_file_is_one_sentence(
    written: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kfine.exporting.metadata import CHECKSUM, INFO, read_metadata
    from kfine.exporting.onnx_metadata import append_properties, checksum_of
    from kfine.exporting.runner import load_exported

    monkeypatch.setenv("KFINE_CACHE", str(tmp_path / "cache"))
    content = written("onnx").read_bytes()
    bad = tmp_path / "bad.onnx"
    flipped = bytearray(content)
    flipped[3000] ^= 255
    lengths = np.linspace(0, len(content) - 1, 40, dtype=int)
    for damaged in (*(content[:length] for length in lengths), bytes(flipped), b"\xff" * 99):
        bad.write_bytes(damaged)
        with pytest.raises(ExportError, match=r"bad\.onnx") as caught:
            load_exported(bad)
        assert "\n" not in str(caught.value)
    # With a checksum that holds it comes as far as the process that tries it.
    kept = {INFO: '{"labels": ["a"], "info": {}}'}
    bad.write_bytes(content[:9000])
    append_properties(bad, {**kept, CHECKSUM: checksum_of(bad)})
    with pytest.raises(ExportError, match=r"bad\.onnx"):
        load_exported(bad)
    bad.write_bytes(b"")
    append_properties(bad, {**kept, CHECKSUM: checksum_of(bad)})
    assert read_metadata(bad) == (("a",), {})
    with pytest.raises(ExportError, match=r"bad\.onnx cannot be loaded by ONNX Runtime"):
        load_exported(bad)


def test_a_damaged_openvino_folder_is_one_sentence(written: Any, tmp_path: Path) -> None:
    import shutil

    from kfine.exporting.runner import load_exported

    bad = shutil.copytree(written("openvino"), tmp_path / "bad")
    (bad / "model.bin").write_bytes(b"short")
    with pytest.raises(ExportError, match="bad"):
        load_exported(bad)
    (bad / "kfine.json").unlink()
    with pytest.raises(ExportError, match="is not a model that kfine exported"):
        load_exported(bad)
