"""`kfine benchmark`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kfine.cli.options import json_option, make_console, print_json, print_table, quiet_option
from kfine.console import format_bytes

if TYPE_CHECKING:
    from kfine.exporting.measuring.benchmark import Measurement
    from kfine.exporting.measuring.phone import PhoneMeasurement


@click.command("benchmark")
@click.argument("models", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--threads", default=1, show_default=True, type=click.IntRange(1), help="CPU threads."
)
@click.option(
    "--runs", default=50, show_default=True, type=click.IntRange(1), help="Timed runs of each."
)
@click.option(
    "--warmup",
    default=5,
    show_default=True,
    type=click.IntRange(1),
    help="Runs before those, not counted.",
)
@click.option(
    "--keras/--no-keras",
    default=True,
    show_default=True,
    help="Measure the run that a file lies in too, as the baseline.",
)
@click.option("--adb", is_flag=True, help="Measure .tflite files on a plugged-in phone instead.")
@click.option(
    "--adb-tool",
    metavar="PATH",
    help="LiteRT's benchmark_model for the phone's processor, to push there.",
)
@quiet_option
@json_option
def command(
    models: tuple[str, ...],
    threads: int,
    runs: int,
    warmup: int,
    keras: bool,
    adb: bool,
    adb_tool: str | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Measure latency, load time, memory and size of each FILE, beside Keras.

    FILE is anything that `kfine export` wrote, or a run folder, which is measured as Keras.
    Each is run in a process of its own, in turns.
    """
    from kfine.verbs.benchmark import as_rows, benchmark, benchmark_on_phone

    console = make_console(quiet)
    if adb or adb_tool:
        on_phone = benchmark_on_phone(
            *models, threads=threads, runs=runs, warmup=warmup, tool=adb_tool, console=console
        )
        if as_json:
            print_json([one.to_dict() for one in on_phone])
        else:
            _print_phone(on_phone)
        return
    found = benchmark(
        *models, threads=threads, runs=runs, warmup=warmup, keras=keras, console=console
    )
    if as_json:
        print_json(as_rows(found))
    else:
        _print_here(found)


def _print_here(found: list[Measurement]) -> None:
    from kfine.verbs.benchmark import keras_median

    base = keras_median(found)
    headings = ["model", "median", "p95", "first", "load", "memory", "with runtime", "size"]
    rows = [
        [
            str(one.path),
            *(f"{value:.1f} ms" for value in (one.median_ms, one.p95_ms, one.first_ms)),
            f"{one.load_ms:.0f} ms",
            format_bytes(one.model_memory_bytes),
            format_bytes(one.peak_memory_bytes),
            format_bytes(one.size_bytes),
        ]
        for one in found
    ]
    if base is not None:
        headings.insert(2, "of Keras")
        for row, one in zip(rows, found, strict=True):
            row.insert(2, f"{one.median_ms / base:.2f}")
    print_table(headings, rows)
    one = found[0]
    click.echo(
        f"{one.runs} runs each, one example at a time, "
        f"{one.threads} {'thread' if one.threads == 1 else 'threads'}, this machine",
        err=True,
    )


def _print_phone(found: list[PhoneMeasurement]) -> None:
    rows = [
        [
            str(one.path),
            *(f"{value:.1f} ms" for value in (one.mean_ms, one.max_ms, one.first_ms)),
            f"{one.load_ms:.0f} ms",
            "" if one.memory_bytes is None else format_bytes(one.memory_bytes),
        ]
        for one in found
    ]
    print_table(["model", "mean", "slowest", "first", "load", "memory"], rows)
    click.echo(f"on {found[0].phone}, threads: {found[0].threads}", err=True)
