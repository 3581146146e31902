"""Try quantizations, measure each on validation, and choose the best that keeps a promise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kfine.console import format_bytes
from kfine.errors import ExportError, MissingPackage
from kfine.exporting.measuring.gate import Verdict
from kfine.exporting.measuring.held_out import HeldOut
from kfine.exporting.measuring.limits import Limits
from kfine.exporting.measuring.measured import Measured, Progress, measure_file, silent
from kfine.runtimes.carried import read_metadata

KINDS = ("float16", "dynamic", "int8", "int8-full", "int16", "int4")
HEADINGS = (
    "quantize", "size", "accuracy", "95 % interval", "change", "agreement", "worst recall",
    "ms", "",
)  # fmt: skip
_NAMED_LAYERS = 4
# Files whose sizes, or times, are within this factor are as good as each other.
_ALIKE = 1.1


@dataclass(frozen=True)
class Rung:
    """One quantization that was tried; what is unknown because it failed is `None`.

    Attributes:
        quantize: What was tried.
        path: The file.
        size_bytes: Of the file.
        milliseconds: Median per example on this machine.
        verdict: The gate's, on the validation split.
        right_interval: 95 % interval of the share that it has right.
        recall_change: Class name -> the file's recall less the Keras model's.
        float_layers: Layers that stay in float.
        layer_errors: Keras layer and error in quantization steps, the worst first.
        broken: What of the promise it breaks ("gate", "drop", "size", "latency", or
            "conversion") -> why, a clause; empty if it keeps it.
    """

    quantize: str
    path: Path | None = None
    size_bytes: int | None = None
    milliseconds: float | None = None
    verdict: Verdict | None = None
    right_interval: tuple[float, float] | None = None
    recall_change: dict[str, float] | None = None
    float_layers: tuple[str, ...] = ()
    layer_errors: tuple[tuple[str, float], ...] = ()
    broken: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able copy without the path, which is gone afterwards."""
        values = {name: value for name, value in vars(self).items() if name != "path"}
        return {**values, "verdict": self.verdict.to_dict() if self.verdict else None}

    def words(self) -> str:
        """Size, primary metric, time and outcome in a line."""
        _, size, metric, *_, milliseconds, outcome = self.row()
        name = self.verdict.metric if self.verdict else "metric"
        return f"{size}, {name} {metric}, {milliseconds} ms, {outcome}"

    def row(self) -> list[str]:
        """One cell for each of `HEADINGS`."""
        outcome = "keeps the promise"
        if self.broken:
            outcome = self.broken.get("conversion") or f"breaks {', '.join(self.broken)}"
        size = format_bytes(self.size_bytes) if self.size_bytes else "-"
        verdict, interval = self.verdict, self.right_interval
        if verdict is None or verdict.exported is None or interval is None:
            return [self.quantize, size, "-", "-", "-", "-", "-", "-", outcome]
        worst = min((self.recall_change or {"": 0.0}).items(), key=lambda item: item[1])
        return [
            self.quantize,
            size,
            f"{verdict.exported:.3f}",
            f"{interval[0]:.3f} to {interval[1]:.3f}",
            f"{0 - (verdict.drop or 0):+.3f}",
            f"{verdict.agreement:.3f}",
            f"{worst[1]:+.3f} {worst[0]}",
            f"{self.milliseconds:.1f}",
            outcome,
        ]


def headings(rungs: Sequence[Rung]) -> list[str]:
    """`HEADINGS`, with the primary metric's name over its column."""
    metric = next((one.verdict.metric for one in rungs if one.verdict), "accuracy")
    return [metric if one == "accuracy" else one for one in HEADINGS]


