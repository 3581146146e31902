"""The page that tells a person what the file is, how good it is and what it cannot do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kfine.console import format_bytes
from kfine.exporting.lint import summarize
from kfine.exporting.medium import Medium
from kfine.exporting.report import ExportReport

_GPU = "https://ai.google.dev/edge/litert/performance/gpu"
_CORE_ML = "https://ai.google.dev/edge/litert/ios/coreml"
_NNAPI = "https://developer.android.com/ndk/guides/neuralnetworks/migration-guide"


def model_card(
    report: ExportReport,
    class_names: Sequence[str],
    medium: Medium,
    facts: Mapping[str, Any],
) -> str:
    """Markdown: what it is, how to use it, measured quality, what to know before shipping.

    Args:
        report: Of the file.
        class_names: Of the run, in their order.
        medium: What goes in.
        facts: What the run knows: "name", "recipe", "preset", "training_images" or
            "training_texts", "data", "version" and so on; those missing are left out.
    """
    verdict, output = report.verdict, medium.output
    words = output.words(class_names, output.describe(report.quantize)["dtype"])
    parts = [
        f"# {facts.get('name', f'{medium.name.capitalize()} model')}",
        output.purpose(medium.subject, class_names, counted=True),
        _table(("", ""), [(name, str(value)) for name, value in _rows(report, medium, facts)]),
        "## Use",
        medium.card_use(report.input_kind, words),
        "## Quality",
        f"Measured by running this file on {verdict.count} held-out {medium.many}, beside the "
        "Keras model that it was made from.",
        _table(("", "this file", "Keras model"), _quality(report, medium)),
    ]
    if report.recall_change:
        rows = [(name, f"{value:+.3f}") for name, value in report.recall_change.items()]
        parts.append(_table(("class", "change of recall against Keras"), rows))
    if verdict.note:
        parts.append(f"{verdict.note}.")
    parts += ["## Devices", *_devices(report)]
    parts += [
        "## Limits",
        f"{output.limits()} Its figures hold for {medium.subject} like those that it was measured "
        "on. Whether it treats groups of people or places alike was not measured.",
    ]
    return "\n\n".join(parts) + "\n"


def _rows(report: ExportReport, medium: Medium, facts: Mapping[str, Any]) -> list[tuple[str, Any]]:
    trained = f"training_{medium.many}"
    keys = ("recipe", "preset", "data", trained, "run", "version", "license")
    rows = [(key.replace("_", " "), facts[key]) for key in keys if facts.get(key)]
    rows += [("quantization", report.quantize), ("size", format_bytes(report.size_bytes))]
    if report.calibration:
        balanced = ", balanced over classes" if report.calibration["per_class"] else ""
        words = f"{{examples}} {medium.many} of the {{split}} split{balanced}, seed {{seed}}"
        rows.append(("calibrated on", words.format(**report.calibration)))
    if report.float_layers:
        rows.append(("layers kept in float", ", ".join(report.float_layers)))
    return rows


def _quality(report: ExportReport, medium: Medium) -> list[tuple[str, ...]]:
    verdict = report.verdict
    low, high = report.accuracy_interval or (0.0, 1.0)
    return [
        (verdict.metric, f"{verdict.exported:.3f}", f"{verdict.reference:.3f}"),
        (f"{medium.output.right}, 95 % interval", f"{low:.3f} to {high:.3f}", ""),
        (medium.output.same, f"{verdict.agreement:.3f}", ""),
        (
            f"milliseconds {report.each}, on the machine that exported",
            f"{report.milliseconds:.1f}",
            "",
        ),
    ]


def _devices(report: ExportReport) -> list[str]:
    lines = [f"- {line}" for line in summarize(report.findings)]
    found = "\n".join(lines) or "No Flex or custom operation, no open shape, no float island."
    return [
        found,
        f"GPU, Core ML and NNAPI were not tried: see LiteRT's pages on [GPU]({_GPU}) and "
        f"[Core ML]({_CORE_ML}), and Android's on [leaving NNAPI]({_NNAPI}), and measure on "
        "the device.",
    ]


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    cells = [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)
