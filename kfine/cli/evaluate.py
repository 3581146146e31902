"""`kfine evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from kfine.cli.options import json_option, make_console, print_json, print_table, quiet_option

_MISTAKES, _WIDTH = 5, 100


@click.command("evaluate")
@click.argument("model", metavar="RUN_OR_FILE")
@click.option(
    "--data",
    metavar="SOURCE",
    help="Other labelled data of the same classes, in place of the test split.",
)
@quiet_option
@json_option
def command(model: str, data: str | None, quiet: bool, as_json: bool) -> None:
    """Score a run on its test split, beside the majority class and a linear probe.

    A file that `kfine export` wrote is run as it is, on --data or on the test split of the run
    that it lies in.
    """
    from kfine.verbs.evaluate import evaluate
    from kfine.verbs.evaluation_files import evaluation_folder

    metrics = evaluate(model, data=data, console=make_console(quiet))
    if as_json:
        print_json(metrics)
        return
    if "macro_f1" in metrics and "accuracy" in metrics:
        _print_models(metrics)
        click.echo()
        _print_classes(metrics)
        _print_texts(metrics)
    else:
        _print_figures(metrics)
    folder = evaluation_folder(Path(model), data)
    if "model" in metrics:
        from kfine.verbs.evaluate_file import file_evaluation_folder

        folder = file_evaluation_folder(Path(metrics["model"]["path"]), data)
    if folder.is_dir():
        kept = "metrics.json, mistakes.csv" if "mistakes" in metrics else "metrics.json"
        click.echo(f"\n{kept} and plots/ are in {folder}", err=True)


def _print_models(metrics: dict[str, Any]) -> None:
    if "baselines" in metrics:
        compared = {
            "fine-tuned": metrics,
            "linear probe (frozen backbone)": metrics["baselines"]["linear_probe"],
            "majority class": metrics["baselines"]["majority"],
        }
    else:
        compared = {Path(metrics["model"]["path"]).name: metrics}
    rows = []
    for name, values in compared.items():
        low, high = values["accuracy_interval"]
        interval = f"{low:.3f} to {high:.3f}"
        loss = values.get("loss")
        rows.append(
            [
                name,
                f"{values['accuracy']:.3f}",
                interval,
                f"{values['macro_f1']:.3f}",
                "" if loss is None else f"{loss:.3f}",
            ]
        )
    print_table(["", "accuracy", "95 % interval", "macro F1", "loss"], rows)
    if "gain" in metrics:
        _print_gain(metrics)
    else:
        took = metrics["model"]["milliseconds"]
        click.echo(f"on {metrics['count']} examples, {took:.1f} ms each")


def _print_figures(metrics: dict[str, Any]) -> None:
    """What a task without classes measures: its figures as columns, its parts as rows."""
    compared = {"fine-tuned": metrics, **metrics.get("baselines", {})}
    names = [
        name
        for name, value in metrics.items()
        if isinstance(value, float) and all(name in other for other in compared.values())
    ]
    names.sort(key=lambda name: name != metrics["primary"])
    rows = [
        [name.replace("_", " "), *(f"{values[key]:.3f}" for key in names)]
        for name, values in compared.items()
    ]
    print_table(["", *(name.replace("_", " ") for name in names)], rows)
    if "gain" in metrics:
        _print_gain(metrics)
    parts = {
        key: value
        for key, value in {**metrics, **metrics.get("per_type", {})}.items()
        if isinstance(value, dict) and "f1" in value
    }
    if parts:
        click.echo()
        names = list(next(iter(parts.values())))
        cells = [
            [key.replace("_", " "), *(_cell(part[name]) for name in names)]
            for key, part in parts.items()
        ]
        print_table(["", *(name.replace("_", " ") for name in names)], cells)


def _cell(value: float) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _print_gain(metrics: dict[str, Any]) -> None:
    gain = metrics["gain"]
    sure = "may be chance"
    if gain["p_value"] <= 0.05:
        sure = "better by more than chance"
    elif gain["interval"][1] < 0:
        sure = "worse than that"
    over = {"linear_probe": "the probe", "head_alone": "the head alone"}[gain["over"]]
    click.echo(
        f"against {over} on {metrics['count']} examples: {gain['accuracy']:+.3f} "
        f"({gain['interval'][0]:+.3f} to {gain['interval'][1]:+.3f}, "
        f"p = {gain['p_value']:.2g}): {sure}"
    )


def _print_classes(metrics: dict[str, Any]) -> None:
    rows = [
        [name, *(f"{one[key]:.3f}" for key in ("precision", "recall", "f1")), str(one["support"])]
        for name, one in metrics["per_class"].items()
    ]
    print_table(["class", "precision", "recall", "F1", "examples"], rows)


def _print_texts(metrics: dict[str, Any]) -> None:
    """Scores by length and the worst mistakes, where the recipe gives them."""
    if metrics.get("by_length"):
        click.echo()
        rows = [
            [
                "{} to {}".format(*one["words"]),
                f"{one['accuracy']:.3f}",
                f"{one['macro_f1']:.3f}",
                str(one["count"]),
            ]
            for one in metrics["by_length"]
        ]
        print_table(["words", "accuracy", "macro F1", "examples"], rows)
    if metrics.get("mistakes"):
        click.echo("\nmost confident mistakes:")
        for one in metrics["mistakes"][:_MISTAKES]:
            text = " ".join(one["text"].split())
            text = text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}..."
            click.echo(f"  {one['prediction']} {one['probability']:.3f}, is {one['label']}: {text}")
