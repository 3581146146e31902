"""From a trained model to a measured file: convert, run the file itself, judge, name."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import keras

from kfine.answers import Answer
from kfine.errors import ExportError
from kfine.exporting.choices import (
    AUTO,
    CALIBRATED,
    ENDINGS,
    FIXED,
    FORMATS,
    LITERTLM,
    QUANTIZE,
    UNFINISHED,
    default_quantize,
    misfits,
)
from kfine.exporting.formats.litert import write_tflite
from kfine.exporting.formats.saved_model import write_saved_model
from kfine.exporting.measuring.gate import Verdict, refusal, with_reasons
from kfine.exporting.measuring.held_out import HeldOut
from kfine.exporting.measuring.ladder import KINDS, Rung, choose, climb, failure
from kfine.exporting.measuring.limits import Limits
from kfine.exporting.measuring.lint import lint_file
from kfine.exporting.measuring.measured import Measured, Progress, measure_file, silent
from kfine.exporting.metadata.embedding import oldest_runtime
from kfine.exporting.metadata.model_metadata import model_metadata
from kfine.exporting.report import ExportReport
from kfine.inputs import Input
from kfine.runtimes.carried import LABELS, read_metadata
from kfine.runtimes.litert import output_order

if TYPE_CHECKING:
    from kfine.exporting.formats.litertlm import Packed

__all__ = ["ExportReport", "HeldOut", "Plan", "convert_model", "export_model"]


@dataclass(frozen=True)
class Plan:
    """What is exported, and how.

    Attributes:
        input: What lies between raw examples and the model; it is written into the file, with its
            files if it has any.
        answer: What lies between outputs and predictions; written into the file too.
        format: "tflite", "trainable", "litertlm", "saved_model", "onnx" or "openvino".
        quantize: A kind of `choices.QUANTIZE` that the format can store, or "auto": all of
            `ladder.KINDS` are measured on validation and the best that keeps the limits is
            taken. The input's usual one if omitted.
        form: How the file takes examples, one of the forms of the input: what the inference model
            was made with.
        name: The file's name without ending; `{}` in it stands for the kind that was taken.
        representative: Raw training examples that calibrate integers, see `choose_calibration`;
            iterated anew for each kind.
        limits: What the file must keep.
        prefer: What decides among the files of "auto" that keep them, see `ladder.choose`.
        info: JSON-able facts to carry in the file; a "calibration" among them is reported.
        own: A recipe's module whose own kinds the file may name; `None` if all ship.
    """

    input: Input
    answer: Answer
    format: str = "tflite"
    quantize: str = ""
    form: str = FIXED
    name: str = "model"
    representative: Iterable[Any] | None = None
    limits: Limits = field(default_factory=Limits)
    prefer: str = "size"
    info: Mapping[str, Any] = field(default_factory=dict)
    own: Any = None

    def completed(self) -> Plan:
        """The same with the usual choices where none were made.

        Raises:
            ExportError: The settings contradict each other.
        """
        device = self.input.device()
        quantize = self.quantize or default_quantize(self.format, device.usual_quantize)
        formats = [one for one in FORMATS if one != "bundle"]
        if self.format not in formats:
            raise ExportError(
                f"Unknown export format: {self.format!r}; use one of {', '.join(formats)}."
            )
        if quantize not in (*QUANTIZE, AUTO):
            raise ExportError(
                f"Unknown quantization: {quantize!r}; use one of {', '.join(QUANTIZE)}, {AUTO}."
            )
        reason = self.misfit(quantize, self.form)
        if reason:
            raise ExportError(reason)
        if quantize in (*CALIBRATED, AUTO) and self.representative is None:
            raise ExportError(
                f"{quantize} is calibrated on real training {self.input.many}. Received: none."
            )
        return replace(self, quantize=quantize)

    def misfit(self, quantize: str, form: str) -> str:
        """Why there can be no such file, in a sentence; empty if there can."""
        return misfits(self.input.device(), self.answer.device(), self.format, quantize, form)

    @property
    def form_note(self) -> str:
        """Who reads a LiteRT file of another form than the usual one; empty for that."""
        plain = self.form == FIXED or self.format not in ("tflite", "trainable")
        return "" if plain else self.input.device().forms[self.form]

    @property
    def labels(self) -> tuple[str, ...]:
        """What `labels.txt` says: names along the last axis of the first output that has any."""
        return next((one.labels for one in self.answer.device().tensors if one.labels), ())

    def files(self) -> dict[str, bytes]:
        """What the file carries beside labels and facts: name -> content."""
        labelled = [one for one in self.answer.device().tensors if one.labels]
        more = {
            f"labels-{one.name}.txt": "".join(f"{label}\n" for label in one.labels).encode()
            for one in labelled[1:]
        }
        return {**self.input.files(), **more}

    def facts(self) -> dict[str, Any]:
        """What the file says of itself."""
        return {
            "form": self.form,
            "input": self.input.to_dict(),
            "answer": self.answer.to_dict(),
            **self.info,
        }


def export_model(
    inference: keras.Model,
    plan: Plan,
    destination: Path,
    held_out: HeldOut,
    *,
    validation: Callable[[], HeldOut] | None = None,
    progress: Progress = silent,
    tried: Progress = silent,
) -> ExportReport:
    """Write one export and measure it; a refused one is kept under a name that says so.

    The final name appears only once the file is whole and judged. A file of the same name
    is replaced by a good one, and left alone by a refused one.

    Args:
        inference: Raw examples to the answer's outputs, of `inference_model`.
        plan: What is wanted.
        destination: The folder to write to; made if missing.
        held_out: What the file is measured on.
        validation: The split that "auto" chooses on, anew for each kind.
        progress: Told what is under way.
        tried: Told of each kind of "auto" what came of it.

    Returns:
        The report; `report.verdict.passed` says whether the file may be used.

    Raises:
        ExportError: If the settings contradict each other or the conversion fails.
        MissingPackage: If the format's packages are optional and not installed.
    """
    plan = plan.completed()
    if plan.quantize == AUTO and validation is None:
        raise ExportError("auto chooses on a validation split. Received: none.")
    destination.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=destination) as folder:
        rungs: list[Rung] = []
        if plan.quantize == AUTO and validation is not None:
            rungs = _climb(inference, plan, Path(folder), validation, progress, tried)
            taken = choose(rungs, plan.prefer)
            if taken is None or taken.path is None:
                return _none_kept(plan, destination, held_out, rungs)
            made, plan = taken.path, replace(plan, quantize=taken.quantize)
            progress(f"confirming {plan.quantize} on the held-out split")
        else:
            progress(f"converting to {plan.quantize}")
            made = convert_model(inference, plan, Path(folder))
        measured = measure_file(
            made,
            held_out,
            max_drop=plan.limits.max_drop,
            max_latency=plan.limits.max_latency,
            progress=progress,
        )
        verdict = _with_limits(measured, plan.limits)
        carried = read_metadata(made)[1]
        phone = plan.format == "tflite"
        findings = tuple(lint_file(made, form=plan.form)) if phone else ()
        ending = ENDINGS.get(plan.format, "")
        path = _keep(made, destination, plan.name.format(plan.quantize), ending, verdict)
    return ExportReport(
        path=path,
        format=plan.format,
        quantize=plan.quantize,
        form=plan.form,
        size_bytes=measured.size_bytes,
        float_layers=tuple(carried.get("float_layers", ())),
        milliseconds=measured.milliseconds,
        verdict=verdict,
        right_interval=measured.right_interval,
        recall_change=measured.recall_change,
        per_class=measured.tables.get("per_class"),
        confusion_matrix=measured.tables.get("confusion_matrix"),
        runtime=oldest_runtime(path) if plan.format in ("tflite", "trainable") else "",
        calibration=carried.get("calibration"),
        findings=findings,
        ladder=tuple(rungs),
        told=measured.told.to_dict() if measured.told else None,
        input=plan.input.kind,
        form_note=plan.form_note,
        each=plan.answer.device().timed or plan.input.each,
    )


def _climb(
    inference: keras.Model,
    plan: Plan,
    folder: Path,
    validation: Callable[[], HeldOut],
    progress: Progress,
    tried: Progress,
) -> list[Rung]:
    return climb(
        lambda kind: convert_model(inference, replace(plan, quantize=kind), folder),
        validation,
        plan.limits,
        kinds=[kind for kind in KINDS if not plan.misfit(kind, plan.form)],
        progress=progress,
        tried=tried,
    )


def _none_kept(plan: Plan, destination: Path, held_out: HeldOut, rungs: list[Rung]) -> ExportReport:
    verdict = refusal(failure(rungs, plan.limits), len(held_out), plan.answer.primary)
    return ExportReport(
        path=destination / "ladder.json",
        format=plan.format,
        quantize=AUTO,
        form=plan.form,
        size_bytes=0,
        float_layers=(),
        milliseconds=None,
        verdict=verdict,
        ladder=tuple(rungs),
        input=plan.input.kind,
    )


def convert_model(inference: keras.Model, plan: Plan, folder: Path) -> Path:
    """Write one file or SavedModel, not measured yet.

    The float graph is written into `folder` once and serves all kinds.

    Args:
        inference: As in `export_model`.
        plan: What is wanted, `quantize` and `form` chosen.
        folder: Where it goes.

    Returns:
        The file or folder, in `folder`.

    Raises:
        ExportError: If the conversion fails.
    """
    quantize, labels = plan.quantize, plan.labels
    facts = {"format": plan.format, "quantize": quantize, **plan.facts()}
    if quantize not in CALIBRATED:
        facts.pop("calibration", None)
    files = plan.files()
    if plan.format == "saved_model":
        more = plan.input.device().signatures(inference, plan.answer)
        path = folder / "saved_model"
        return write_saved_model(inference, path, labels, facts, files=files, signatures=more)
    if plan.format == "trainable":
        from kfine.exporting.formats.on_device_training import write_trainable

        described = _described(plan, inference, None)
        path = folder / "trainable.tflite"
        return write_trainable(
            inference, path, labels, facts, quantize=quantize, described=described
        )
    if plan.format == LITERTLM:
        from kfine.exporting.formats.litertlm import write_litertlm

        path = folder / "model.litertlm"
        packed = _packed(plan)
        return write_litertlm(
            inference, path, packed, labels, facts, quantize=quantize, files=files
        )
    if plan.format == "onnx":
        from kfine.exporting.formats.onnx import write_onnx

        return write_onnx(inference, folder / "model.onnx", labels, facts, files)
    if plan.format == "openvino":
        from kfine.exporting.formats.openvino import write_openvino

        path = folder / "openvino"
        return write_openvino(inference, path, labels, facts, quantize=quantize, files=files)
    full = quantize == "int8-full"
    graph = folder / ("graph-float-input" if full else "graph")
    if not graph.exists():
        write_saved_model(inference, graph, labels, facts, batch=1, float_input=full)
    chosen = () if plan.representative is None else plan.representative
    return write_tflite(
        graph,
        folder / f"{quantize}.tflite",
        labels,
        facts,
        quantize=quantize,
        representative=(calibration_tensors(plan.input, example) for example in chosen),
        files=files,
        described=lambda path: _described(plan, inference, path),
    )


def _packed(plan: Plan) -> Packed:
    """What a model that writes is talked with."""
    from kfine.exporting.formats.litertlm import Packed

    input, answer = cast(Any, plan.input), cast(Any, plan.answer)
    said = answer.generation
    longest = input.longest + said["longest"]
    return Packed(**input.device().conversation(), ends=said["ends"], longest=longest)


def calibration_tensors(input: Input, example: Any) -> dict[str, Any]:
    """A raw example as the inputs `(1, ...)` that calibrate integers: its first row."""
    tensors, _ = input.device().tensors(example, "fixed")
    return {name: one[:1] for name, one in tensors.items()}


def _described(plan: Plan, inference: keras.Model, path: Path | None) -> bytes:
    """The `ModelMetadata` of a file, its outputs in the order that the file has."""
    tensors = {one.name: one for one in plan.answer.device().tensors}
    order = list(tensors)
    if path is not None and len(order) > 1:
        order = output_order(path, order)
    first = next((one.name for one in tensors.values() if one.labels), "")
    labelled = {name: f"labels-{name}.txt" for name, one in tensors.items() if one.labels}
    facts = {
        "name": f"{plan.input.kind} {plan.answer.kind}",
        "description": plan.answer.device().purpose(plan.input.many),
        "version": "1",
        **plan.info,
    }
    return model_metadata(
        {**facts, "description": f"{facts['description']} {plan.form_note}".rstrip()},
        describe_inputs=lambda builder: plan.input.device().tensor_metadata(builder, plan.form),
        outputs=[tensors[name] for name in order],
        labels_files={**labelled, first: LABELS} if first else {},
        custom=getattr(plan.answer.device(), "custom_metadata", dict)(),
    )


def _with_limits(measured: Measured, limits: Limits) -> Verdict:
    verdict = measured.verdict
    broken = [*limits.broken(measured.size_bytes, measured.milliseconds).values()]
    return with_reasons(verdict, [*broken, *filter(None, [limits.no_gain(verdict)])])


def _keep(made: Path, destination: Path, name: str, ending: str, verdict: Verdict) -> Path:
    refused = destination / f"{name}.refused{ending}"
    path = destination / f"{name}{ending}" if verdict.passed else refused
    if path.is_dir():
        # A folder cannot be replaced in one step: move the old one where it will be deleted.
        os.replace(path, made.parent / "replaced")
    os.replace(made, path)
    if verdict.passed and refused.is_dir():
        shutil.rmtree(refused)
    elif verdict.passed:
        refused.unlink(missing_ok=True)
    return path
