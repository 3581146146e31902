"""Recipes by name and by path; a run keeps its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import kfine
from kfine.console import Console
from kfine.errors import ConfigError
from kfine.recipe import copy_recipe, load_recipe, recipe_names, recipe_of_run, source_of
from kfine.runs.folder import RunFolder


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    return copy_recipe("image_classification", tmp_path / "mine.py")


def test_the_folder_is_the_list() -> None:
    assert recipe_names() == [
        "audio_classification",
        "image_class_and_number",
        "image_classification",
        "image_labels",
        "image_regression",
        "image_segmentation",
        "object_detection",
        "question_answering",
        "speech_recognition",
        "text_classification",
        "text_generation",
        "token_classification",
    ]
    for name in recipe_names():
        assert load_recipe(name) is load_recipe(name)


def test_a_copy_is_the_same_text_and_never_overwrites(mine: Path, tmp_path: Path) -> None:
    assert mine.read_text() == source_of(load_recipe("image_classification"))
    mine.write_text("mine")
    with pytest.raises(ConfigError, match="exists already"):
        copy_recipe("image_classification", mine)
    assert mine.read_text() == "mine"
    assert copy_recipe("image_classification", tmp_path).name == "image_classification.py"
    with pytest.raises(ConfigError, match=r"ends in \.py"):
        copy_recipe("image_classification", tmp_path / "mine.txt")
    with pytest.raises(ConfigError, match="Cannot write"):
        copy_recipe("image_classification", mine / "below.py")


def test_an_edited_recipe_is_loaded_anew(mine: Path) -> None:
    assert load_recipe(mine).Config().class_weights == "auto"
    mine.write_text(mine.read_text().replace('        "auto",', '        "none",'))
    module = load_recipe(mine)
    assert module.Config().class_weights == "none"
    assert source_of(module) == mine.read_text()


@pytest.mark.parametrize(
    ("text", "words"),
    [("x = 1\n", "does not define TASK, Config"), ("x = (\n", "syntax error in line 1")],
)
def test_a_file_that_is_no_recipe_is_refused_each_time(
    tmp_path: Path, text: str, words: str
) -> None:
    (tmp_path / "mine.py").write_text(text)
    for _ in range(2):
        with pytest.raises(ConfigError, match=words):
            load_recipe(tmp_path / "mine.py")


def test_a_run_whose_recipe_changed_or_went_uses_its_own_copy(
    finished_run: Path, mine: Path, tmp_path: Path
) -> None:
    folder = RunFolder(shutil.copytree(finished_run, tmp_path / "run"))
    folder.update(recipe=str(mine))
    assert recipe_of_run(folder)[1] is None
    mine.write_text(mine.read_text().replace('        "auto",', '        "none",'))
    module, note = recipe_of_run(folder)
    assert "changed since this run" in str(note)
    assert "trust" in str(note)
    assert module.Config().class_weights == "auto"
    mine.unlink()
    assert "no longer there" in str(recipe_of_run(folder)[1])
    run = kfine.Run(folder)
    assert run.config.class_weights == "auto"
    said: list[str] = []

    class Listening(Console):
        def warn(self, line: str) -> None:
            said.append(line)

    run.evaluate(console=Listening(quiet=True))
    assert any("no longer there" in line for line in said)
