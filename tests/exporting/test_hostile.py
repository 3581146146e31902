"""Damaged and hostile files: one sentence each, and this process lives on."""

from __future__ import annotations

import hashlib
import os
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kfine.errors import ExportError


@pytest.fixture(scope="session")
def float16_file(trained: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from kfine.exporting.export import export_model

    folder = tmp_path_factory.mktemp("float16")
    plan = trained.plan(quantize="float16")
    report = export_model(trained.inference(), plan, folder, trained.held_out())
    return Path(report.path)


@pytest.fixture
def no_trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache folder in which nothing has been tried before."""
    monkeypatch.setenv("KFINE_CACHE", str(tmp_path / "cache"))
    yield tmp_path / "cache"


def bare(path: Path) -> bytes:
    """The model without what lies behind it."""
    with zipfile.ZipFile(path) as archive:
        return path.read_bytes()[: min(one.header_offset for one in archive.infolist())]


def signed(model: bytes, like: Path, path: Path) -> Path:
    """A file with the labels of another one and a checksum that holds: anybody can make it."""
    from kfine.runtimes.carried import CHECKSUM

    path.write_bytes(model)
    with zipfile.ZipFile(like) as archive, zipfile.ZipFile(path, "a") as new:
        for member in archive.infolist():
            content = archive.read(member)
            if member.filename == CHECKSUM:
                content = hashlib.sha256(model).hexdigest().encode()
            new.writestr(member.filename, content)
    return path


def edited(path: Path, edit: Callable[[Any], None]) -> bytes:
    """The model with something changed in its tree."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    content = bare(path)
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    edit(model)
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def operation(model: Any, code: str) -> Any:
    from ai_edge_litert import schema_py_generated as schema

    number = getattr(schema.BuiltinOperator, code)
    graph = model.subgraphs[0]
    return next(
        one for one in graph.operators if model.operatorCodes[one.opcodeIndex].builtinCode == number
    )


def write_nowhere(model: Any) -> None:
    operation(model, "DEQUANTIZE").outputs = np.array([-1], np.int32)


def state_too_much(model: Any) -> None:
    tensor = model.subgraphs[0].tensors[operation(model, "DEQUANTIZE").outputs[0]]
    tensor.shape = np.array([*tensor.shape[:-1], 1_000_000], np.int32)


def grow(model: Any) -> None:
    size = model.subgraphs[0].tensors[operation(model, "RESIZE_BILINEAR").inputs[1]]
    model.buffers[size.buffer].data = np.array([20_000, 20_000], np.int32).view(np.uint8)


def want_a_huge_image(model: Any) -> None:
    image = model.subgraphs[0].tensors[model.subgraphs[0].inputs[0]]
    image.shape = np.array([1, 1 << 15, 1 << 15, 3], np.int32)
    image.shapeSignature = None


def answer_with_too_few(model: Any) -> None:
    model.subgraphs[0].outputs = model.subgraphs[0].inputs


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (write_nowhere, r"ended the process that tried it first \(SIGSEGV\)|cannot be loaded"),
        (state_too_much, r"is stated to be|ended the process that tried it first"),
        (grow, "memory|ended the process|cannot be loaded|does not run"),
        (want_a_huge_image, "32768, 32768"),
        (answer_with_too_few, "has 10 labels and gives"),
    ],
)
def test_a_hostile_file_is_refused_by_a_process_of_its_own(
    float16_file: Path, tmp_path: Path, no_trust: Path, edit: Any, words: str
) -> None:
    from kfine.runtimes.loading import load_exported

    bad = signed(edited(float16_file, edit), float16_file, tmp_path / "bad.tflite")
    with pytest.raises(ExportError, match=words) as caught:
        load_exported(bad)
    assert str(bad) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not no_trust.exists()


