"""What is declared for installation is what there is."""

from __future__ import annotations

import configparser
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def read_setup_cfg() -> configparser.ConfigParser:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    return setup


def packages_there_are() -> set[str]:
    folders = {init.parent.relative_to(ROOT) for init in (ROOT / "kfine").rglob("__init__.py")}
    return {".".join(folder.parts) for folder in folders} | {"kfine.recipes"}


def test_every_package_is_listed_and_every_listed_package_exists() -> None:
    listed = read_setup_cfg()["options"]["packages"].split()
    assert len(listed) == len(set(listed))
    assert set(listed) == packages_there_are()


def test_every_folder_with_modules_is_a_package() -> None:
    folders = {module.parent for module in (ROOT / "kfine").rglob("*.py")} | {ROOT / "recipes"}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_package_data_patterns_match_files() -> None:
    for package, patterns in read_setup_cfg()["options.package_data"].items():
        for pattern in patterns.split():
            assert list(ROOT.joinpath(*package.split(".")).glob(pattern)), (package, pattern)


def test_every_fragment_of_a_program_is_installed() -> None:
    installed = {
        file
        for package, patterns in read_setup_cfg()["options.package_data"].items()
        for pattern in patterns.split()
        for file in ROOT.joinpath(*package.split(".")).glob(pattern)
    }
    fragments = set((ROOT / "kfine").rglob("*.txt"))
    assert len(fragments) > 20 and fragments <= installed


def test_tools_check_the_oldest_python_that_is_supported() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    oldest = settings["project"]["requires-python"].removeprefix(">=").split(",")[0]
    assert settings["tool"]["mypy"]["python_version"] == oldest
    assert settings["tool"]["ruff"]["target-version"] == "py" + oldest.replace(".", "")
