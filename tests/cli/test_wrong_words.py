"""Mistakes at the terminal: one line, exit status 2, and the nearest right word."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FIT = ("fit", "image_classification")
TUNE = ("tune", "image_classification")


@pytest.mark.parametrize(
    ("arguments", "nearest"),
    [
        (("evalute", "x"), "'evaluate'"),
        (("fit", "image_clasification"), "'image_classification'"),
        (("recipes", "copy", "image_clasification", "x.py"), "'image_classification'"),
        (("recipes", "copi"), "'copy'"),
        ((*FIT, "--learnin-rate", "1"), "'--learning-rate'"),
        ((*FIT, "--runn-dir", "x"), "'--run-dir'"),
        ((*FIT, "--augmentation", "lite"), "'light'"),
        ((*FIT, "--epochs", "x"), "--epochs"),
        ((*FIT, "--epochs", "0"), "at least 1"),
        ((*FIT, "more"), "(more)"),
        ((*FIT, "--resume", "runs/x"), "kfine fit --resume RUN"),
        (("fit", "--resum", "runs/x"), "--resume"),
        ((*FIT, "--groups", "patient"), "--folds"),
        (("tune", "image_clasification"), "'image_classification'"),
        ((*TUNE, "--trails", "3"), "'--trials'"),
        ((*TUNE, "--search", "learning_rte=1..2"), "'learning_rate'"),
        ((*TUNE, "--search", "learning_rate=1e-3..1e-5"), "smaller to the larger"),
        ((*TUNE, "--fix", "epohcs=3"), "'epochs'"),
        ((*TUNE, "--time", "soon"), "20m"),
        ((*TUNE, "--max-size", "4 miles"), "such as 4MB or 500kB"),
        ((*TUNE, "--max-latency", "0"), "more than zero"),
        ((*TUNE, "--resume", "runs/x"), "kfine tune --resume SEARCH"),
        (("tune", "--resume", "runs/x"), "does not exist"),
        (("evaluate", "x", "--dta", "y"), "--data"),
        (("evaluate",), "RUN"),
        (("predict", "x"), "EXAMPLE"),
        (("predict", "x", "y", "--unsure-below", "2"), "0<=x<=1"),
        (("export", "x", "--format", "onx"), "'tflite'"),
        (("--versoin",), "--version"),
        (("presets", "image_classifcation"), "'image_classification'"),
    ],
)
def test_a_wrong_word_gets_the_nearest_right_one(
    kfine_command: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    nearest: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    said = kfine_command(*arguments)
    assert said.status == 2
    assert said.err.startswith("error: ")
    assert len(said.err.splitlines()) == 1
    assert nearest in said.err
    assert not said.out
    assert not list(tmp_path.iterdir())


def test_a_setting_in_a_file_is_checked_like_an_option(
    kfine_command: Callable[..., Any], tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("epohcs: 3\n")
    said = kfine_command(*FIT, "--config", file)
    assert (said.status, said.err) == (
        2,
        "error: There is no setting 'epohcs'; the nearest is 'epochs'.\n",
    )
    missing = kfine_command(*FIT, "--config", tmp_path / "nix.yaml")
    assert missing.status == 2
    assert "nix.yaml" in missing.err


def test_our_own_mistakes_keep_their_traceback(
    kfine_command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import kfine.verbs.runs

    def broken(folder: str) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(kfine.verbs.runs, "list_all", broken)
    with pytest.raises(ZeroDivisionError):
        kfine_command("runs", ".")