def test_shapes_that_are_stated_but_not_made_are_found(float16_file: Path, tmp_path: Path) -> None:
    from kfine.runtimes.shapes import require_true_shapes

    require_true_shapes(float16_file, [(1, 8, 8, 3)])
    bad = tmp_path / "bad.tflite"
    bad.write_bytes(edited(float16_file, state_too_much))
    with pytest.raises(ExportError, match=r"is stated to be .*1000000,\) and is"):
        require_true_shapes(bad, [(1, 8, 8, 3)])


def test_a_file_that_is_cut_off_anywhere_is_refused_without_being_run(
    float16_file: Path, tmp_path: Path, no_trust: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kfine.exporting.measuring.scan import custom_ops
    from kfine.runtimes.loading import load_exported

    monkeypatch.setattr(sys, "executable", "/nothing")
    content = float16_file.read_bytes()
    bad = tmp_path / "bad.tflite"
    for length in [*range(12), *np.linspace(12, len(content) - 1, 60, dtype=int)]:
        bad.write_bytes(content[:length])
        with pytest.raises(ExportError, match=r"bad\.tflite"):
            load_exported(bad)
        with suppress(ExportError):
            custom_ops(bad)


def test_flipped_bytes_under_a_checksum_that_holds_load_or_are_refused(
    float16_file: Path, tmp_path: Path, no_trust: Path
) -> None:
    from kfine.runtimes.loading import load_exported

    random = np.random.default_rng(0)
    model = bare(float16_file)
    refused = 0
    for seed in range(0, 12, 2):
        damaged = bytearray(model)
        # A byte among the weights is one wrong weight; one among the tables may be anything.
        for place in random.integers(8, len(model), 2**seed):
            damaged[place] = random.integers(256)
        file = signed(bytes(damaged), float16_file, tmp_path / f"{seed}.tflite")
        try:
            (got,) = load_exported(file).predict([np.zeros((8, 8, 3), np.uint8)])
            assert got.shape == (10,)
        except ExportError as error:
            refused += 1
            assert str(file) in str(error)
            assert "\n" not in str(error)
    assert 0 < refused < 6


def test_a_content_is_tried_once(
    float16_file: Path, tmp_path: Path, no_trust: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kfine.runtimes.loading import load_exported

    load_exported(float16_file)
    assert len(list((no_trust / "tried").iterdir())) == 1
    monkeypatch.setattr(sys, "executable", "/nothing")
    copy = tmp_path / "copy.tflite"
    copy.write_bytes(float16_file.read_bytes())
    (got,) = load_exported(copy).predict([np.zeros((8, 8, 3), np.uint8)])
    assert got.shape == (10,)
    with copy.open("ab") as file:
        file.write(b" ")
    with pytest.raises(FileNotFoundError):
        load_exported(copy)


def test_a_cache_that_cannot_be_written_costs_time_only(
    float16_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kfine.runtimes.loading import load_exported

    (tmp_path / "file").touch()
    monkeypatch.setenv("KFINE_CACHE", str(tmp_path / "file"))
    assert load_exported(float16_file).labels[0] == "digit 0"


def test_what_would_fill_the_memory_is_not_read(
    kfine_command: Callable[..., Any], float16_file: Path, tmp_path: Path
) -> None:
    sparse, pipe, bomb = (tmp_path / f"{name}.tflite" for name in ("sparse", "pipe", "bomb"))
    sparse.write_bytes(bytes(4) + b"TFL3")
    os.truncate(sparse, 2**36)
    os.mkfifo(pipe)
    bomb.write_bytes(bare(float16_file))
    with zipfile.ZipFile(bomb, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("kfine.json", b" " * 2**25)
        archive.writestr("sha256.txt", hashlib.sha256(bare(float16_file)).hexdigest())
    for path, words in ((sparse, "larger than"), (pipe, "no regular file"), (bomb, "readable")):
        for verb in (("predict", path, path), ("evaluate", path, "--data", "digits")):
            said = kfine_command(*verb)
            assert said.status == 2
            assert len(said.err.splitlines()) == 1
            assert words in said.err
