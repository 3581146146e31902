"""`doctor`: what is in a data set and what may be wrong with it, before training and after."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kfine.config import make_config
from kfine.console import Console
from kfine.data.clean_list import clean_list_text
from kfine.data.labelled import Data
from kfine.errors import ConfigError, DataError, PresetError, RunError
from kfine.examination.findings import Finding, Pool, duplicates
from kfine.recipe import Recipe, load_recipe, recipe_name, recipe_of_run
from kfine.runs.folder import Folder, open_run
from kfine.training.data import as_in, read_data
from kfine.verbs.files import is_run
from kfine.verbs.guess import guess_recipe

# One class has so many times as many training examples as another.
_UNEVEN = 3
_FEW = 10
# Area under the ROC curve from which two splits are said to differ.
_DIFFERENT = 0.6
_NAMED = 3


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
            splits are used.
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
    folder = _new_folder(output, Path(str(patient.config.data)).name or "data")
    summary = patient.data.summary()
    pool = Pool(patient.data)
    findings, left_out, together, ranged = _without_features(patient.data, pool, console)
    deep = _nothing()
    if patient.deep:
        more, deep, why_not = _with_features(patient, pool, together, console)
        findings += more
        left_out += why_not
    else:
        left_out.append(
            "labels that are probably wrong, outliers, and whether splits look alike: "
            f"that needs frozen features (--recipe {recipe_name(patient.module)})"
        )
    by_kind = _by_kind(findings)
    found = {
        "source": summary["source"],
        "recipe": recipe_name(patient.module),
        "folder": str(folder),
        "data": summary,
        "classes": _classes(summary),
        "ranges": ranged,
        "findings": {kind: len(several) for kind, several in by_kind.items()},
        "sentences": _sentences(patient.data, summary, by_kind, deep),
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
    """

    module: Recipe
    config: Any
    data: Data
    deep: bool


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
        folder = open_run(data)
        module, note = recipe_of_run(folder)
        if note:
            console.warn(note)
        kept = make_config(module.Config, {}, folder.path / "config.yaml")
        return _Patient(module, kept, read_data(module, kept, console, **as_in(folder)), True)
    named = recipe is not None
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


def _without_features(
    data: Data, pool: Pool, console: Console
) -> tuple[list[Finding], list[str], list[int], dict[str, Any]]:
    """Findings, what was not looked for, which examples are copies of each other, and sizes."""
    from kfine.examination.measures import measure, odd_ones, ranges

    left_out: list[str] = []
    findings = [
        Finding("cannot be used", one.split or "", one.name, "", one.reason)
        for one in data.set_aside
    ]
    measured = measure(data)
    if measured:
        findings += odd_ones(pool, measured)
    first: dict[str, int] = {}
    exact = [
        (first[digest], number, 1.0)
        for number, digest in enumerate(pool.digests)
        if first.setdefault(digest, number) != number
    ]
    near: list[tuple[int, int, float]] = []
    if data.examiner is None:
        left_out.append("examples that are nearly the same, and sizes: only equal ones were found")
    else:
        with console.timed("comparing the examples with each other"):
            pairs, note = data.examiner.alike(pool)
        near = [
            (one.one, one.other, one.similarity)
            for one in pairs
            if pool.digests[one.one] != pool.digests[one.other]
        ]
        left_out += [note] if note else []
    findings += duplicates(pool, exact, "duplicate") + duplicates(pool, near, "near duplicate")
    return findings, left_out, _components(len(pool), [*exact, *near]), ranges(measured)


