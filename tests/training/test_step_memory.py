"""A step that does not fit into memory is known before it is taken."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kfine
from kfine.child import same_kfine
from kfine.console import Console
from kfine.errors import RunError

pytestmark = pytest.mark.keras
QUIET = Console(quiet=True)


@pytest.fixture(scope="module", autouse=True)
def imports() -> None:
    """What the tests here need of Keras, imported with the first of them."""
    global StepMemory, keras, measure_step, run_stages, step_memory

    import keras

    from kfine.training import step_memory
    from kfine.training.engine import run_stages
    from kfine.training.step_memory import StepMemory, measure_step


@pytest.mark.parametrize(
    ("free", "parts"), [(1000, 1), (90, 1), (89, 2), (50, 2), (49, 3), (20, 8), (19, None)]
)
def test_a_batch_is_parted_no_more_than_it_must_be(free: int, parts: int | None) -> None:
    """Of 8 examples that take 10 bytes each beside 10."""
    step = StepMemory(fixed=10, each=10, batch_size=8)
    assert step.of(1) == 90
    assert step.of(3) == 40
    assert step.parts(free) == parts


WIDE = """
import keras
import numpy as np

from kfine.data.pipeline import Batches
from kfine.models.groups import layer_groups
from kfine.training.engine import Job, compile_job
from kfine.training.settings import TrainingConfig
from kfine.training.step_memory import measure_step
from kfine.training.unfreezing import Stage

given = keras.Input((1,))
wide = keras.layers.Dense(10_000_000, activation="tanh")(given)
model = keras.Model(given, keras.layers.Dense(1)(wide))
groups = layer_groups(model)
ones = np.ones((6, 1), "float32")
job = Job(
    model=model,
    loss="mse",
    metrics=[],
    groups=groups,
    stages=[Stage(0, 0, 1, len(groups) - 1)],
    batches=Batches(ones, ones, 6, 0),
    validation=None,
    config=TrainingConfig(batch_size=6, backbone_rate=1.0, unfreeze="all"),
)
compile_job(job)
found = measure_step(job)
print(found.fixed, found.each, found.batch_size)
"""


@pytest.mark.slow
def test_an_example_takes_what_its_layers_keep() -> None:
    """Ten million numbers, before and behind an activation; gradients of three times as many.

    In a process of its own: TensorFlow keeps the memory of what was trained before.
    """
    said = subprocess.run(
        [sys.executable, "-c", WIDE],
        env={**same_kfine(), "KERAS_BACKEND": "tensorflow"},
        capture_output=True,
        text=True,
        check=True,
    )
    fixed, each, size = map(float, said.stdout.split())
    numbers = 4 * 10_000_000
    assert size == 6
    assert numbers <= each <= 8 * numbers
    assert fixed + each >= 3 * numbers


def test_measuring_a_step_leaves_training_as_it_is(
    make_job: Callable[..., Any], fresh_cache: Path
) -> None:
    found = []
    for measured in (False, True):
        job = make_job(feature_cache="none")
        before = [one.numpy() for one in job.model.variables]
        if measured:
            assert measure_step(job) is not None
            for variable, value in zip(job.model.variables, before, strict=True):
                np.testing.assert_array_equal(variable.numpy(), value, err_msg=variable.path)
        history, _ = run_stages(job, checkpoints=None, console=QUIET)
        found.append(history)
    assert found[0] == found[1]


def test_a_run_keeps_to_the_parts_that_were_chosen_when_it_began(
    tiny_settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listening: Any
) -> None:
    """Where it is resumed there may be more memory, and dropout draws for each part."""
    monkeypatch.setattr(step_memory, "is_small", lambda job: False)
    monkeypatch.setattr(step_memory, "free_memory", lambda: 8 * 10**6)
    monkeypatch.setattr(step_memory, "measure_step", lambda job: StepMemory(0, 10**6, 16))

    class Stop(keras.callbacks.Callback):  # type: ignore[name-defined, misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            raise KeyboardInterrupt

    path = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        kfine.fit(
            "image_classification",
            run_dir=path,
            console=listening,
            callbacks=[Stop()],
            **tiny_settings,
        )
    assert listening.about("a step of 16 examples takes about 16.0 MB of memory, and 8.0 MB are")
    assert listening.about("in 3 parts")
    monkeypatch.setattr(step_memory, "free_memory", lambda: 10**12)
    run = kfine.fit(resume=path, console=QUIET)
    assert run._folder.info()["accumulate"] == 3


@pytest.mark.parametrize(
    ("accumulate", "free", "words"),
    [
        (
            2,
            8 * 10**6,
            "of 8 examples takes about 8.0 MB of memory, and 6.0 MB of 8.0 MB.*set accumulate to 3",
        ),
        (
            None,
            10**6,
            "of 1 example takes about 1.0 MB of memory, and 750.0 kB of 1.0 MB.*smaller preset",
        ),
    ],
)
def test_a_step_that_cannot_fit_is_refused_before_anything_is_written(
    tiny_settings: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    accumulate: int | None,
    free: int,
    words: str,
) -> None:
    monkeypatch.setattr(step_memory, "is_small", lambda job: False)
    monkeypatch.setattr(step_memory, "free_memory", lambda: free)
    monkeypatch.setattr(step_memory, "measure_step", lambda job: StepMemory(0, 10**6, 16))
    with pytest.raises(RunError, match=words):
        kfine.fit(
            "image_classification",
            run_dir=tmp_path / "run",
            console=QUIET,
            **{**tiny_settings, "accumulate": accumulate},
        )
    assert not (tmp_path / "run").exists()
