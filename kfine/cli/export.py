"""`kfine export`."""

from __future__ import annotations

import click

from kfine.cli.options import json_option, make_console, print_json, quiet_option
from kfine.console import format_bytes


@click.command("export")
@click.argument("run")
@click.option(
    "--format",
    type=click.Choice(["tflite", "saved_model"]),
    default="tflite",
    show_default=True,
    help="LiteRT (TFLite) for phones, SavedModel for servers.",
)
@click.option(
    "--quantize",
    type=click.Choice(["none", "float16", "dynamic", "int8"]),
    help="How weights are stored; int8 is calibrated on training images.  "
    "[default: float16 for tflite, none for saved_model]",
)
@click.option(
    "--input",
    type=click.Choice(["any", "fixed"]),
    default="any",
    show_default=True,
    help="Images of any size, resized in the graph, or of the model's size only.",
)
@click.option(
    "--max-drop",
    type=click.FloatRange(0, 1),
    default=0.01,
    show_default=True,
    metavar="FRACTION",
    help="How much of the primary metric the file may lose before it is refused (exit 3).",
)
@quiet_option
@json_option
def command(
    run: str,
    format: str,
    quantize: str | None,
    input: str,
    max_drop: float,
    quiet: bool,
    as_json: bool,
) -> None:
    """Export RUN and measure the exported file on the held-out split.

    The file takes raw uint8 RGB and gives class probabilities; labels are inside.
    """
    from kfine.verbs.export import export

    report = export(
        run,
        format=format,
        quantize=quantize,
        input=input,
        max_drop=max_drop,
        console=make_console(quiet),
    )
    if as_json:
        print_json(report.to_dict())
        return
    verdict = report.verdict
    click.echo(f"{report.path}")
    click.echo(
        f"{format_bytes(report.size_bytes)}; on {verdict.count} held-out examples: "
        f"{verdict.metric} {verdict.exported:.3f} (Keras {verdict.reference:.3f}, "
        f"{0 - verdict.drop:+.3f}), agreement {verdict.agreement:.3f}, "
        f"{report.milliseconds:.1f} ms an image on this machine"
    )
    if report.float_layers:
        click.echo(f"{len(report.float_layers)} layers for which int8 is too coarse stay in float")
    if verdict.note:
        click.echo(verdict.note, err=True)
