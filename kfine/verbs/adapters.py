"""`adapters`: which there are, and runs of several added together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kfine.adapters.file import NAME, AdapterFile, read_adapter
from kfine.console import Console
from kfine.data.labelled import Data
from kfine.errors import ConfigError, RunError
from kfine.recipe import Recipe
from kfine.runs.folder import RunFolder, list_runs
from kfine.training.run import TrainedRun, as_run
from kfine.verbs.of_runs import as_list, begun_like, check_alike, write_run_of
from kfine.verbs.run import Run
from kfine.verbs.runs import status_of

# Of weights that nearly cancel each other there is no mean of the heads.
_LEAST_SUM = 0.01


def list_adapters(
    folder: str | Path = "runs", *, console: Console | None = None
) -> list[dict[str, Any]]:
    """The adapters of all runs directly below a folder, oldest first, or that of one run.

    Args:
        folder: Of the runs, or a run.
        console: Hears of those that cannot be read; standard error if omitted.

    Returns:
        Of each: `run`, its `status`, `method`, `rank`, `layers` and `weights` (how many), `preset`,
        `base` (the beginning of the hash of its weights), `classes`, and `bytes` of the file.

    Raises:
        RunError: The folder does not exist.
    """
    console = console or Console()
    root = Path(folder)
    if not root.is_dir():
        raise RunError(f"There is no folder {root}; give one that holds runs, or a run.")
    one = (root / "run.json").is_file()
    runs = [root] if one else [root / run.path.name for run in list_runs(root)]
    rows = []
    for path in runs:
        if (path / NAME).is_file():
            try:
                rows.append(_row(path))
            except RunError as error:
                console.warn(str(error))
    return rows


def _row(run: Path) -> dict[str, Any]:
    file = read_adapter(run / NAME)
    return {
        "run": str(run),
        "status": status_of(RunFolder(run)),
        "method": file.options.method,
        "rank": file.options.rank,
        "layers": len(file.paths),
        "weights": file.parameters,
        "preset": Path(file.about["preset"]).name,
        "base": file.base[:12],
        "classes": len(file.about["class_names"]),
        "bytes": (run / NAME).stat().st_size,
    }


def merge_runs(
    runs: Sequence[TrainedRun | str | Path],
    *,
    weights: Sequence[float] | None = None,
    run_dir: str | Path | None = None,
    console: Console | None = None,
) -> Run:
    """Make a run of the adapters of several: what each changed of the base, added with weights.

    The head is the mean of theirs in the same weights. What results is a run as any other, without
    adapters of its own, as fast as one of them.

    Args:
        runs: Finished runs with adapters of one recipe, preset and answer; their data may differ.
            The settings and the data of the new run are those of the first.
        weights: How much each counts; by default 1 divided by their number, and 1 of a single
            run. Weights of 1 add whole changes (task arithmetic, Ilharco et al., 2023,
            https://arxiv.org/abs/2212.04089); below 1 one run goes part of the way.
        run_dir: Where to put the new run; `runs/RECIPE-merged-DATE-TIME` if omitted.
        console: Hears of the progress; standard error if omitted.

    Returns:
        The new run. `run.json` has under `merged` each run with its weight.

    Raises:
        KfineError: The runs do not go together, have not finished or have no adapter, the base is
            not the one that an adapter was trained on, or the data of the first has gone.
    """
    console = console or Console()
    found = [as_run(one) for one in as_list(runs)]
    if not found:
        raise ConfigError("A merged run is made of one run or more. Received: none")
    check_alike(found, "A merged run", splits=False)
    files = [read_adapter(run.path / NAME) for run in found]
    chosen = _weights(weights, len(found))
    with begun_like(found[0], "merged", run_dir, console) as (folder, module, data):
        return _merge(found, files, chosen, module, data, folder, console)


def _weights(weights: Sequence[float] | None, count: int) -> list[float]:
    if weights is None:
        return [1 / count] * count
    try:
        found = [float(one) for one in weights]
    except (TypeError, ValueError):
        found = []
    # The head is divided by their sum.
    large = sum(abs(one) for one in found)
    if len(found) != count or not np.isfinite(large) or not sum(found) > _LEAST_SUM * large:
        raise ConfigError(
            f"weights must be one number for each of {count} runs, above 0 together. "
            f"Received: {weights}"
        )
    return found


def _merge(
    runs: Sequence[TrainedRun],
    files: Sequence[AdapterFile],
    weights: Sequence[float],
    module: Recipe,
    data: Data,
    folder: RunFolder,
    console: Console,
) -> Run:
    with console.timed("loading TensorFlow and the preset"):
        from kfine.backend import load_backend

        load_backend()
        from kfine.seeds import seed_everything

        seed_everything(runs[0].config.seed)
        built = module.build_model(runs[0].config, data)
    from kfine.models.groups import layer_groups
    from kfine.runtimes.keras_model import KerasPredictor
    from kfine.training.adapting import restore_and_fold

    groups = layer_groups(built.model)
    backbone = [one for group in groups[:-1] for one in group.weights]
    head = groups[-1].weights
    base = [one.numpy() for one in backbone]
    changes = [np.zeros(one.shape, np.float64) for one in base]
    heads = [np.zeros(tuple(one.shape), np.float64) for one in head]
    for run, file, weight in zip(runs, files, weights, strict=True):
        _assign(backbone, base)
        restore_and_fold(groups, file, str(run.path))
        for change, start, one in zip(changes, base, backbone, strict=True):
            change += weight * (one.numpy() - start)
        for mean, one in zip(heads, head, strict=True):
            mean += weight / sum(weights) * one.numpy()
    _assign(backbone, [start + change for start, change in zip(base, changes, strict=True)])
    _assign(head, heads)
    predictor = KerasPredictor(built.model, built.input, runs[0].answer, runs[0].config.batch_size)
    refit = next((run.refit for run in runs if run.refit), None)
    # Where one trained on them too, they neither score nor choose.
    held = data.validation if refit is None else None
    score = None
    if held is not None:
        answer = runs[0].answer
        scored = answer.score(predictor.predict_split(held), held.labels)
        score = float(scored.metrics[answer.primary])
    more: dict[str, Any] = {} if refit is None else {"refit": refit, "chosen": _chosen(runs[0])}
    prints = {run.folder.read("data.json")["fingerprint"] for run in runs}
    if len(prints) > 1:
        console.warn(
            f"the runs trained on other data than {runs[0].path} too: scores on its test examples "
            "are too good where that data holds them"
        )
    merged = [
        {"run": str(run.path), "weight": weight, "method": file.options.method}
        for run, file, weight in zip(runs, files, weights, strict=True)
    ]
    return write_run_of(
        folder,
        runs[0],
        runs[0],
        built.model,
        predictor,
        held,
        score,
        console,
        merged=merged,
        **more,
    )


def _chosen(run: TrainedRun) -> dict[str, Any]:
    """What validation chose of the answer of a run, before it trained on it."""
    return dict(run.folder.info().get("chosen") or {})


def _assign(variables: Sequence[Any], values: Sequence[np.ndarray]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value.astype(variable.dtype))