def climb(
    convert: Callable[[str], Path],
    held_out: Callable[[], HeldOut],
    limits: Limits,
    *,
    kinds: Sequence[str] = KINDS,
    progress: Progress = silent,
    tried: Progress = silent,
) -> list[Rung]:
    """Convert and measure each kind; one that cannot be made is a rung that says why.

    Args:
        convert: Makes the file of a kind.
        held_out: The validation split, anew for each kind.
        limits: The promise.
        kinds: What to try.
        progress: Told what is under way.
        tried: Told of each kind what came of it.
    """
    rungs = []
    for number, kind in enumerate(kinds, start=1):
        step = f"{kind} ({number} of {len(kinds)})"
        progress(f"converting to {step}")
        try:
            path = convert(kind)
        except (ExportError, MissingPackage) as error:
            rungs.append(Rung(kind, broken={"conversion": str(error).rstrip(".")}))
            tried(f"{step}: {rungs[-1].broken['conversion']}")
            continue
        measured = measure_file(
            path,
            held_out(),
            max_drop=limits.max_drop,
            max_latency=limits.max_latency,
            progress=lambda line, step=step: progress(f"{step}: {line}"),  # type: ignore[misc]
        )
        rungs.append(_rung(kind, path, measured, limits))
        tried(f"{step}: {rungs[-1].words()}")
    return rungs


def choose(rungs: Sequence[Rung], prefer: str = "size") -> Rung | None:
    """The best that keeps the promise, `None` if none does.

    Args:
        rungs: What was tried.
        prefer: "size" takes the smallest, of files within 10 % of it the fastest; "latency" the
            fastest, of those within 10 % of it the smallest; "accuracy" the one whose primary
            metric falls least, of equals the smallest.
    """
    kept = [rung for rung in rungs if rung.path and not rung.broken]
    if not kept:
        return None
    if prefer == "accuracy":
        return min(kept, key=lambda one: (one.verdict.drop if one.verdict else 0.0, _size(one)))
    first, second = (_size, _latency) if prefer == "size" else (_latency, _size)
    most = _ALIKE * min(map(first, kept))
    return min((one for one in kept if first(one) <= most), key=second)


def _size(rung: Rung) -> float:
    return rung.size_bytes or 0


def _latency(rung: Rung) -> float:
    return rung.milliseconds or 0.0


def failure(rungs: Sequence[Rung], limits: Limits) -> str:
    """Why nothing was chosen: the promise, the nearest, and the layers that int8 costs most."""
    tried = [rung for rung in rungs if rung.verdict and rung.verdict.exported is not None]
    words = f"none of {len(rungs)} quantizations keeps {limits.words()} on validation"
    if tried:
        nearest = min(tried, key=lambda rung: (len(rung.broken), rung.size_bytes or 0))
        words += f"; the nearest is {nearest.quantize}: {' and '.join(nearest.broken.values())}"
    errors = next((rung.layer_errors for rung in tried if rung.layer_errors), ())
    if errors:
        named = ", ".join(f"{layer} ({steps:.1f})" for layer, steps in errors[:_NAMED_LAYERS])
        words += f"; int8 is furthest from float, in quantization steps, at {named}"
    return words


def _rung(kind: str, path: Path, measured: Measured, limits: Limits) -> Rung:
    verdict = measured.verdict
    broken = {"gate": "; ".join(verdict.reasons)} if verdict.reasons else {}
    # The gate refuses what it can show to be worse. A choice among many on one small split
    # favours the lucky, so here the fall itself has to keep within the limit.
    if not broken and (verdict.drop or 0) > limits.max_drop + 1e-9:
        broken["drop"] = f"{verdict.metric} falls by {100 * (verdict.drop or 0):.1f} points"
    broken |= limits.broken(measured.size_bytes, measured.milliseconds)
    info = read_metadata(path)[1]
    return Rung(
        kind,
        path,
        measured.size_bytes,
        measured.milliseconds,
        verdict,
        measured.right_interval,
        measured.recall_change,
        tuple(info.get("float_layers", ())),
        tuple((layer, steps) for layer, steps in info.get("layer_errors", ())),
        broken,
    )
