"""The bundle: whole, checked against itself, and usable by the programs in it."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kfine
from kfine.answers.classes import Classes
from kfine.console import Console
from kfine.exporting.bundle.golden import outputs_of
from kfine.exporting.bundle.snippets import snippets
from kfine.inputs.image import Image

FILES = {
    "golden/golden.json",
    *(
        f"golden/{number:02d}.{ending}"
        for number in range(1, 5)
        for ending in ("png", "npy", "bin")
    ),
    "labels.txt",
    "model.tflite",
    "model_card.md",
    "report.json",
    "sha256sum.txt",
    *(f"snippets/{name}" for name in ("Classifier.kt", "Classifier.swift")),
    *(f"snippets/classify.{ending}" for ending in ("js", "py")),
}


@pytest.fixture(scope="module")
def bundle(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = shutil.copytree(finished_run, tmp_path_factory.mktemp("bundle") / "digits")
    report = kfine.export(run, max_drop=1, console=Console(quiet=True))
    assert report.bundle == run.resolve() / "exports" / "bundle-float16"
    assert report.path == report.bundle / "model.tflite"
    return Path(report.bundle)


@pytest.fixture(scope="module")
def golden(bundle: Path) -> dict[str, Any]:
    return dict(json.loads((bundle / "golden" / "golden.json").read_text()))


def test_folder_and_zip_hold_the_same_files(bundle: Path) -> None:
    found = {path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()}
    assert found == FILES
    with zipfile.ZipFile(bundle.with_suffix(".zip")) as archive:
        assert archive.testzip() is None
        for name in FILES:
            assert archive.read(f"bundle-float16/{name}") == (bundle / name).read_bytes()
    beside = {path.name for path in bundle.parent.iterdir()}
    assert beside == {"bundle-float16", "bundle-float16.zip", "bundle-float16.json"}


def test_the_checksums_are_those_that_sha256sum_prints(bundle: Path) -> None:
    command = ["sha256sum", "-c", "--quiet", "sha256sum.txt"]
    if shutil.which("sha256sum") is None:
        pytest.skip("sha256sum is not on the PATH")
    done = subprocess.run(command, cwd=bundle, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    lines = (bundle / "sha256sum.txt").read_text().splitlines()
    assert {line.split("  ")[1] for line in lines} == FILES - {"sha256sum.txt"}


def test_the_golden_tensors_give_the_golden_probabilities(
    bundle: Path, golden: dict[str, Any]
) -> None:
    for example in golden["examples"]:
        tensor = np.load(bundle / "golden" / example["tensor"])
        assert tensor.tobytes() == (bundle / "golden" / example["bytes"]).read_bytes()
        assert (list(tensor.shape), str(tensor.dtype)) == ([1, 32, 32, 3], "uint8")
        expected = np.array(list(example["probabilities"].values()))
        for plain in (False, True):
            answer = Classes(tuple(example["probabilities"]))
            rows = outputs_of(bundle / "model.tflite", [{"image": tensor}], answer, plain=plain)
            assert np.abs(rows[0]["probabilities"][0] - expected).max() <= golden["tolerance"]
    assert {example["label"] for example in golden["examples"]} == {"zero", "one", "two"}


def test_the_python_program_makes_the_golden_tensor_of_the_photo(
    bundle: Path, golden: dict[str, Any], tmp_path: Path
) -> None:
    program = bundle / "snippets" / "classify.py"
    for example in golden["examples"]:
        photo = bundle / "golden" / example["photo"]
        tensor = np.load(bundle / "golden" / example["tensor"])[0]
        assert np.array_equal(_resize_of(program, photo), tensor)
    command = [sys.executable, str(program), str(photo)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    probability, name = done.stdout.splitlines()[0].split()
    assert name == example["top"]
    assert float(probability) == pytest.approx(max(example["probabilities"].values()), abs=0.01)


def _resize_of(program: Path, photo: Path) -> np.ndarray:
    from PIL import Image

    scope: dict[str, Any] = {"__name__": "classify", "__file__": str(program)}
    exec(compile(program.read_text(), str(program), "exec"), scope)
    return np.asarray(scope["resize"](np.asarray(Image.open(photo).convert("RGB"))))


def test_the_description_is_that_of_the_graph(bundle: Path, golden: dict[str, Any]) -> None:
    described = golden["preprocessing"]
    assert described["input"]["shape"] == [1, 32, 32, 3]
    assert described["resize"]["where"] == "in the app"
    assert described["normalisation"]["scale"] == [pytest.approx(1 / 127.5)]
    report = json.loads((bundle / "report.json").read_text())
    assert report["preprocessing"] == described
    assert report["names"] == (bundle / "labels.txt").read_text().splitlines()
    assert report["path"] == "model.tflite"
    assert report["lint"] == []


def test_the_card_states_what_was_measured(bundle: Path) -> None:
    card = (bundle / "model_card.md").read_text()
    report = json.loads((bundle / "report.json").read_text())
    verdict = report["verdict"]
    assert f"| accuracy | {verdict['exported']:.3f} | {verdict['reference']:.3f} |" in card
    assert f"{verdict['count']} held-out images" in card
    assert "3 classes: one, two, zero" in card
    assert str(bundle.parent) not in card, "no paths of the machine that exported"


def test_the_file_of_a_bundle_predicts_like_the_run(bundle: Path, digit_photos: Path) -> None:
    photos = sorted(digit_photos.rglob("*.png"))[::12]
    quiet = Console(quiet=True)
    theirs = kfine.predict(bundle / "model.tflite", photos, console=quiet)
    ours = kfine.predict(bundle.parents[1], photos, console=quiet)
    assert [one.label for one in theirs] == [one.label for one in ours]


def test_labels_with_quotes_and_dollars_stay_text_in_every_language() -> None:
    labels = ['the "best"', "5 $x", "Käse"]
    answer = Classes(tuple(labels))
    made = snippets(Image((24, 16)), answer, model="birds.tflite", output="uint8")
    assert 'listOf("the \\"best\\"", "5 \\$x", "Käse")' in made["Classifier.kt"]
    assert '["the \\"best\\"", "5 $x", "Käse"]' in made["Classifier.swift"]
    assert "WIDTH = 16, HEIGHT = 24" in made["classify.js"]
    assert "HEIGHT, WIDTH = 24, 16" in made["classify.py"]
    assert 'forResource: "birds"' in made["Classifier.swift"]
    assert "256f" in made["Classifier.kt"] and "/ 256" in made["Classifier.swift"], "uint8"
    compile(made["classify.py"], "classify.py", "exec")


def test_the_card_has_figures_by_class_and_what_a_lawyer_asks(
    finished_run: Path, tmp_path: Path
) -> None:
    from kfine.exporting.metadata.embedding import read_buffer

    run = Path(shutil.copytree(finished_run, tmp_path / "digits"))
    report = kfine.export(
        run,
        max_drop=1,
        golden=0,
        model_version="2.1",
        license="CC-BY-4.0 | ours",
        console=Console(quiet=True),
    )
    assert report.bundle is not None and not (report.bundle / "golden").exists()
    card = (report.bundle / "model_card.md").read_text()
    for row in (
        "| version | 2.1 |",
        "| license | CC-BY-4.0 \\| ours |",
        f"| made with | kfine {kfine.__version__} |",
    ):
        assert row in card
    assert "golden/" not in card.split("## Quality")[1]
    document = json.loads((report.bundle / "report.json").read_text())
    model = report.path.read_bytes()
    assert document["sha256"] == hashlib.sha256(model).hexdigest() and document["schema"] == 1
    described = read_buffer(model, "TFLITE_METADATA") or b""
    assert b"2.1" in described and b"CC-BY-4.0" in described
    assert 2**20 < document["memory_bytes"] < 2**30
    assert document["runtime"].startswith("TensorFlow Lite ") and document["runtime"] in card
    # By class, on the file itself: the matrix has its right answers on the diagonal.
    matrix, per_class = np.array(document["confusion_matrix"]), document["per_class"]
    assert matrix.trace() / matrix.sum() == pytest.approx(document["verdict"]["exported"])
    for number, (name, one) in enumerate(per_class.items()):
        assert one["recall"] == pytest.approx(matrix[number, number] / matrix[number].sum())
        assert f"| {name} | {one['precision']:.3f} | {one['recall']:.3f} |" in card