def _components(count: int, pairs: Sequence[tuple[int, int, float]]) -> list[int]:
    """A number for each example, equal for those that pairs connect."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows, columns = [one for one, _, _ in pairs], [other for _, other, _ in pairs]
    graph = coo_array(([1] * len(pairs), (rows, columns)), shape=(count, count))
    return list(map(int, connected_components(graph, directed=False)[1]))


def _with_features(
    patient: _Patient, pool: Pool, together: list[int], console: Console
) -> tuple[list[Finding], dict[str, Any], list[str]]:
    """Findings, tables, and what was not looked for."""
    import numpy as np

    from kfine.backend import load_backend

    with console.timed("loading TensorFlow and the preset"):
        load_backend()
        from kfine.evaluation.baselines import backbone_features
        from kfine.examination.features import (
            difference_between,
            doubtful_labels,
            out_of_fold,
            outliers,
            weak_groups,
        )

        built = patient.module.build_model(patient.config, patient.data)
    answer, seed = built.answer, patient.config.seed
    deep = _nothing()
    if not answer.probes:
        what = f"what frozen features tell: the answer {answer.kind} has no linear model of them"
        return [], deep, [what]
    reads = _Reads(patient.config, built.input)
    features = np.concatenate(backbone_features(reads, built.model, pool.splits, console))
    with console.timed("fitting linear models of the frozen features"):
        predictions = out_of_fold(answer, features, pool, together, seed)
    findings, left_out = outliers(features, pool), list[str]()
    score = answer.score(predictions, pool.labels)
    deep["right"] = round(float(score.each.mean()), 4)
    if hasattr(answer, "doubts"):
        findings = [*doubtful_labels(answer, predictions, pool), *findings]
        deep["confused"] = answer.confused(predictions, pool.labels)  # type: ignore[attr-defined]
    else:
        left_out.append(f"labels that are probably wrong: the answer {answer.kind} cannot tell")
    deep["weak"] = [
        {**one, "examples": [pool.place(number) for number in one.pop("numbers")]}
        for one in weak_groups(answer, features, predictions, pool, seed)
    ]
    for held in (split.name for split in pool.splits if split.name != "train"):
        apart = difference_between(features, pool, held)
        if apart is None:
            left_out.append(f"whether {held} looks like training: too few examples")
            continue
        apart["telling"] = [pool.place(number) for number in apart["telling"]]
        apart["differs"] = apart["auc"] >= _DIFFERENT and apart["interval"][0] > 0.5
        deep["differences"][held] = apart
    return findings, deep, left_out


def _nothing() -> dict[str, Any]:
    """What frozen features tell, where there are none."""
    return {"confused": [], "weak": [], "differences": {}, "right": None}


@dataclass(frozen=True)
class _Reads:
    config: Any
    input: Any


_ORDER = (
    "cannot be used",
    "duplicate with another label",
    "near duplicate with another label",
    "duplicate in two splits",
    "near duplicate in two splits",
    "label in doubt",
    "duplicate in one split",
    "near duplicate in one split",
    "unlike all others",
    "unlike the others in size",
)


def _by_kind(findings: Sequence[Finding]) -> dict[str, list[Finding]]:
    groups: dict[str, list[Finding]] = defaultdict(list)
    for one in findings:
        groups[one.kind].append(one)
    return {kind: groups[kind] for kind in sorted(groups, key=_ORDER.index)}


def _classes(summary: Mapping[str, Any]) -> dict[str, list[int]]:
    """Name -> count in each split."""
    splits = [one["per_class"] for one in summary["splits"].values()]
    names = list(dict.fromkeys(name for one in splits for name in one))
    return {name: [one.get(name, 0) for one in splits] for name in names}


def _sentences(
    data: Data,
    summary: Mapping[str, Any],
    by_kind: Mapping[str, Sequence[Finding]],
    deep: Mapping[str, Any],
) -> list[str]:
    """What matters most, in words."""
    from kfine.data.shared_names import shared_parts

    found = []
    for kind, several in by_kind.items():
        names = ", ".join(list(dict.fromkeys(one.name for one in several))[:_NAMED])
        found.append(f"{kind}: {len(several)}, such as {names}")
    counts = Counter(summary["splits"].get("train", {}).get("per_class", {}))
    if counts and data.labels is not None and data.labels.classes:
        (most, many), (least, few) = counts.most_common()[0], counts.most_common()[-1]
        if many >= _UNEVEN * max(1, few):
            found.append(f"uneven classes: {many} training examples of {most}, {few} of {least}")
        small = sorted(name for name, count in counts.items() if count < _FEW)
        if small:
            found.append(
                f"fewer than {_FEW} training examples of {', '.join(small)}: too few to divide well"
            )
    found += [one.sentence() for one in shared_parts(data)]
    # Duplicates are told above, example by example.
    found += [line for line in data.warnings if not line.startswith("the same content")]
    for split, one in deep["differences"].items():
        if one["differs"]:
            found.append(
                f"{split} does not look like training: a linear model tells them apart "
                f"(area under the ROC curve {one['auc']:.2f})"
            )
    for group in deep["weak"]:
        found.append(
            f"{group['count']} examples that look alike do badly: {group['right']:.0%} right, "
            f"elsewhere {group['elsewhere']:.0%}"
        )
    return found


def _write(
    folder: Path,
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

    kept = Folder(folder)
    kept.write("doctor.json", found)
    kept.write_text("doctor.html", page(found, by_kind, show))
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
    kept.write_text("clean.csv", clean_list_text(rows))
