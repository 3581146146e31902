"""Help pages: complete, and quick because nothing heavy is imported."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kfine.child import same_kfine
from kfine.config import settings_of
from kfine.recipe import load_recipe, recipe_names

VERBS = (
    "fit",
    "tune",
    "evaluate",
    "predict",
    "export",
    "soup",
    "benchmark",
    "recipes",
    "presets",
    "runs",
)
LIGHT = """
import sys
{code}
heavy = {{"tensorflow", "keras", "keras_hub", "keras_tuner", "sklearn", "matplotlib", "PIL"}}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""


@pytest.mark.parametrize("verb", [(), *((verb,) for verb in VERBS), ("recipes", "copy")])
def test_the_help_of_every_verb_renders(
    kfine_command: Callable[..., Any], verb: tuple[str, ...]
) -> None:
    for flag in ("--help", "-h"):
        said = kfine_command(*verb, flag)
        assert said.status == 0
        assert said.out.startswith(f"Usage: {' '.join(('kfine', *verb))} ")
        assert not said.err
    for name in VERBS if not verb else ():
        assert f"\n  {name} " in said.out


def test_the_help_of_fit_lists_the_recipes(kfine_command: Callable[..., Any]) -> None:
    assert kfine_command("fit").out == kfine_command("fit", "--help").out
    assert all(name in kfine_command("fit").out for name in recipe_names())


def test_the_help_of_a_recipe_shows_every_setting_with_default_and_unit(
    kfine_command: Callable[..., Any],
) -> None:
    said = kfine_command("fit", "image_classification", "--help")
    assert said.status == 0
    words = " ".join(said.out.split())
    place = -1
    settings = settings_of(load_recipe("image_classification").Config)
    for group in dict.fromkeys(one.group for one in settings):
        heading = said.out.index(f"\n{group}:\n")
        assert heading > place, "the groups are in the order of the settings"
        place = heading
        for one in (one for one in settings if one.group == group):
            place = said.out.index(f"\n  {one.option} ", place)
    for one in settings:
        assert " ".join(one.help.split()) in words
        unit = f" {one.unit}" if one.unit not in (None, "fraction") else ""
        default = "chosen automatically" if one.default is None else f"{one.default}{unit}"
        assert f"{one.help} [default: {default}]" in words


@pytest.mark.parametrize(
    "code",
    [
        "import kfine; dir(kfine)",
        "from kfine.cli import cli; cli.main(['--help'], standalone_mode=False)",
        "from kfine.cli import cli; "
        "cli.main(['fit', 'image_classification', '--help'], standalone_mode=False)",
        "import kfine.recipes.image_classification",
        "from kfine.cli import cli; "
        "cli.main(['tune', 'image_classification', '--help'], standalone_mode=False)",
        "import kfine; kfine.fit, kfine.evaluate, kfine.predict, kfine.export, kfine.Run",
        "import kfine; kfine.benchmark; import kfine.cli.benchmark",
        "import kfine; kfine.tune, kfine.Search, kfine.cross_validate",
    ],
)
def test_nothing_heavy_is_imported(code: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIGHT.format(code=code)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_module_runs_like_the_command() -> None:
    command = [sys.executable, "-m", "kfine", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith("kfine, version ")


def _kfine(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kfine", *arguments],
        env={**same_kfine(), **more},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("level", ["1", "2"])
def test_help_is_there_without_docstrings(level: str) -> None:
    arguments = ("fit", "image_classification", "--help")
    plain, optimized = _kfine(*arguments), _kfine(*arguments, PYTHONOPTIMIZE=level)
    assert "--learning-rate" in plain.stdout and "Share of the training examples" in plain.stdout
    assert (optimized.returncode, optimized.stdout) == (0, plain.stdout), optimized.stderr


@pytest.mark.slow
@pytest.mark.parametrize("setting", [{"PYTHONWARNINGS": "error"}, {"PYTHONOPTIMIZE": "2"}], ids=str)
def test_settings_of_python_stop_no_verb(
    finished_run: Path, digit_photos: Path, setting: dict[str, str]
) -> None:
    photo = str(next(digit_photos.rglob("*.png")))
    done = _kfine("predict", str(finished_run), photo, "--json", "--quiet", **setting)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["predictions"]
