"""`doctor`: what is in a data set and what may be wrong with it, before training and after."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kfine.config import make_config
from kfine.console import Console
from kfine.data.clean_list import clean_list_text
from kfine.data.labelled import Data
from kfine.errors import ConfigError, DataError, PresetError, RunError
from kfine.examination.findings import Finding, Pool
from kfine.examination.look import nothing, with_features, without_features
from kfine.examination.sentences import classes, grouped, sentences
from kfine.recipe import Recipe, load_recipe, recipe_name
from kfine.runs.folder import Folder, open_run, removed_on_failure
from kfine.training.data import read_again, read_data
from kfine.verbs.files import is_run
from kfine.verbs.folds import KIND, OUT_OF_FOLD, SETTINGS
from kfine.verbs.guess import guess_recipe
from kfine.verbs.several import RunsFolder


def doctor(
    data: str | Path,
    *,
    recipe: str | Path | None = None,
    config: str | Path | None = None,
    output: str | Path | None = None,
    console: Console | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Look through a data set, and change nothing.

    Without a recipe it needs no model: splits and classes, sizes, files that cannot be used, equal
    and nearly equal examples within and across splits, labels that look alike, names that splits
    share. With one, or of a run, the frozen features of its preset tell more: labels that are
    probably wrong, classes that are taken for each other, outliers, groups of examples that do
    badly, and whether a held-out split looks like training.

    Writes `doctor.html`, `doctor.json`, and `clean.csv`: a list of examples with a suggestion each,
    to be edited and given to the settings `exclude` and `relabel` of a fit.

    Args:
        data: A source, as the setting `data` of a recipe; or a run, whose recipe, settings and
            splits are used; or a cross-validation, whose models judge the labels then.
        recipe: Name of a recipe, or path of a recipe file. Without, the files of the source say how
            it is read.
        config: YAML file with settings of the recipe; keyword arguments win over it.
        output: A new folder; `runs/doctor-NAME-DATE-TIME` if omitted.
        console: Hears of the progress; standard error if omitted.
        **settings: Fields of the recipe's `Config` that say how data is read.

    Returns:
        What `doctor.json` holds: `folder`; `data`, the summary of a run's `data.json`; `classes`,
        name -> count in each split; `ranges`, measure -> split -> least, middle and largest;
        `findings`, kind -> count; `examples`, each finding; `sentences`, what matters most;
        `left_out`, what was not looked for; with features also `right`, the share of linear models'
        out-of-fold predictions that is right, `confused`, `weak` and `differences`.

    Raises:
        KfineError: The data, the recipe, the settings or the folder cannot be used.

    Example:

    ```python
    found = kfine.doctor("flowers", recipe="image_classification")
    run = kfine.fit("image_classification", data="flowers", exclude=f"{found['folder']}/clean.csv")
    ```
    """
    console = console or Console()
    start = time.monotonic()
    patient = _patient(str(data), recipe, config, settings, console)
    folder = Folder(_new_folder(output, Path(str(patient.config.data)).name or "data"))
    with removed_on_failure(folder):
        return _examined(patient, folder, start, console)


def _examined(patient: _Patient, folder: Folder, start: float, console: Console) -> dict[str, Any]:
    """Look, write what was found, and return it."""
    summary = patient.data.summary()
    pool = Pool(patient.data)
    findings, left_out, together, ranged = without_features(patient.data, pool, console)
    deep = nothing()
    if patient.deep:
        more, deep, why_not = with_features(
            patient.module,
            patient.config,
            patient.data,
            pool,
            together,
            patient.known,
            console,
        )
        findings += more
        left_out += why_not
    else:
        left_out.append(
            "labels that are probably wrong, outliers, and whether splits look alike: "
            f"that needs frozen features (--recipe {recipe_name(patient.module)})"
        )
    by_kind = grouped(findings)
    found = {
        "source": summary["source"],
        "recipe": recipe_name(patient.module),
        "folder": str(folder.path),
        "data": summary,
        "classes": classes(summary),
        "ranges": ranged,
        "findings": {kind: len(several) for kind, several in by_kind.items()},
        "sentences": sentences(patient.data, summary, by_kind, deep),
        "left_out": left_out,
        **deep,
        "examples": [asdict(one) for several in by_kind.values() for one in several],
        "seconds": round(time.monotonic() - start, 1),
    }
    _write(folder, found, by_kind, patient.data, pool)
    return found


