"""`kfine evaluate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from kfine.cli.options import (
    json_option,
    make_console,
    print_json,
    print_table,
    quiet_option,
    slices_options,
)

_MISTAKES, _WIDTH = 5, 100
_MODELS = {"linear_probe": "linear probe (frozen backbone)", "majority": "majority class"}


@click.command("evaluate")
@click.argument("model", metavar="RUN_OR_FILE")
@click.option(
    "--data",
    metavar="SOURCE",
    help="Other labelled data of the same classes, in place of the test split.",
)
@slices_options
@quiet_option
@json_option
def command(
    model: str,
    data: str | None,
    slices: tuple[str, ...],
    sensitive: tuple[str, ...],
    quiet: bool,
    as_json: bool,
) -> None:
    """Score a run on its test split, beside the trivial answer and the frozen backbone.

    A file that `kfine export` wrote is run as it is, on --data or on the test split of the run
    that it lies in.
    """
    from kfine.verbs.evaluate import evaluate
    from kfine.verbs.evaluation_files import evaluation_folder

    metrics = evaluate(
        model, data=data, slices=slices, sensitive=sensitive, console=make_console(quiet)
    )
    if as_json:
        print_json(metrics)
        return
    _print_models(metrics)
    _offer_head(model, metrics)
    _print_tables(metrics)
    _print_sizes(metrics)
    _print_slices(metrics)
    _print_mistakes(metrics)
    folder = evaluation_folder(Path(model), data)
    if "model" in metrics:
        from kfine.verbs.evaluate_file import file_evaluation_folder

        folder = file_evaluation_folder(Path(metrics["model"]["path"]), data)
    if _kept(folder, metrics):
        shown = [metrics.get("mistakes", {}).get("file"), metrics.get("pictures")]
        kept = ", ".join(["metrics.json", "predictions.json", *filter(None, shown)])
        click.echo(f"\n{kept} are in {folder}", err=True)


def _kept(folder: Path, metrics: dict[str, Any]) -> bool:
    """Whether a folder holds these metrics; a disk may be full, or for reading only."""
    try:
        found: bool = json.loads((folder / "metrics.json").read_text(encoding="utf-8")) == metrics
    except (OSError, ValueError):
        return False
    return found


def _print_models(metrics: dict[str, Any]) -> None:
    """The figures that all compared models have, the primary one first."""
    compared = {"fine-tuned": metrics, **metrics.get("baselines", {})}
    if "model" in metrics:
        compared = {Path(metrics["model"]["path"]).name: metrics}
    primary = metrics["primary"]
    interval = f"{primary}_interval"
    names = [
        name
        for name, value in metrics.items()
        if isinstance(value, float) and all(name in other for other in compared.values())
    ]
    names.sort(key=lambda name: name != primary)
    rows = []
    for name, values in compared.items():
        cells = [_cell(values[key]) for key in names]
        if interval in values:
            cells.insert(1, "{:.3f} to {:.3f}".format(*values[interval]))
        rows.append([_MODELS.get(name, name.replace("_", " ")), *cells])
    headings = [_heading(name) for name in names]
    if interval in metrics:
        headings.insert(1, "95 % interval")
    print_table(["", *headings], rows)
    if "gain" in metrics:
        _print_gain(metrics)
        if "told" in metrics:
            _print_told(metrics["told"])
        if "rehearsed" in metrics:
            _print_rehearsed(metrics)
    elif "model" in metrics:
        took = metrics["model"]["milliseconds"]
        click.echo(f"on {metrics['count']} examples, {took:.1f} ms each")


def _print_gain(metrics: dict[str, Any]) -> None:
    from kfine.statistics import surely_above

    gain = metrics["gain"]
    sure = "may be chance"
    if surely_above(gain["p_value"], gain["interval"]):
        sure = "better by more than chance"
    elif gain["interval"][1] < 0:
        sure = "worse than that"
    over = {
        "linear_probe": "the probe",
        "head_alone": "the head alone",
        "untuned": "the untuned model",
    }[gain["over"]]
    click.echo(
        f"against {over} on {metrics['count']} examples: {gain['difference']:+.3f} "
        f"({gain['interval'][0]:+.3f} to {gain['interval'][1]:+.3f}, "
        f"p = {gain['p_value']:.2g}): {sure}"
    )


def _print_told(told: dict[str, Any]) -> None:
    """How well a model that writes knows the texts that were wanted."""
    gain, untuned = told["gain"], told["untuned"]
    change = "lower" if gain["share"] > 0 else "higher"
    click.echo(
        f"of the {told['tokens']} tokens that were wanted, each told those before it: loss "
        f"{told['loss']:.3f}, perplexity {told['perplexity']:.2f}, {told['token_accuracy']:.1%} "
        f"right; untuned {untuned['loss']:.3f}, {untuned['perplexity']:.2f}, "
        f"{untuned['token_accuracy']:.1%}; loss {abs(gain['share']):.1%} {change} "
        f"({gain['interval'][0]:+.1%} to {gain['interval'][1]:+.1%}, p = {gain['p_value']:.2g})"
    )


def _print_rehearsed(metrics: dict[str, Any]) -> None:
    found, primary = metrics["rehearsed"], metrics["primary"]
    name = found["gain"]["over"]
    low, high = found["gain"]["interval"]
    click.echo(
        f"rehearsed, {found['count']} test examples of {found['source']}: {_heading(primary)} "
        f"{_cell(found[primary])}, {_MODELS.get(name, name)} {_cell(found['baselines'][name])}, "
        f"{found['gain']['difference']:+.3f} ({low:+.3f} to {high:+.3f})"
    )


def _offer_head(run: str, metrics: dict[str, Any]) -> None:
    """Say how to train what is as good as the model, where the frozen backbone is."""
    from kfine.runs.folder import RunFolder
    from kfine.statistics import surely_above

    gain = metrics.get("gain")
    if not gain or gain["over"] != "linear_probe":
        return
    if surely_above(gain["p_value"], gain["interval"]):
        return
    info = RunFolder(Path(run)).info()
    if any(stage["depth"] for stage in info["stages"]):
        click.echo(
            "as far as these examples tell, the head alone is as good; "
            f"kfine fit {info['recipe']} ... --unfreeze none trains it in seconds"
        )


def _print_tables(metrics: dict[str, Any]) -> None:
    """Figures of parts: by class, by type of entity, by column, with and without an answer."""
    inner = ("baselines", "gain", "model", "mistakes", "rehearsed", "told")
    tables = {key: value for key, value in metrics.items() if key not in inner}
    alone = {}
    for key, value in tables.items():
        if not isinstance(value, dict) or not value:
            continue
        if all(isinstance(one, dict) for one in value.values()):
            counted = metrics.get("counted_in", "examples")
            _print_parts(key.removeprefix("per_").replace("_", " "), value, counted)
        else:
            alone[key] = value
    if alone:
        _print_parts("", alone)
    if confused := metrics.get("confused"):
        pairs = [f"{one['said']} as {one['heard']} ({one['count']})" for one in confused]
        click.echo(f"heard wrong: {', '.join(pairs[:_MISTAKES])}")
    for key, names in tables.items():
        if key.endswith(("missing_classes", "missing_labels", "missing_types")) and names:
            count = len(names)
            named = ", ".join(names[:_MISTAKES]) + (", ..." if count > _MISTAKES else "")
            others = key.rpartition("_")[2]
            click.echo(f"no example of {named}: macro F1 is that of the other {others}")


def _print_parts(title: str, parts: dict[str, dict[str, Any]], counted: str = "examples") -> None:
    names = list(dict.fromkeys(key for part in parts.values() for key in part))
    rows = [
        [name.replace("_", " ") if not title else name, *(_cell(one.get(key)) for key in names)]
        for name, one in parts.items()
    ]
    click.echo()
    print_table([title, *(counted if key == "support" else _heading(key) for key in names)], rows)


def _print_sizes(metrics: dict[str, Any]) -> None:
    """Scores of small and large examples."""
    parts = metrics.get("by_size")
    if not parts:
        return
    unit = next(iter(parts[0]))
    names = [key for key in parts[0] if key != unit]
    names.sort(key=lambda key: key == "count")
    rows = [["{} to {}".format(*one[unit]), *(_cell(one[key]) for key in names)] for one in parts]
    click.echo()
    print_table([unit, *("examples" if key == "count" else _heading(key) for key in names)], rows)


def _print_slices(metrics: dict[str, Any]) -> None:
    """Scores of what columns tell apart, and what they say."""
    primary = metrics["primary"]
    for one in metrics.get("slices", ()):
        rows = []
        for row in one["slices"]:
            interval = "{:.3f} to {:.3f}".format(*row["interval"]) if row["interval"] else ""
            cells = [_cell(row[primary]), interval, str(row["count"]), _cell(row.get("p_value"))]
            rows.append([row["value"], *cells])
        click.echo()
        if rows:
            titles = [_heading(primary), "95 % interval", "examples", "p"]
            print_table([one["column"], *titles], rows)
        for line in one["words"]:
            click.echo(line)


def _print_mistakes(metrics: dict[str, Any]) -> None:
    """The worst mistakes, where an example can be shown in a line."""
    worst = [one for one in metrics.get("mistakes", {}).get("worst", ()) if one["example"]]
    if not worst:
        return
    click.echo("\nmost confident mistakes:")
    for one in worst[:_MISTAKES]:
        said, true, text = (_line(one[key]) for key in ("prediction", "label", "example"))
        click.echo(f"  {said} {one['probability']:.3f}, is {true}: {text}")


def _line(text: str) -> str:
    """A text in one line, its end cut."""
    text = " ".join(text.split())
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}..."


def _heading(name: str) -> str:
    return name.replace("_", " ").replace("f1", "F1")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)
