"""`export`: from a run to a measured file, or bundle of files, for phone or server."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kfine.answers.confidence import LEAST_EXAMPLES
from kfine.console import Console, format_bytes
from kfine.errors import ConfigError, DataError, GateRefused
from kfine.exporting.choices import (
    AUTO,
    BUNDLE,
    CALIBRATION_EXAMPLES,
    ENDINGS,
    FIXED,
    FORMATS,
    GOLDEN_EXAMPLES,
    INPUTS,
    LITERTLM,
    PREFER,
    QUANTIZE,
    UNFINISHED,
    default_quantize,
    misfits,
    phone_format,
)
from kfine.exporting.measuring.limits import Limits
from kfine.recipe import recipe_of_run
from kfine.runs.files import write_json
from kfine.runs.lock import locked
from kfine.training.data import load_data_of_run, warn_cut_split
from kfine.training.parts import own_parts
from kfine.training.run import TrainedRun, as_run
from kfine.units import parse_bytes, parse_milliseconds
from kfine.verbs.export_job import ExportJob

if TYPE_CHECKING:
    from kfine.exporting.report import ExportReport

# Bytes of memory.
_WORTH_SAYING = 1e9


def export(
    run: TrainedRun | str | Path,
    *,
    format: str = BUNDLE,
    quantize: str | None = None,
    input: str | None = None,
    max_drop: float = 0.01,
    max_size: str | float | None = None,
    max_latency: str | float | None = None,
    calibration: int = CALIBRATION_EXAMPLES,
    calibrate: bool = False,
    prefer: str = "size",
    require_gain: bool = False,
    model_version: str = "1",
    license: str | None = None,
    golden: int = GOLDEN_EXAMPLES,
    allow_refused: bool = False,
    console: Console | None = None,
) -> ExportReport:
    """Export a finished run and measure the exported file itself on the held-out split.

    Args:
        run: A run or its folder.
        format: `"bundle"` (a file for phones with all that an app's developer needs, as a folder
            and a zip), `"tflite"` (the LiteRT file alone), `"trainable"` (one whose head learns on
            the phone), `"litertlm"` (of a model that writes, for LiteRT-LM), `"saved_model"`,
            `"onnx"` or `"openvino"` (packages of the extras of that name).
        quantize: How weights and arithmetic are stored, a word of `choices.QUANTIZE`; float16 for
            images and dynamic for texts if omitted, and none for `saved_model` and `onnx`.
            `"auto"` tries several, chooses on validation the smallest that keeps the limits, and
            confirms it on the test split.
        input: `"fixed"`, if omitted, takes images of the model's size; `"any"` takes raw images of
            any size and resizes in the graph, which MediaPipe, tflite-support and LiteRT.js cannot
            read. Token ids of texts have one length, so that is always fixed.
        max_drop: How much of the primary metric the file may lose, fraction 0 to 1.
        max_size: Largest file, such as `"4MB"` or `"500kB"`.
        max_latency: Longest median time an example on this machine, milliseconds or `"20ms"`.
        calibration: How many training examples calibrate integers, balanced over the classes.
        calibrate: Divide the logits of a classifier by the temperature at which validation examples
            are likeliest, so that the file is about as often right as it says; classes stay.
        prefer: What decides where `"auto"` finds several files that keep the limits: `"size"`,
            `"latency"` or `"accuracy"`; sizes and times within 10 % count as equal.
        require_gain: Refuse a file that is no better than the trivial answer, such as the most
            frequent class; without, that is said loudly.
        model_version: Of the model, for the file and its card.
        license: Of the model, for the file and its card; it is yours to say.
        golden: How many held-out examples a bundle holds to check a port with; 0 for none, where
            they may not leave your hands.
        allow_refused: Return the report of a refused file instead of raising; its
            `verdict.passed` is false.
        console: Hears of the progress.

    Returns:
        An `ExportReport`: path, size in bytes, milliseconds per example, and the verdict. It is
        also written to `exports/NAME.json` in the run folder.

    Raises:
        GateRefused: The file is worse than allowed, gives NaN, or needs Flex ops; it is kept
            under a name that says so. With `quantize="auto"`: no file keeps the limits.
        KfineError: The run has not finished, or the settings contradict each other.
    """
    console = console or Console()
    run = as_run(run)
    _check(format, quantize, input, max_drop, calibration, prefer)
    if golden < 0:
        raise ConfigError(f"golden must be 0 examples or more. Received: {golden}")
    limits = Limits(
        max_drop,
        parse_bytes(max_size) if max_size is not None else None,
        parse_milliseconds(max_latency) if max_latency is not None else None,
    )
    run.folder.require_finished()
    device = run.input.device()
    made = phone_format(run.answer.device()) if format == BUNDLE else format
    quantize = quantize or default_quantize(made, device.usual_quantize)
    form = input or FIXED
    reason = misfits(device, run.answer.device(), made, quantize, form)
    if reason:
        raise ConfigError(reason)
    _require_packages(made, quantize)
    # A folder that cannot be written is known before TensorFlow is loaded.
    with locked(run.path):
        pass
    module, note = recipe_of_run(run.folder)
    if note:
        console.warn(note)
    data = load_data_of_run(run.folder, module, run.config, console)
    held_out = data.test or (None if run.refit else data.validation)
    if held_out is None or not len(held_out):
        raise DataError(f"The data of {run.path} has no held-out split to measure an export on.")
    if quantize == AUTO and not (data.validation and data.test):
        raise DataError(
            "quantize auto chooses on the validation split and confirms on the test split, and "
            f"the data of {run.path} lacks one; choose a quantization, or give both splits."
        )
    job = ExportJob(run, data, held_out, form, own_parts(run.folder), told=made == LITERTLM)
    with console.timed("loading TensorFlow and the model"):
        limits.check_weights(run.model.count_params())
        if made == LITERTLM:
            _check_memory(run, console)
        from kfine.exporting.bundle.bundle import write_bundle
        from kfine.exporting.export import Plan, export_model
        from kfine.exporting.inference import inference_model

    trivial = job.trivial()
    if require_gain:
        limits = replace(limits, beats=trivial)
    if calibrate:
        job = _calibrated(job, console)
        run = job.run
    chosen = job.calibration(calibration)
    facts = job.facts(model_version, license)
    plan = Plan(
        run.input,
        run.answer,
        format=made,
        quantize=quantize,
        form=form,
        name=_file_name(made, form),
        representative=job.examples(data.train, chosen.indices),
        limits=limits,
        prefer=prefer,
        info={**facts, "calibration": chosen.to_dict()},
        own=job.own,
    )
    with locked(run.path), console.timed(f"exporting {format} ({quantize}) and measuring it"):
        _clear_killed(run.path / "exports")
        report = export_model(
            inference_model(run.model, run.input, run.answer, form),
            plan,
            run.path / "exports",
            job.measured_on(held_out),
            validation=lambda: job.measured_on(data.validation or held_out),
            progress=console.progress,
            tried=console.say,
        )
        report = replace(report, cut=len(warn_cut_split(run.input, held_out, console)))
        report = _beside_trivial(report, trivial, console)
        if report.verdict.passed:
            report = replace(report, unsure=job.unsure(), memory_bytes=_memory_of(report))
        if format == BUNDLE and report.verdict.passed:
            name = f"bundle-{report.quantize}" + ("-any" if form == "any" else "")
            report = write_bundle(
                report, run.path / "exports" / name, plan, job.golden(golden), facts
            )
        _write_report(run.path, report)
    if not (report.verdict.passed or allow_refused):
        raise GateRefused(report.refusal_sentence())
    return report


def _calibrated(job: ExportJob, console: Console) -> ExportJob:
    """The same with the answer that validation examples calibrate.

    Raises:
        ConfigError: The answer cannot be, or there are too few examples that are new to the model.
    """
    run, held = job.run, job.data.validation
    if not hasattr(run.answer, "calibrated"):
        raise ConfigError(
            f"calibrate mends the probabilities of classes. Received: a run that answers "
            f"{run.answer.kind}"
        )
    if run.refit:
        raise ConfigError(
            "calibrate needs validation examples that are new to the model, and this run trained "
            "on its own too; fit with --refit no."
        )
    if held is None or len(held) < LEAST_EXAMPLES:
        count = 0 if held is None else len(held)
        raise ConfigError(
            f"calibrate needs {LEAST_EXAMPLES} validation examples or more. Received: {count}"
        )
    answer = run.answer.calibrated(job.predicted(held), held.labels)
    before = run.answer.score(job.predicted(job.held_out), job.held_out.labels)
    found = replace(job, run=run.answering(answer), _predictions={})
    after = answer.score(found.predicted(job.held_out), job.held_out.labels)
    errors = [one.metrics["calibration_error"] for one in (before, after)]
    console.say(
        f"temperature {answer.temperature:g}: calibration error {errors[0]:.3f} before, "
        f"{errors[1]:.3f} after, on {len(job.held_out)} held-out examples"
    )
    if errors[1] >= errors[0]:
        console.warn("the temperature did not lower the calibration error on held-out examples")
    return found


def _memory_of(report: ExportReport) -> int | None:
    """Bytes that a process of its own takes for a file of a phone, beyond its runtime."""
    if report.path.suffix not in (".tflite", ".litertlm"):
        return None
    from kfine.exporting.measuring.benchmark import measure

    (found,) = measure([report.path], runs=1, warmup=1)
    return found.model_memory_bytes


def _beside_trivial(
    report: ExportReport, trivial: tuple[str, float], console: Console
) -> ExportReport:
    """The report with the trivial answer; a warning where the file is no better."""
    words = Limits(beats=trivial).no_gain(report.verdict)
    if words and report.verdict.passed:
        console.warn(f"do not ship this file: {words}")
    name, value = trivial
    return replace(report, baseline={"name": name, "value": value, "beaten": not words})


def _check(
    format: str,
    quantize: str | None,
    input: str | None,
    max_drop: float,
    calibration: int,
    prefer: str,
) -> None:
    for name, value, allowed in (
        ("format", format, FORMATS),
        ("quantize", quantize, (*QUANTIZE, AUTO)),
        ("input", input, INPUTS),
        ("prefer", prefer, PREFER),
    ):
        if value is not None and value not in allowed:
            raise ConfigError(f"{name} must be one of {', '.join(allowed)}. Received: {value!r}")
    if not 0 <= max_drop <= 1:
        raise ConfigError(f"max_drop is a fraction from 0 to 1. Received: {max_drop}")
    if calibration < 2:
        raise ConfigError(f"calibration must be 2 examples or more. Received: {calibration}")


def _require_packages(format: str, quantize: str) -> None:
    """Name a missing package before minutes are spent."""
    if format == LITERTLM:
        from kfine.exporting.formats.litertlm import require_litertlm

        require_litertlm(quantize)
    elif quantize == "int4":
        from kfine.exporting.formats.four_bit import require_four_bit

        require_four_bit()
    if format == "onnx":
        from kfine.runtimes.onnx import require_onnx

        require_onnx()
    if format == "openvino":
        from kfine.runtimes.openvino import require_openvino

        require_openvino()


def _clear_killed(exports: Path) -> None:
    """Take away what a killed export left, which may be gigabytes; the run is locked."""
    for folder in exports.glob(f"{UNFINISHED}*"):
        shutil.rmtree(folder, ignore_errors=True)


def _check_memory(run: TrainedRun, console: Console) -> None:
    """Say what converting a model that writes takes, or that it does not fit."""
    from kfine.exporting.formats.litertlm import check_fits

    need = check_fits(run.model.count_params())
    if need > _WORTH_SAYING:
        console.say(f"converting takes about {format_bytes(need)} of memory")


def _file_name(format: str, form: str) -> str:
    names = {
        "trainable": "trainable-{}",
        "saved_model": "saved_model",
        "onnx": "model",
        "openvino": "openvino-{}",
    }
    return names.get(format, "model-{}") + ("" if form == FIXED else f"-{form}")


def _write_report(run: Path, report: ExportReport) -> None:
    """`NAME.json` beside the file or bundle of that name, with paths from the run folder."""
    place = report.bundle or report.path
    stem = place.name
    for ending in (*ENDINGS.values(), ".json"):
        stem = stem.removesuffix(ending)
    relative = {"path": str(report.path.relative_to(run))}
    if report.bundle:
        relative["bundle"] = str(report.bundle.relative_to(run))
    write_json(place.with_name(f"{stem}.json"), {**report.to_dict(), **relative})
    if report.verdict.passed:
        place.with_name(f"{stem}.refused.json").unlink(missing_ok=True)
