"""What an export wrote and how good it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kfine.exporting.measuring.gate import Verdict
from kfine.exporting.measuring.ladder import Rung
from kfine.exporting.measuring.lint import Finding

# Of `to_dict`; another number where a name or a meaning changes.
SCHEMA = 1


@dataclass(frozen=True)
class ExportReport:
    """What was written and how good it is.

    Attributes:
        path: The file or folder; its name says "refused" when it is.
        format: "bundle", "tflite", "litertlm", "saved_model" and so on.
        quantize: What was done to the weights, such as "float16".
        form: How it takes examples, such as "any" size of image.
        size_bytes: Of the model file, or of all files of a SavedModel.
        float_layers: Layers that an int8 file keeps in float because int8 is too coarse there.
        milliseconds: Median per input on this machine, `None` if it did not run.
        verdict: The gate's.
        right_interval: 95 % interval of the share that the file has right.
        recall_change: Class name -> the file's recall less the Keras model's, a fraction.
        calibration: What calibrated it, `None` where nothing did.
        findings: The device lint's.
        bundle: The folder that it is part of, `None` for a single file.
        ladder: What was tried on validation, empty if only this was.
        input: The kind of what goes in.
        baseline: The answer that costs nothing: its `name`, its primary metric as `value`, and
            whether it is `beaten` by the file; `None` where it was not asked for.
        cut: Of how many held-out examples the file does not see all.
        form_note: Who reads a file of this form; empty for the usual one.
        each: What the milliseconds are of, with its article.
        per_class: Name -> the file's `precision`, `recall`, `support` and so on; `None` where the
            answer has none.
        confusion_matrix: One row per true class, one column per predicted one; or `None`.
        unsure: The probability below which an app may say that it is unsure, as found on the
            validation split: `threshold`, `kept` and `accuracy`; or `None`.
        memory_bytes: What a process takes for the file beyond its runtime; `None` for a format
            that is not measured.
        runtime: The oldest runtime that says to read it, such as "TensorFlow Lite 2.3"; empty for
            formats that do not tell.
        told: Of a file for LiteRT-LM, see `ToldFile`; or `None`.
    """

    path: Path
    format: str
    quantize: str
    form: str
    size_bytes: int
    float_layers: tuple[str, ...]
    milliseconds: float | None
    verdict: Verdict
    right_interval: tuple[float, float] | None = None
    recall_change: dict[str, float] | None = None
    calibration: dict[str, Any] | None = None
    findings: tuple[Finding, ...] = ()
    bundle: Path | None = None
    ladder: tuple[Rung, ...] = ()
    input: str = ""
    cut: int = 0
    baseline: dict[str, Any] | None = None
    form_note: str = ""
    each: str = "an example"
    per_class: Mapping[str, Any] | None = None
    confusion_matrix: Sequence[Sequence[int]] | None = None
    unsure: Mapping[str, float] | None = None
    memory_bytes: int | None = None
    runtime: str = ""
    told: Mapping[str, Any] | None = None

    def refusal_sentence(self) -> str:
        """Why the file was refused and where it was kept; empty if it passed."""
        if self.verdict.passed:
            return ""
        return f"The export was refused: {'; '.join(self.verdict.reasons)} (kept as {self.path})."

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able copy."""
        return {
            "schema": SCHEMA,
            "path": str(self.path),
            "bundle": str(self.bundle) if self.bundle else None,
            "format": self.format,
            "quantize": self.quantize,
            "input": self.input,
            "form": self.form,
            "cut": self.cut,
            "baseline": self.baseline,
            "form_note": self.form_note,
            "size_bytes": self.size_bytes,
            "float_layers": list(self.float_layers),
            "milliseconds": self.milliseconds,
            "memory_bytes": self.memory_bytes,
            "runtime": self.runtime,
            "verdict": self.verdict.to_dict(),
            "right_interval": self.right_interval,
            "recall_change": self.recall_change,
            "per_class": self.per_class,
            "confusion_matrix": self.confusion_matrix,
            "unsure": self.unsure,
            "told": self.told,
            "calibration": self.calibration,
            "lint": [asdict(finding) for finding in self.findings],
            "ladder": [rung.to_dict() for rung in self.ladder],
        }
