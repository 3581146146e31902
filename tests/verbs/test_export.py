"""`kfine export`: bundles, promises, and what is refused before anything is written."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kfine
from kfine.console import Console
from kfine.exporting.metadata.embedding import read_buffer
from kfine.exporting.metadata.model_metadata import BUFFER_NAME
from kfine.runtimes.loading import load_exported

Command = Callable[..., Any]


@pytest.fixture(scope="module")
def run(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run to export from."""
    return Path(shutil.copytree(finished_run, tmp_path_factory.mktemp("export") / "run"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--quantize", "int8-full", "--input", "any"), "cannot resize: use input fixed"),
        (("--format", "saved_model", "--quantize", "auto"), "saved_model takes quantize none"),
        (("--max-size", "4 apples"), "max_size must be a size with its unit"),
        (("--max-latency", "0ms"), "max_latency must be a duration such as 20ms"),
        (("--calibration", "1"), "--calibration"),
        (("--quantize", "auto", "--max-size", "100B"), "max_size 0.00 MB contradicts the model"),
    ],
)
def test_contradictions_are_one_sentence_and_leave_nothing(
    kfine_command: Command, run: Path, options: tuple[str, ...], words: str
) -> None:
    said = kfine_command("export", run, "--quiet", *options)
    assert said.status == 2
    assert not said.out
    assert len(said.err.splitlines()) == 1
    assert words in said.err
    assert not (run / "exports").exists()


def test_the_package_of_four_bit_weights_is_named_by_its_extra(
    kfine_command: Command, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "ai_edge_quantizer" else find(name, *rest),
    )
    said = kfine_command("export", run, "--quantize", "int4")
    assert said.status == 2
    assert said.err.splitlines() == [
        "error: 4-bit weights need the package ai-edge-quantizer: pip install 'kfine[int4]'."
    ]
    assert not (run / "exports").exists()


def test_a_limit_that_the_file_breaks_refuses_it(kfine_command: Command, run: Path) -> None:
    weights = kfine.Run(run).model.count_params()
    size = f"{weights}B"
    said = kfine_command("export", run, "--quiet", "--max-size", size, "--max-drop", 1, "--json")
    assert said.status == 3
    assert "MB allowed (kept as" in said.err
    report = json.loads(said.out)
    assert report["path"].endswith("model-float16.refused.tflite")
    assert report["bundle"] is None
    kept = json.loads((run / "exports" / "model-float16.refused.json").read_text())
    assert kept["verdict"]["passed"] is False
    names = {path.name for path in (run / "exports").iterdir()}
    assert not any(name.startswith("bundle") for name in names)


def test_what_calibrated_an_integer_file_is_in_its_report(run: Path) -> None:
    from kfine.runtimes.carried import read_metadata

    report = kfine.export(
        run,
        format="tflite",
        input="fixed",
        quantize="int8-full",
        calibration=30,
        max_drop=1,
        allow_refused=True,
        console=Console(quiet=True),
    )
    assert report.calibration == read_metadata(report.path)[1]["calibration"]
    assert report.calibration["per_class"] == {"one": 10, "two": 10, "zero": 10}
    assert (report.calibration["split"], report.calibration["seed"]) == ("train", 0)
    assert report.findings == ()


@pytest.mark.slow
def test_auto_prints_what_it_tried_and_exits_3_when_nothing_keeps_the_promise(
    kfine_command: Command, run: Path
) -> None:
    said = kfine_command(
        "export", run, "--quiet", "--quantize", "auto", "--max-latency", "0.001ms", "--max-drop", 1
    )
    assert said.status == 3
    tried = [line.split()[0] for line in said.out.splitlines()[2:]]
    assert tried == ["float16", "dynamic", "int8", "int8-full", "int16", "int4"]
    assert "none of 6 quantizations keeps a fall of at most 100.0 points, 0.001 ms" in said.err
    assert "int8 is furthest from float, in quantization steps, at" in said.err
    ladder = json.loads((run / "exports" / "ladder.json").read_text())
    assert [rung["quantize"] for rung in ladder["ladder"]] == tried
    assert all("latency" in rung["broken"] for rung in ladder["ladder"])
    assert not list((run / "exports").glob(".*"))


