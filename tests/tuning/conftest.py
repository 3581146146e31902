"""A finished search over the head, which the tests of this folder read and leave as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

HEAD = {"unfreeze": "none", "augmentation": "none", "epochs": 2, "refit": "no"}


@pytest.fixture
def head_settings(tiny_settings: dict[str, Any]) -> dict[str, Any]:
    """Settings of trials that train nothing but the head."""
    return {**tiny_settings, **HEAD}


@pytest.fixture(scope="session")
def finished_search(
    tiny_preset: str, digit_photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Five trials of a random search that keeps the weights of two."""
    import kfine
    from kfine.console import Console

    path = tmp_path_factory.mktemp("searches") / "digits"
    with pytest.MonkeyPatch.context() as patch:
        # Empty, so that what is computed once shows.
        patch.setenv("KFINE_CACHE", str(tmp_path_factory.mktemp("empty-cache")))
        kfine.tune(
            "image_classification",
            kfine.SearchSettings(
                trials=5,
                oracle="random",
                keep=2,
                only=("dropout", "weight_decay"),
                search=["learning_rate=0.02..0.2"],
            ),
            run_dir=path,
            console=Console(quiet=True),
            data=str(digit_photos),
            preset=tiny_preset,
            image_size=32,
            batch_size=16,
            **HEAD,
        )
    return path
