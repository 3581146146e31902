"""Whether the best config of a search is really better than the defaults: retrained and tested."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kfine.config import dump_yaml
from kfine.console import Console
from kfine.recipe import Recipe
from kfine.runs.folder import RunFolder
from kfine.runs.lock import locked
from kfine.statistics import paired_comparison, right_or_wrong, surely_above
from kfine.training.data import as_in, load_data, read_data
from kfine.training.job import describe_run
from kfine.training.refit import next_job, plan_refit, train_to_end
from kfine.training.run import TrainedRun
from kfine.tuning.records import SearchFolder


def retrain(
    folder: SearchFolder, module: Recipe, best: Any, default: Any, seeds: int, console: Console
) -> dict[str, Any]:
    """Fit the best config and the defaults with several seeds, and compare them on the test split.

    The splits are those of the search for every seed. The test split is scored here, once, at the
    very end, and by nothing before. The runs lie in `final/` and are resumed where they are there;
    one of another config, of the best trial of then, stays and is passed by.

    Args:
        folder: Of the search.
        module: The recipe.
        best: Config of the best trial.
        default: Config without what the search found.
        seeds: How many fits of each, the seed of the search first.
        console: Hears of the progress.

    Returns:
        What `answer.json` holds: scores by seed, the gain with its interval and p value, and a
        sentence.
    """
    compared = {"best": best} if best == default else {"best": best, "default": default}
    runs: dict[str, list[TrainedRun]] = {name: [] for name in compared}
    for number in range(seeds):
        for name, config in compared.items():
            seeded = replace(config, seed=config.seed + number)
            path = _place(folder.path / "final", f"{name}-seed{seeded.seed}", seeded)
            console.say(f"fitting {path.name}")
            runs[name].append(_fit(folder, module, seeded, path, console))
    right, scores = {}, {}
    for name, found in runs.items():
        right[name], scores[name] = _test(folder, module, found, console)
    answer: dict[str, Any] = {
        "metric": scores["best"].pop("primary"),
        "examples": len(right["best"]),
        "seeds": [run.config.seed for run in runs["best"]],
        "runs": {name: [str(run.path) for run in found] for name, found in runs.items()},
        "best": scores["best"]["values"],
    }
    if "default" in scores:
        answer |= {"default": scores["default"]["values"], **_gain(right)}
    answer["sentence"] = sentence(answer)
    folder.write("answer.json", answer)
    return answer


def _place(root: Path, name: str, config: Any) -> Path:
    """The folder of a run with this very config, begun or not."""
    for number in itertools.count(1):
        path = root / (name if number == 1 else f"{name}-{number}")
        kept = path / "config.yaml"
        if not kept.is_file() or kept.read_text(encoding="utf-8") == dump_yaml(config):
            return path
    raise AssertionError("a count has no end")


def _fit(
    folder: SearchFolder, module: Recipe, config: Any, path: Any, console: Console
) -> TrainedRun:
    run = RunFolder(path)
    if run.model_path.is_file() and run.info()["status"] == "finished":
        return TrainedRun(run)
    path.mkdir(parents=True, exist_ok=True)
    data = load_data(module, config, console, **as_in(folder))
    with locked(path):
        if not (path / "run.json").is_file():
            describe_run(run, module, config, data, refit=plan_refit(config, data))
        prepared = next_job(run, module, config, data, console)
        return train_to_end(run, module, config, data, prepared, console)


def _test(
    folder: SearchFolder, module: Recipe, runs: list[TrainedRun], console: Console
) -> tuple[np.ndarray, dict[str, Any]]:
    """How right each test example is, the mean of the seeds, and the primary metric of each."""
    each, values, primary = [], [], ""
    for run in runs:
        data = read_data(module, run.config, console, **as_in(folder))
        assert data.test is not None
        predictions = run.predictor.predict_split(data.test)
        score, primary = run.answer.score(predictions, data.test.labels), run.answer.primary
        values.append(round(float(score.metrics[primary]), 6))
        each.append(score.each)
    return np.mean(each, axis=0), {"primary": primary, "values": values}


def _gain(each: dict[str, np.ndarray]) -> dict[str, Any]:
    best, default = each["best"], each["default"]
    p_value, low, high = paired_comparison(best, default)
    test = "sign-flip permutation test, one-sided; bootstrap interval over examples"
    if right_or_wrong(best, default):
        test = "exact McNemar test, one-sided; interval by Newcombe's method 10"
    gain = float(best.mean() - default.mean())
    return {"gain": gain, "interval": [low, high], "p_value": p_value, "test": test}


def sentence(answer: dict[str, Any]) -> str:
    """An answer in words."""
    count = len(answer["seeds"])
    fits = "one fit" if count == 1 else f"{count} fits"
    scores = f"{answer['metric']} {_mean(answer['best'])} on {answer['examples']} test examples"
    if "gain" not in answer:
        return f"The defaults are the best config found: {scores} ({fits})."
    low, high = answer["interval"]
    verdict = "the gain may be chance"
    if surely_above(answer["p_value"], answer["interval"]):
        verdict = "the gain is more than chance"
    elif high < 0:
        verdict = "the defaults are better"
    return (
        f"The best config reaches {scores} ({fits} each), the defaults "
        f"{_mean(answer['default'])}: {answer['gain']:+.3f} right ({low:+.3f} to {high:+.3f}, "
        f"p = {answer['p_value']:.2g}): {verdict}."
    )


def _mean(values: list[float]) -> str:
    spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{spread}"
