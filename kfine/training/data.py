"""A recipe's data, read with progress, and what is said of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kfine.config import make_config
from kfine.console import Console
from kfine.data.clean_list import CleanList, clean, read_clean_list
from kfine.data.files import tables_in
from kfine.data.labelled import Data
from kfine.data.shared_names import shared_parts
from kfine.data.split import Split
from kfine.data.tables import SUFFIXES
from kfine.errors import RunError
from kfine.inputs import Input
from kfine.recipe import Recipe, recipe_of_run
from kfine.runs.folder import Folder, RunFolder
from kfine.training.rehearsal import beside

MOST_NAMED = 20
MOST_CUT = 3
# Below this many held-out examples a user is told how uncertain a score is.
FEW = 50


def load_data(module: Recipe, config: Any, console: Console, **options: Any) -> Data:
    """Read a recipe's data with progress, and what is to be rehearsed beside it."""
    data = read_data(module, config, console, **options)
    return with_rehearsal(data, module, config, console)


def read_data(
    module: Recipe,
    config: Any,
    console: Console,
    *,
    decided: CleanList | None = None,
    **options: Any,
) -> Data:
    """Read a recipe's data with progress, without what is rehearsed: to score, or to export.

    Args:
        module: The recipe.
        config: For the recipe.
        console: Hears of the progress.
        decided: What is left out and labelled anew; as the settings say if omitted.
        **options: Of the recipe's `load_data`.
    """
    if decided is None:
        decided = read_clean_list(config.exclude, config.relabel)
    data = module.load_data(config, progress=console.count("reading the data"), **options)
    return clean(data, decided)


def as_in(folder: Folder) -> dict[str, Any]:
    """Options of `read_data` with which it gives the data that a run or a search began with."""
    kept = folder.read("data.json").get("cleaned")
    return {
        "split_lists": folder.read("splits.json"),
        "decided": CleanList.from_dict(kept) if kept else CleanList(),
    }


def read_again(folder: Folder, console: Console) -> tuple[Recipe, Any, Data]:
    """Recipe, settings and data of a run, a search or folds, as they began.

    Raises:
        KfineError: The recipe, the settings or the data cannot be read.
    """
    module, note = recipe_of_run(folder)
    if note:
        console.warn(note)
    config = make_config(module.Config, {}, folder.path / "config.yaml")
    return module, config, read_data(module, config, console, **as_in(folder))


def with_rehearsal(data: Data, module: Recipe, config: Any, console: Console) -> Data:
    """The data of a run, with what its setting `rehearse` names read and put beside it.

    Raises:
        DataError: It cannot be read, or is not to be rehearsed; see `beside`.
    """
    if not config.rehearse:
        return data
    asked = replace(with_columns(config, data.columns, config.rehearse), **data.settings)
    progress = console.count("reading the data to rehearse")
    other = module.load_data(asked, config.rehearse, progress=progress)
    found = beside(data, other, config.seed)
    assert found.rehearsal is not None
    warn_set_aside(other, console)
    count, of = len(found.rehearsal.train), len(other.train)
    console.say(f"rehearsing {count} of {of} training examples of {config.rehearse}")
    return found


def with_columns(config: Any, columns: Mapping[str, str], data: str) -> Any:
    """Settings that read other data of a model from the columns that it learned from.

    Else each table would be guessed anew, and texts of another kind scored without a word.

    Args:
        config: Settings of the model's recipe; what they name themselves stays.
        columns: Setting -> column, as `Data.columns`.
        data: The other data; only tables have columns.
    """
    if not _has_tables(data):
        return config
    open_ones = {
        name: column
        for name, column in columns.items()
        if hasattr(config, name) and getattr(config, name) is None
    }
    return replace(config, **open_ones)


def _has_tables(data: str) -> bool:
    path = Path(data).expanduser()
    return bool(tables_in(path)) if path.is_dir() else path.suffix.lower() in SUFFIXES


def load_data_of_run(folder: RunFolder, module: Recipe, config: Any, console: Console) -> Data:
    """Read the data of a run again, in its splits, and warn of what is no longer as it was."""
    data = read_data(module, config, console, **as_in(folder))
    then = folder.read("data.json")
    said = {*then.get("warnings", ()), *then.get("notes", ())}
    for line in (*data.warnings, *data.notes):
        if line not in said:
            console.warn(line)
    return data


