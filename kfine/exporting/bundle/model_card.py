"""The page that tells a person what the file is, how good it is and what it cannot do."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from kfine.answers import Answer
from kfine.console import format_bytes
from kfine.exporting.bundle.snippets import platforms
from kfine.exporting.measuring.ladder import headings
from kfine.exporting.measuring.lint import summarize
from kfine.exporting.report import ExportReport
from kfine.inputs import Input

_GPU = "https://ai.google.dev/edge/litert/performance/gpu"
_CORE_ML = "https://ai.google.dev/edge/litert/ios/coreml"
# A wider confusion matrix is not read; it is in report.json.
_MOST_CLASSES = 12
# The figures of a file and of the Keras model begin so.
_WHOSE = ("", "reference_")
_NNAPI = "https://developer.android.com/ndk/guides/neuralnetworks/migration-guide"


def model_card(
    report: ExportReport, input: Input, answer: Answer, facts: Mapping[str, Any], golden: int = 0
) -> str:
    """Markdown: what it is, how to use it, measured quality, what to know before shipping.

    Args:
        report: Of the file.
        input: What goes in.
        answer: What comes out.
        facts: What the run knows: "name", "recipe", "preset", "training_images" or
            "training_texts", "data", "version" and so on; those missing are left out.
        golden: How many held-out examples lie beside the file.
    """
    verdict, given = report.verdict, answer.device()
    words = given.words(given.describe(report.quantize).get("dtype", "float32"))
    parts = [
        f"# {facts.get('name', f'{input.kind.capitalize()} model')}",
        plain(given.purpose(input.many, counted=True)),
        table(("", ""), [(name, str(value)) for name, value in _rows(report, input, facts)]),
        "## Use",
        input.device().card_use(report.form, words, platforms(input, answer)),
        "## Quality",
        f"Measured by running this file on {verdict.count} held-out {input.many}, beside the "
        "Keras model that it was made from.",
        table(("", "this file", "Keras model"), _quality(report, answer)),
    ]
    parts += _by_class(report, answer)
    if report.unsure:
        parts.append(
            "An app may say that it is unsure below a probability of {threshold:.3f}: on the "
            "validation split the Keras model answers {kept:.0%} of the examples so, and "
            "{accuracy:.1%} of these right.".format(**report.unsure)
        )
    if verdict.note:
        parts.append(f"{verdict.note}.")
    if report.ladder:
        parts += [
            "What was tried, on the validation split:",
            table(headings(report.ladder), [rung.row() for rung in report.ladder]),
        ]
    if report.bundle and golden:
        parts.append(
            f"`golden/` holds {golden} of the held-out {input.many} themselves: export with "
            "`--golden 0` where they may not be handed on."
        )
    parts += ["## Devices", *_devices(report, input)]
    parts += [
        "## Limits",
        f"{given.limits()} Its figures hold for {input.many} like those that it was measured on.",
        *_slices(facts.get("slices") or ()),
    ]
    return "\n\n".join(parts) + "\n"


def _slices(words: Sequence[str]) -> list[str]:
    if not words:
        return ["Whether it treats groups of people or places alike was not measured."]
    lines = "\n".join(f"- {plain(line)}" for line in words)
    return ["Of the Keras model, on slices of the test split:", lines]


def _rows(report: ExportReport, input: Input, facts: Mapping[str, Any]) -> list[tuple[str, Any]]:
    keys = (
        *("recipe", "preset", "preset_license", "data", f"training_{input.many}"),
        *("accents", "unknown_pieces"),
        *("run", "trained", "made_with", "version", "license"),
    )
    known = {"license": "not stated", **facts}
    rows = [(key.replace("_", " "), known[key]) for key in keys if known.get(key)]
    rows += [("quantization", report.quantize), ("size", format_bytes(report.size_bytes))]
    if report.memory_bytes is not None:
        where = f"{format_bytes(report.memory_bytes)}, on the machine that exported"
        rows.append(("memory beyond the runtime", where))
    if report.runtime:
        rows.append(("oldest runtime", f"{report.runtime}, or LiteRT"))
    if report.calibration:
        balanced = ", balanced over classes" if report.calibration["per_class"] else ""
        words = f"{{examples}} {input.many} of the {{split}} split{balanced}, seed {{seed}}"
        rows.append(("calibrated on", words.format(**report.calibration)))
    if report.cut:
        words = f"{report.cut} of {report.verdict.count}: what is behind was not read"
        rows.append((f"held-out {input.many} that were too long", words))
    if report.float_layers:
        rows.append(("layers kept in float", ", ".join(report.float_layers)))
    return rows


def _by_class(report: ExportReport, answer: Answer) -> list[str]:
    """Tables by class, where the answer has such."""
    names = list(report.per_class or ())
    if not names or "recall" not in (report.per_class or {})[names[0]]:
        return []
    change = report.recall_change or {}
    rows = [
        (
            name,
            *(f"{one[key]:.3f}" for key in ("precision", "recall")),
            f"{change[name]:+.3f}" if name in change else "",
            str(one["support"]),
        )
        for name, one in (report.per_class or {}).items()
    ]
    counted = getattr(answer.device(), "counted", "examples")
    headings = ("class", "precision", "recall", "change of recall against Keras", counted)
    parts = [table(headings, rows)]
    matrix = report.confusion_matrix
    if matrix and len(matrix) <= _MOST_CLASSES:
        lines = [(name, *map(str, row)) for name, row in zip(names, matrix, strict=True)]
        parts += ["What each class (row) is taken for (column):", table(("", *names), lines)]
    return parts


def _quality(report: ExportReport, answer: Answer) -> list[tuple[str, ...]]:
    verdict, given = report.verdict, answer.device()
    low, high = report.right_interval or (0.0, 1.0)
    baseline = report.baseline or {}
    trivial = [
        (f"{verdict.metric} of the trivial answer ({name.replace('_', ' ')})", f"{value:.3f}", "")
        for name, value in [(baseline.get("name", ""), baseline.get("value", 0.0))]
        if name
    ]
    right = (f"{given.right}, 95 % interval", f"{low:.3f} to {high:.3f}", "")
    return [
        (verdict.metric, f"{verdict.exported:.3f}", f"{verdict.reference:.3f}"),
        *([right] if given.right else []),
        *trivial,
        *_told(report, given.same),
        (
            f"milliseconds {report.each}, on the machine that exported",
            f"{report.milliseconds:.1f}",
            "",
        ),
    ]


def _told(report: ExportReport, same: str) -> list[tuple[str, ...]]:
    """How near the file is to the Keras model."""
    agreement = f"{report.verdict.agreement:.3f}"
    if not report.told:
        return [(same, agreement, "")]
    found = report.told
    return [
        ("share of next tokens that are Keras', along its own replies", agreement, ""),
        *(
            (f"{name} of the replies wanted", *(f"{found[one + key]:.3f}" for one in _WHOSE))
            for name, key in (("perplexity", "perplexity"), ("loss of a token", "loss"))
        ),
        (
            "tokens per second, on the machine that exported",
            f"{found['tokens_per_second']:.0f}",
            "",
        ),
    ]


def _devices(report: ExportReport, input: Input) -> list[str]:
    if report.told:
        return [
            "It was run on a CPU. LiteRT-LM's backends for GPU and NPU were not tried: measure on "
            "the device."
        ]
    lines = [f"- {line}" for line in summarize(report.findings)]
    found = "\n".join(lines) or "No Flex or custom operation, no open shape, no float island."
    return [
        input.device().forms[report.form],
        found,
        f"GPU, Core ML and NNAPI were not tried: see LiteRT's pages on [GPU]({_GPU}) and "
        f"[Core ML]({_CORE_ML}), and Android's on [leaving NNAPI]({_NNAPI}), and measure on "
        "the device.",
    ]


def plain(text: object) -> str:
    """A text as Markdown that cannot be taken for HTML."""
    return html.escape(str(text), quote=False)


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; cells are no HTML."""
    lines = [headings, ["---"] * len(headings), *rows]
    cells = [
        [plain(cell).replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)
