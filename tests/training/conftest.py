"""A compiled staged fit on real digits with the tiny preset."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kfine.console import Console
from kfine.training.data import load_data
from kfine.training.job import build_job
from kfine.verbs.fit import prepare


@pytest.fixture
def make_job(tiny_settings: dict[str, Any]) -> Callable[..., Any]:
    """`make_job(**settings)` builds and compiles a job as `kfine.fit` does."""

    def make(**settings: Any) -> Any:
        console = Console(quiet=True)
        module, config = prepare("image_classification", None, {**tiny_settings, **settings})
        data = load_data(module, config, console)
        return build_job(module, config, data, console).job

    return make


@pytest.fixture
def fresh_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache; gives the folder in which features will lie."""
    monkeypatch.setenv("KFINE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "features"


class Listening(Console):
    """A console that keeps what it is told."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.lines: list[str] = []

    def say(self, line: str = "") -> None:
        self.lines.append(line)

    def warn(self, line: str) -> None:
        self.lines.append(f"warning: {line}")

    def about(self, words: str) -> list[str]:
        """The lines that hold these words."""
        return [line for line in self.lines if words in line]

    @property
    def passes(self) -> list[str]:
        """What was announced as computed."""
        return self.about("to compute once")


@pytest.fixture
def listening() -> Listening:
    """A console that keeps what it is told: `lines`, `about(words)` and `passes`."""
    return Listening()
