"""The quantization ladder measures, and chooses the smallest file that keeps its promise."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kfine.answers.classes import Classes
from kfine.answers.score import agreement_of
from kfine.errors import ExportError
from kfine.exporting.measuring.gate import weigh
from kfine.exporting.measuring.ladder import HEADINGS, Rung, choose, climb, failure
from kfine.exporting.measuring.limits import Limits


def rung(kind: str, size: int, wrong: int = 0, broken: dict[str, str] | None = None) -> Rung:
    """A rung whose file is wrong on some of 100 images that Keras has right."""
    classes, labels = Classes(("a", "b")), ["ab"[number % 2] for number in range(100)]
    right = np.eye(2)[np.arange(100) % 2]
    other = right.copy()
    other[:wrong] = 1 - other[:wrong]
    verdict = weigh(
        classes.score(right, labels),
        classes.score(other, labels),
        primary="accuracy",
        direction="max",
        agreement=agreement_of(classes, right, other),
    )
    return Rung(
        kind,
        Path(f"{kind}.tflite"),
        size,
        5.0,
        verdict,
        (0.9, 1.0),
        {"a": -0.1, "b": 0.0},
        layer_errors=(("stem", 2.61), ("head", 0.63)) if kind == "int8" else (),
        broken=broken or {},
    )


def test_the_smallest_that_keeps_the_promise_is_chosen() -> None:
    rungs = [
        rung("float16", 6_000),
        rung("int8", 3_000),
        rung("dynamic", 2_900, broken={"latency": "too slow"}),
        Rung("int4", broken={"conversion": "not installed"}),
    ]
    chosen = choose(rungs)
    assert chosen is not None and chosen.quantize == "int8"
    assert choose(rungs[2:]) is None


@pytest.mark.parametrize(
    ("prefer", "kind"), [("size", "int8"), ("latency", "int8"), ("accuracy", "float16")]
)
def test_what_is_preferred_decides_and_what_is_nearly_equal_does_not(
    prefer: str, kind: str
) -> None:
    rungs = [
        replace(rung("float16", 6_000), milliseconds=15.5),
        replace(rung("dynamic", 3_000, wrong=1), milliseconds=54.0),
        replace(rung("int8", 3_200, wrong=1), milliseconds=16.0),
        replace(rung("int4", 2_000, broken={"drop": "falls"}), milliseconds=1.0),
    ]
    chosen = choose(rungs, prefer)
    assert chosen is not None and chosen.quantize == kind


def test_a_file_has_to_beat_the_trivial_answer_where_that_is_asked_for() -> None:
    verdict = rung("int8", 3_000, wrong=50).verdict
    assert verdict is not None and verdict.exported == 0.5
    assert Limits().no_gain(verdict) == Limits(beats=("majority", 0.49)).no_gain(verdict) == ""
    words = Limits(beats=("first_sentence", 0.5)).no_gain(verdict)
    assert words == (
        "it is no better than the trivial answer, first sentence: accuracy 0.500 against 0.500"
    )
    less = replace(verdict, direction="min")
    assert Limits(beats=("median", 0.5)).no_gain(less)
    assert not Limits(beats=("median", 0.6)).no_gain(less)


def test_a_failure_names_the_nearest_and_the_layers_that_cost_most() -> None:
    rungs = [
        rung("float16", 6_000, broken={"size": "it is too large", "latency": "it is too slow"}),
        rung("int8", 3_000, broken={"drop": "accuracy falls by 3.0 points"}),
    ]
    sentence = failure(rungs, Limits(0.01, 4_000_000, 20))
    assert "none of 2 quantizations keeps a fall of at most 1.0 points, 4.00 MB, 20 ms" in sentence
    assert "the nearest is int8: accuracy falls by 3.0 points" in sentence
    assert "stem (2.6), head (0.6)" in sentence


def test_a_row_has_a_cell_for_each_heading() -> None:
    rows = [rung("int8", 3_000, wrong=2).row(), Rung("int4", broken={"conversion": "no"}).row()]
    assert [len(row) for row in rows] == [len(HEADINGS)] * 2
    assert rows[0][:6] == ["int8", "3.0 kB", "0.980", "0.900 to 1.000", "-0.020", "0.980"]
    assert rows[0][6] == "-0.100 a"
    assert rows[1][-1] == "no"


class Files:
    """Exports of the digits model, converted once each."""

    def __init__(self, trained: Any, folder: Path) -> None:
        self.trained = trained
        self.folder = folder

    def convert(self, kind: str) -> Path:
        from kfine.exporting.export import convert_model

        if kind == "broken":
            raise ExportError("The model could not be converted.")
        trained = self.trained
        return convert_model(
            trained.inference("fixed"),
            trained.plan(quantize=kind, form="fixed", representative=trained.train_images[:60]),
            self.folder,
        )


@pytest.fixture(scope="module")
def rungs(trained: Any, tmp_path_factory: pytest.TempPathFactory) -> list[Rung]:
    files = Files(trained, tmp_path_factory.mktemp("ladder"))
    kinds = ("float16", "int8-full", "int16", "int4", "broken")
    return climb(files.convert, trained.held_out, Limits(0.02), kinds=kinds)


def test_each_kind_is_a_real_file_that_was_run(trained: Any, rungs: list[Rung]) -> None:
    float16, full, int16, int4, broken = rungs
    for one in (float16, full, int16):
        assert one.verdict is not None and one.verdict.agreement is not None
        assert one.verdict.agreement > 0.9, one
        assert one.path is not None and one.size_bytes == one.path.stat().st_size
        assert one.milliseconds is not None and one.milliseconds > 0
        assert set(one.recall_change or {}) == set(trained.names)
    assert int4.verdict is not None and int4.size_bytes is not None
    sizes = [one.size_bytes or 0 for one in (float16, full, int4)]
    assert all(small < large for large, small in itertools.pairwise(sizes))
    assert broken.broken == {"conversion": "The model could not be converted"}
    assert choose(rungs) in (full, int16, int4)


def test_the_full_integer_file_has_no_float_in_it(
    trained: Any, rungs: list[Rung], predict_file: Any
) -> None:
    from ai_edge_litert.interpreter import Interpreter

    from kfine.exporting.measuring.lint import lint_file

    path = rungs[1].path
    assert path is not None
    interpreter = Interpreter(model_path=str(path))
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    assert (source["dtype"], source["quantization"]) == (np.uint8, (1.0, 0))
    assert (target["dtype"], target["quantization"]) == (np.uint8, (1 / 256, 0))
    kinds = {one["dtype"] for one in interpreter.get_tensor_details()}
    assert np.float32 not in kinds
    assert lint_file(path) == []
    got = predict_file(path, trained.images[:20])
    assert np.abs(got.sum(axis=1) - 1).max() < 0.05


def test_int16_weights_are_integers_and_per_channel(rungs: list[Rung]) -> None:
    from ai_edge_litert.interpreter import Interpreter

    for one in rungs[1:3]:
        details = Interpreter(model_path=str(one.path)).get_tensor_details()
        scales = [len(tensor["quantization_parameters"]["scales"]) for tensor in details]
        assert max(scales) == 64, "one for each channel of the widest convolution"
    assert np.int16 in {tensor["dtype"] for tensor in details}


def test_nothing_is_kept_when_no_file_keeps_the_promise(
    trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import kfine.exporting.export as exporting

    monkeypatch.setattr(exporting, "KINDS", ("float16",))
    report = exporting.export_model(
        trained.inference("fixed"),
        trained.plan(
            quantize="auto",
            form="fixed",
            limits=Limits(max_size=1_000),
            representative=trained.train_images[:20],
        ),
        tmp_path,
        trained.held_out(),
        validation=trained.held_out,
    )
    assert not report.verdict.passed
    assert "more than the 0.00 MB allowed" in report.refusal_sentence()
    assert [one.quantize for one in report.ladder] == ["float16"]
    assert list(tmp_path.iterdir()) == []


def test_a_mixed_precision_model_is_quantized_without_flex(trained: Any, tmp_path: Path) -> None:
    import keras

    from kfine.exporting.measuring.lint import lint_file

    def half(layer: Any) -> Any:
        return type(layer).from_config({**layer.get_config(), "dtype": "mixed_float16"})

    mixed = keras.models.clone_model(trained.model, clone_function=half)
    mixed.set_weights(trained.model.get_weights())
    assert "float16" in {layer.compute_dtype for layer in mixed.layers}
    files = Files(replace(trained, model=mixed), tmp_path)
    rungs = climb(files.convert, trained.held_out, Limits(), kinds=["none"])
    assert rungs[0].verdict is not None and rungs[0].verdict.agreement == 1.0
    assert rungs[0].path is not None and lint_file(rungs[0].path) == []