def load_unchanged(
    folder: Folder, module: Recipe, config: Any, console: Console, *, since: str, so: str
) -> Data:
    """Read the data of something that goes on, in its splits.

    Args:
        folder: With the `splits.json` and `data.json` of the beginning.
        module: The recipe.
        config: For the recipe.
        console: Hears of the progress.
        since: What began then, for the error.
        so: What follows from a change, and what to do, for the error.

    Raises:
        RunError: The data is not what it was.
    """
    lists = folder.read("splits.json")
    data = load_data(module, config, console, **as_in(folder))
    if data.fingerprint != folder.read("data.json")["fingerprint"]:
        changes = difference(lists, data)
        raise RunError(f"The data of {folder.path} changed since {since} ({changes}), so {so}.")
    return data


def difference(before: dict[str, Any], data: Data) -> str:
    """What is not as it was, in words.

    Args:
        before: What `split_lists` of the data gave then.
        data: The data now.
    """
    old, new = (
        {
            (split, one["name"]): (one["digest"], one["label"])
            for split in lists
            for one in lists[split]
        }
        for lists in (before, data.split_lists())
    )
    found = {
        "gone": sorted(set(old) - set(new)),
        "new": sorted(set(new) - set(old)),
        "not the same": sorted(key for key in set(old) & set(new) if old[key] != new[key]),
    }
    changes = [f"{len(keys)} {what}, such as {keys[0][1]}" for what, keys in found.items() if keys]
    return "; ".join(changes or ["what is rehearsed is not the same"])


def say_data(data: Data, console: Console) -> None:
    """Say what is in the data, and what was set aside."""
    summary = data.summary()
    for name, split in summary["splits"].items():
        aside = f", {split['set_aside']} set aside" if split["set_aside"] else ""
        kinds = len(split["per_class"])
        of = f" of {kinds} classes" if kinds else ""
        console.say(f"{name}: {split['used']} examples{of}{aside}")
    _say_classes(summary["splits"], console)
    for line in data.notes:
        console.say(line)
    _warn_if_small(summary["splits"], console)
    warn_set_aside(data, console)
    if len(data.set_aside) > MOST_NAMED:
        more = len(data.set_aside) - MOST_NAMED
        console.warn(f"set aside {more} more files, all named in data.json")
    for line in (*data.warnings, *(one.sentence() for one in shared_parts(data))):
        console.warn(line)


def _say_classes(splits: dict[str, dict[str, Any]], console: Console) -> None:
    """How often each class occurs in all splits: a split or a system folder among them shows."""
    counts: Counter[str] = Counter()
    for split in splits.values():
        counts.update(split["per_class"])
    listed = [f"{name} {count}" for name, count in sorted(counts.items())]
    if len(listed) > MOST_NAMED:
        # The most frequent and the rarest.
        listed = [f"{name} {count}" for name, count in counts.most_common()]
        half = MOST_NAMED // 2
        listed[half : half - MOST_NAMED] = [f"{len(listed) - MOST_NAMED} more"]
    if listed:
        console.say(f"in all: {', '.join(listed)}")


def _warn_if_small(splits: dict[str, dict[str, Any]], console: Console) -> None:
    """Say how little a score on a few held-out examples tells."""
    from kfine.statistics import wilson_interval

    for name, split in splits.items():
        count = split["used"]
        if name == "train" or count >= FEW:
            continue
        if split["per_class"]:
            low, high = wilson_interval(round(0.8 * count), count)
            sure = f"80 % right on it may be {low:.0%} to {high:.0%}"
        else:
            # The interval of 95 % of a mean absolute error whose errors are normal; one of a share
            # that is wrong is about as wide.
            sure = f"an error on it may be {1.48 / max(1, count) ** 0.5:.0%} too low or too high"
        console.warn(f"the {name} split has {count} examples, too few to tell much: {sure}")


def warn_cut_split(input: Input, split: Split, console: Console) -> list[str]:
    """As `warn_cut`, of a split."""
    # Where an example is read anew, its row holds it whole, resized.
    found = input.cut(split.examples()) if split.read is None else []
    names = [split.names[number] for number in found]
    warn_cut(input, names, len(split), f"{split.name} ", console)
    return names


def warn_cut(input: Input, found: Sequence[str], count: int, of: str, console: Console) -> None:
    """Name the examples of which a model does not see all.

    Args:
        input: Of the model.
        found: Their names.
        count: How many examples there are.
        of: The split, followed by a space, or nothing.
        console: Is warned.
    """
    if found:
        shown = ", ".join(found[:MOST_CUT]) + (" and so on" if len(found) > MOST_CUT else "")
        (length,) = (value for name, value in input.settings().items() if "length" in name)
        console.warn(
            f"{len(found)} of {count} {of}{input.many} are longer than {length} tokens, and what "
            f"is behind is not read: {shown}"
        )


def warn_set_aside(data: Data, console: Console) -> None:
    """Name the first examples that could not be used, each with its reason."""
    for one in data.set_aside[:MOST_NAMED]:
        console.warn(f"set aside {one.name}: {one.reason}")
