"""ONNX and OpenVINO: written, read back and run."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kfine.errors import ExportError, MissingPackage


def facts(trained: Any, form: str = "any") -> dict[str, Any]:
    return dict(trained.plan(form=form, info={"run": "ü"}).facts())


@pytest.fixture(scope="module")
def written(trained: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """`written(kind, form)` converts once."""
    from kfine.exporting.formats.onnx import write_onnx
    from kfine.exporting.formats.openvino import write_openvino

    folder = tmp_path_factory.mktemp("other")

    def write(kind: str, form: str = "any") -> Path:
        pytest.importorskip({"onnx": "tf2onnx"}.get(kind, kind))
        path = folder / (f"{form}.onnx" if kind == "onnx" else f"{form}-openvino")
        if not path.exists():
            write = write_onnx if kind == "onnx" else write_openvino
            write(trained.inference(form), path, trained.names, facts(trained, form))
        return path

    return write


@pytest.mark.parametrize("kind", ["onnx", "openvino"])
def test_the_file_gives_the_training_pipelines_probabilities(
    trained: Any, written: Any, kind: str
) -> None:
    from kfine.runtimes.carried import read_metadata
    from kfine.runtimes.loading import load_exported

    exported = load_exported(written(kind), threads=1)
    got = np.stack(list(exported.predict(trained.images)))
    assert np.abs(got - trained.probabilities).max() < 1e-4
    stated = json.loads(json.dumps(facts(trained)))
    assert (exported.labels, exported.info) == (trained.names, stated)
    assert read_metadata(written(kind)) == (trained.names, stated)
    fixed = load_exported(written(kind, "fixed"))
    assert (exported.form, fixed.form) == ("any", "fixed")
    got = np.stack(list(fixed.predict(trained.images[:9])))
    assert np.abs(got - trained.probabilities[:9]).max() < 1e-4


def test_an_onnx_file_takes_batches_and_names_its_tensors(trained: Any, written: Any) -> None:
    onnx = pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    model = onnx.load(written("onnx"))
    onnx.checker.check_model(model)
    properties = {entry.key: entry.value for entry in model.metadata_props}
    assert properties["labels.txt"].splitlines() == list(trained.names)
    session = onnxruntime.InferenceSession(str(written("onnx")))
    (image,), (answer,) = session.get_inputs(), session.get_outputs()
    assert (image.name, image.type) == ("image", "tensor(uint8)")
    assert image.shape == ["batch", "height", "width", 3]
    assert (answer.name, answer.shape) == ("probabilities", ["batch", 10])
    (got,) = session.run(None, {"image": trained.images})
    assert np.abs(got - trained.probabilities).max() < 1e-4


def test_half_the_weights_size_in_openvino(
    trained: Any, written: Any, tmp_path: Path, predict_file: Any
) -> None:
    from kfine.exporting.formats.openvino import write_openvino

    whole = written("openvino") / "model.bin"
    about = facts(trained)
    half = write_openvino(
        trained.inference(), tmp_path / "half", trained.names, about, quantize="float16"
    )
    assert (half / "model.bin").stat().st_size < 0.55 * whole.stat().st_size
    got = predict_file(half, trained.images)
    assert np.mean(got.argmax(1) == trained.probabilities.argmax(1)) > 0.99
    assert sorted(path.name for path in tmp_path.iterdir()) == ["half"]


@pytest.mark.parametrize("name", ["tf2onnx", "onnx", "onnxruntime", "openvino"])
def test_a_missing_package_is_named_with_its_extra(
    trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    from kfine.exporting.formats.onnx import write_onnx
    from kfine.exporting.formats.openvino import write_openvino

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda one, *rest: None if one == name else find(one, *rest)
    )
    extra = "openvino" if name == "openvino" else "onnx"
    write = {"onnx": write_onnx, "openvino": write_openvino}[extra]
    with pytest.raises(MissingPackage, match=rf"{name}.*pip install 'kfine\[{extra}\]'"):
        write(trained.model, tmp_path / "x", trained.names, {})
    assert not list(tmp_path.iterdir())


def test_reading_an_onnx_file_names_the_missing_package(
    written: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kfine.runtimes.carried import read_metadata

    path, find = written("onnx"), importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda one, *rest: None if one == "onnx" else find(one, *rest)
    )
    with pytest.raises(MissingPackage, match=r"pip install 'kfine\[onnx\]'"):
        read_metadata(path)


def test_a_damaged_onnx_file_is_one_sentence(
    trained: Any, written: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kfine.runtimes.carried import CHECKSUM, INFO, read_metadata
    from kfine.runtimes.loading import load_exported
    from kfine.runtimes.onnx_metadata import append_properties, checksum_of

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
    # With a checksum that holds it comes as far as the process that tries it: nothing that stands
    # before the entries is parsed here.
    kept = {INFO: json.dumps({"labels": ["a"], "info": facts(trained)})}
    bad.write_bytes(content[:9000])
    append_properties(bad, {**kept, CHECKSUM: checksum_of(bad, bad.stat().st_size)})
    assert read_metadata(bad)[0] == ("a",)
    with pytest.raises(ExportError, match=r"bad\.onnx"):
        load_exported(bad)
    bad.write_bytes(b"")
    append_properties(bad, {**kept, CHECKSUM: checksum_of(bad, bad.stat().st_size)})
    assert read_metadata(bad)[0] == ("a",)
    with pytest.raises(ExportError, match=r"bad\.onnx cannot be loaded by ONNX Runtime"):
        load_exported(bad)


def test_a_damaged_openvino_folder_is_one_sentence(written: Any, tmp_path: Path) -> None:
    import shutil

    from kfine.runtimes.loading import load_exported

    bad = shutil.copytree(written("openvino"), tmp_path / "bad")
    (bad / "model.bin").write_bytes(b"short")
    with pytest.raises(ExportError, match="bad"):
        load_exported(bad)
    (bad / "kfine.json").unlink()
    with pytest.raises(ExportError, match="is not a model that kfine exported"):
        load_exported(bad)