@dataclass(frozen=True)
class _Patient:
    """What is looked through.

    Attributes:
        deep: Whether frozen features are wanted.
        known: Probabilities by name, of a cross-validation.
    """

    module: Recipe
    config: Any
    data: Data
    deep: bool
    known: Mapping[str, Sequence[float]] = field(default_factory=dict)


def _patient(
    data: str,
    recipe: str | Path | None,
    config: str | Path | None,
    settings: Mapping[str, Any],
    console: Console,
) -> _Patient:
    if is_run(Path(data)):
        if recipe or config or settings:
            raise ConfigError("doctor takes no recipe and no settings for a run: it has its own.")
        return _Patient(*read_again(open_run(data), console), True)
    named = recipe is not None
    if (Path(data) / SETTINGS).is_file():
        if recipe or config or settings:
            raise ConfigError("doctor takes no recipe and no settings for folds: they have theirs.")
        return _of_folds(RunsFolder(Path(data).resolve(), KIND), console)
    name = recipe or guess_recipe(data)
    module = load_recipe(name)
    asked = make_config(module.Config, {**settings, "data": data}, config)
    try:
        resolved = module.resolve(asked)
    except PresetError as error:
        if recipe:
            console.warn(f"without frozen features: {error}")
        resolved, recipe = asked, None  # data is read alike for all presets
    try:
        loaded = read_data(module, resolved, console)
    except DataError as error:
        if named:
            raise
        raise DataError(
            f"{error} (read by the recipe {name}; another one can be named with --recipe)"
        ) from None
    return _Patient(module, resolved, loaded, recipe is not None)


def _of_folds(folder: RunsFolder, console: Console) -> _Patient:
    """What a cross-validation was about, with a probability for each example it held out."""
    if not (folder.path / OUT_OF_FOLD).is_file():
        raise RunError(
            f"The cross-validation {folder.path} has not finished; continue it with `kfine fit "
            f"--resume {shlex.quote(str(folder.path))}`."
        )
    rows = folder.read(OUT_OF_FOLD)
    known = {one["name"]: one["probabilities"] for one in rows if "probabilities" in one}
    return _Patient(*read_again(folder, console), True, known)


def _new_folder(output: str | Path | None, name: str) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S")
    path = Path(output) if output is not None else Path("runs") / f"doctor-{name}-{stamp}"
    if path.is_file() or (path.is_dir() and any(path.iterdir())):
        raise RunError(f"{path} is not empty; choose another folder with --output.")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"Cannot write {path}: {error.strerror}; choose another folder with --output."
        ) from None
    return path.resolve()


def _write(
    folder: Folder,
    found: Mapping[str, Any],
    by_kind: Mapping[str, Sequence[Finding]],
    data: Data,
    pool: Pool,
) -> None:
    from markupsafe import Markup

    from kfine.examination.page import page

    places = {pool.place(number): number for number in range(len(pool))}

    def show(split: str, name: str) -> Markup:
        number = places.get((split, name))
        if number is None or data.examiner is None:
            return Markup()
        where, index = pool.at(number)
        # The examiner escapes what it shows.
        return Markup(data.examiner.html(where.inputs[[index]][0], where.records[index]))

    folder.write("doctor.json", found)
    folder.write_text("doctor.html", page(found, by_kind, show))
    rows = [
        {
            "file": one.name,
            "split": one.split,
            "label": one.label,
            "finding": one.kind,
            "suggestion": one.suggestion,
            "new_label": one.new_label,
            "detail": one.detail,
        }
        for several in by_kind.values()
        for one in several
    ]
    folder.write_text("clean.csv", clean_list_text(rows))
