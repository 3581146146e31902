"""The options of `kfine tune`, apart from the settings of a recipe."""

from __future__ import annotations

import click

from kfine.cli.options import json_option, quiet_option
from kfine.tuning.plan import ORACLES, QUANTIZE

# What may be given anew when a search is continued.
LIMITS = (
    click.option(
        "--trials",
        type=click.IntRange(min=1),
        metavar="TRIALS",
        help="Run so many trials at most.  [default: 12 without --time]",
    ),
    click.option(
        "--time", metavar="TIME", help="Search so long at most, such as 20m, 90s or 1h30m."
    ),
    click.option(
        "--then-fit",
        is_flag=True,
        help="Fit the best config and the defaults again and compare them on the test split.",
    ),
    click.option(
        "--seeds",
        type=click.IntRange(min=1),
        metavar="SEEDS",
        help="How many fits of each --then-fit does.  [default: 1]",
    ),
    click.option(
        "--workers",
        type=click.IntRange(min=1),
        metavar="PROCESSES",
        help="Run trials in so many processes of this machine.",
    ),
    click.option(
        "--chief",
        metavar="ADDRESS",
        help="Listen on HOST:PORT for workers of other machines, which see the same folder.",
    ),
)
OPTIONS = (
    *LIMITS,
    click.option(
        "--oracle",
        type=click.Choice(ORACLES),
        default="bayesian",
        show_default=True,
        help="Who chooses the values.",
    ),
    click.option(
        "--objective",
        multiple=True,
        metavar="NAME",
        help="What to optimize, such as val_accuracy or val_loss; of several, which may be size "
        "and latency too, the first one leads.  [default: the primary metric on the validation "
        "split]",
    ),
    click.option(
        "--search",
        multiple=True,
        metavar="NAME=VALUES",
        help="Search a setting: learning_rate=1e-5..1e-3 or dropout=0,0.2,0.5 (values that hold "
        "a comma are separated by |). May be repeated.",
    ),
    click.option(
        "--fix",
        multiple=True,
        metavar="NAME[=VALUE]",
        help="Hold a setting; the same as giving it as an option. May be repeated.",
    ),
    click.option(
        "--only",
        multiple=True,
        metavar="NAME",
        help="Of the recipe's search space vary only this. May be repeated.",
    ),
    click.option(
        "--keep",
        type=click.IntRange(min=1),
        default=3,
        show_default=True,
        metavar="TRIALS",
        help="How many of the best trials keep their weights on disk.",
    ),
    click.option(
        "--prune/--no-prune",
        default=True,
        show_default=True,
        help="End trials early that fall behind the median at the same epoch.",
    ),
    click.option(
        "--max-size",
        metavar="SIZE",
        help="Refuse a trial whose exported file would be larger, such as 4MB, untrained.",
    ),
    click.option(
        "--max-latency",
        metavar="TIME",
        help="Refuse a trial whose exported file would take longer for an example on this "
        "machine, such as 15ms, untrained.",
    ),
    click.option(
        "--quantize",
        type=click.Choice(QUANTIZE),
        default="float16",
        show_default=True,
        help="How the export is quantized whose size and latency count.",
    ),
    click.option(
        "--folds",
        type=click.IntRange(min=2),
        metavar="FOLDS",
        help="Cross-validate each trial: one run per fold, its score the mean.",
    ),
    click.option(
        "--groups",
        metavar="COLUMN",
        help="With --folds: examples that are equal in this column of the manifest are never "
        "divided.",
    ),
    click.option(
        "--config",
        metavar="FILE",
        help="YAML file with settings that trials have where they do not vary.",
    ),
    click.option(
        "--run-dir", metavar="FOLDER", help="Where to put the search.  [default: under runs/]"
    ),
    quiet_option,
    json_option,
)