def test_a_file_takes_a_fixed_size_unless_any_is_asked_for(
    kfine_command: Command, run: Path
) -> None:
    from ai_edge_litert.interpreter import Interpreter

    given = ("export", run, "--format", "tflite", "--max-drop", 1, "--quiet")
    plain, opened = kfine_command(*given), kfine_command(*given, "--input", "any")
    files = [
        run / "exports" / name for name in ("model-float16.tflite", "model-float16-any.tflite")
    ]
    shapes = [
        Interpreter(model_path=str(one)).get_input_details()[0]["shape_signature"].tolist()
        for one in files
    ]
    assert (plain.status, opened.status) == (0, 0), plain.err + opened.err
    assert shapes == [[1, 32, 32, 3], [1, -1, -1, 3]]
    note = "MediaPipe, tflite-support and LiteRT.js read it wrongly or refuse it"
    assert note in opened.out and note not in plain.out
    described = [read_buffer(one.read_bytes(), BUFFER_NAME) or b"" for one in files]
    assert [note.encode() in one for one in described] == [False, True]
    assert [b"32 x 32 pixels" in one for one in described] == [True, False]
    report = json.loads((run / "exports" / "model-float16-any.json").read_text())
    assert note in report["form_note"]


def test_a_file_that_knows_nothing_is_warned_of_or_refused(
    kfine_command: Command, finished_run: Path, tmp_path: Path
) -> None:
    path = Path(shutil.copytree(finished_run, tmp_path / "run"))
    run = kfine.Run(path)
    model, (dense,) = run.model, kfine.layer_groups(run.model)[-1].layers[-1:]
    kernel, bias = dense.get_weights()
    # The same class whatever it is given, as of the trivial answer.
    dense.set_weights([0 * kernel, 0 * bias + [1, 0, 0]])
    model.save(run.folder.model_path)
    said = kfine_command("export", path, "--max-drop", 1, "--json")
    assert said.status == 0, said.err
    baseline = json.loads(said.out)["baseline"]
    assert baseline == {"name": "majority", "value": pytest.approx(1 / 3), "beaten": False}
    assert "do not ship this file: it is no better than the trivial answer, majority" in said.err
    card = (path / "exports" / "bundle-float16" / "model_card.md").read_text()
    assert "| accuracy of the trivial answer (majority) | 0.333 |" in card
    said = kfine_command("export", path, "--max-drop", 1, "--require-gain", "--quiet")
    assert said.status == 3 and "no better than the trivial answer" in said.err
    assert (path / "exports" / "model-float16.refused.tflite").is_file()


@pytest.fixture(scope="module")
def held(
    tiny_preset: str, digit_photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> kfine.Run:
    """A run that did not train on its validation examples."""
    return kfine.fit(
        "image_classification",
        data=str(digit_photos),
        preset=tiny_preset,
        unfreeze="none",
        epochs=1,
        refit="no",
        label_smoothing=0.4,
        run_dir=tmp_path_factory.mktemp("held") / "run",
        console=Console(quiet=True),
    )


def test_a_calibrated_file_finds_the_same_classes_with_other_probabilities(held: kfine.Run) -> None:
    options: dict[str, Any] = {
        "format": "tflite",
        "quantize": "none",
        "max_drop": 1.0,
        "console": Console(quiet=True),
    }
    photos = [str(one) for one in sorted(Path(held.config.data).rglob("*.png"))[::9]]
    plain = held.export(**options)
    before = kfine.predict(plain.path, photos)
    calibrated = held.export(**options, calibrate=True)
    after = kfine.predict(calibrated.path, photos)
    temperature = load_exported(calibrated.path).answer.temperature
    assert temperature != 1
    for one, two in zip(before, after, strict=True):
        assert one.label == two.label
        old, new = (
            np.log([row["probability"] for row in sorted(each.rows, key=lambda r: str(r["label"]))])
            for each in (one, two)
        )
        # Softmax forgets a constant.
        np.testing.assert_allclose(
            new - new.mean(), (old - old.mean()) / temperature, rtol=0.02, atol=0.02
        )
