"""`kfine export`."""

from __future__ import annotations

from typing import Any

import click

from kfine.cli.options import json_option, make_console, print_json, print_table, quiet_option
from kfine.console import format_bytes
from kfine.errors import GateRefused
from kfine.exporting.choices import (
    AUTO,
    BUNDLE,
    CALIBRATION_EXAMPLES,
    FORMATS,
    GOLDEN_EXAMPLES,
    INPUTS,
    PREFER,
    QUANTIZE,
)


@click.command("export")
@click.argument("run")
@click.option(
    "--format",
    type=click.Choice(FORMATS),
    default=BUNDLE,
    show_default=True,
    help="LiteRT (TFLite) file with all that an app needs, the file alone, one whose head learns "
    "on the phone, one of a model that writes for LiteRT-LM (kfine[lm]), or for servers "
    "SavedModel, ONNX (kfine[onnx]) or OpenVINO (kfine[openvino]).",
)
@click.option(
    "--quantize",
    type=click.Choice([*QUANTIZE, AUTO]),
    help="How weights are stored; int8 and int16 are calibrated on training examples; auto tries "
    "all and takes the best that keeps the limits (--prefer).  [default: float16, dynamic for "
    "texts, none for saved_model and onnx]",
)
@click.option(
    "--input",
    type=click.Choice(INPUTS),
    help="Images of the model's size, or of any size and resized in the graph, which MediaPipe, "
    "tflite-support and LiteRT.js cannot read.  [default: fixed]",
)
@click.option(
    "--max-drop",
    type=click.FloatRange(0, 1),
    default=0.01,
    show_default=True,
    metavar="FRACTION",
    help="How much of the primary metric the file may lose before it is refused (exit 3).",
)
@click.option("--max-size", metavar="SIZE", help="Largest file, such as 4MB.")
@click.option(
    "--max-latency", metavar="TIME", help="Longest time an example on this machine, such as 20ms."
)
@click.option(
    "--calibration",
    type=click.IntRange(2),
    default=CALIBRATION_EXAMPLES,
    show_default=True,
    metavar="EXAMPLES",
    help="Training examples that calibrate integers, balanced over the classes.",
)
@click.option(
    "--calibrate",
    is_flag=True,
    help="Make a classifier about as often right as it says: divide its logits by a temperature "
    "learned on validation. The classes that it finds stay the same.",
)
@click.option(
    "--prefer",
    type=click.Choice(PREFER),
    default=PREFER[0],
    show_default=True,
    help="What decides where auto finds several files that keep the limits; sizes and times "
    "within 10 % count as equal.",
)
@click.option(
    "--require-gain",
    is_flag=True,
    help="Refuse a file that is no better than the trivial answer, such as the most frequent "
    "class (exit 3).",
)
@click.option(
    "--model-version",
    default="1",
    show_default=True,
    metavar="VERSION",
    help="Of the model, for the file and its card.",
)
@click.option(
    "--license", metavar="TEXT", help="Of the model, for the file and its card; yours to say."
)
@click.option(
    "--golden",
    type=click.IntRange(0),
    default=GOLDEN_EXAMPLES,
    show_default=True,
    metavar="EXAMPLES",
    help="How many held-out examples a bundle holds to check a port with; 0 for none, where they "
    "may not leave your hands.",
)
@quiet_option
@json_option
def command(run: str, quiet: bool, as_json: bool, **settings: Any) -> None:
    """Export RUN and measure the exported file on the held-out split.

    The file takes raw uint8 RGB or the token ids of a text and gives probabilities, or the scores
    of a question's answer; labels and tokenizer are inside.
    """
    from kfine.verbs.export import export

    report = export(run, allow_refused=True, console=make_console(quiet), **settings)
    if as_json:
        print_json(report.to_dict())
    else:
        _print(report)
    if not report.verdict.passed:
        raise GateRefused(report.refusal_sentence())


def _print(report: Any) -> None:
    if report.ladder:
        from kfine.exporting.measuring.ladder import headings

        click.echo("On validation:")
        print_table(headings(report.ladder), [rung.row() for rung in report.ladder])
    verdict = report.verdict
    if not verdict.passed:
        return
    click.echo(f"{report.bundle or report.path}")
    click.echo(
        f"{format_bytes(report.size_bytes)}; on {verdict.count} held-out examples: "
        f"{verdict.metric} {verdict.exported:.3f} (Keras {verdict.reference:.3f}, "
        f"{0 - verdict.drop:+.3f}), agreement {verdict.agreement:.3f}, "
        f"{report.milliseconds:.1f} ms {report.each} on this machine"
    )
    if report.told:
        found = report.told
        click.echo(
            f"loss of the replies wanted {found['loss']:.3f} (Keras "
            f"{found['reference_loss']:.3f}); agreement is of {found['places']} next tokens along "
            "Keras' own replies; "
            f"{found['tokens_per_second']:.0f} tokens/s"
        )
    if report.form_note:
        click.echo(report.form_note)
    if report.float_layers:
        click.echo(f"{len(report.float_layers)} layers for which int8 is too coarse stay in float")
    if report.findings:
        from kfine.exporting.measuring.lint import summarize

        for line in summarize(report.findings):
            click.echo(line)
    if verdict.note:
        click.echo(verdict.note, err=True)
