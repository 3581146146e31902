"""A compiled staged fit on real digits with the tiny preset."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kfine.console import Console
from kfine.verbs.fit import build_job, load_data, prepare


@pytest.fixture
def make_job(tiny_settings: dict[str, Any]) -> Callable[..., Any]:
    """`make_job(**settings)` builds and compiles a job as `kfine.fit` does."""

    def make(**settings: Any) -> Any:
        console = Console(quiet=True)
        module, config = prepare("image_classification", None, {**tiny_settings, **settings})
        data = load_data(module, config, console)
        return build_job(module, config, data, console).job

    return make
