"""Adapters beside stages, the proof, the cache, checkpoints and the run folder."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kfine
from kfine.adapters.file import NAME, AdapterFile, read_adapter, write_adapter
from kfine.adapters.options import AdapterOptions
from kfine.console import Console
from kfine.data.cache import cache_folder
from kfine.errors import ConfigError, RunError
from kfine.models.groups import is_batch_norm, layer_groups

pytestmark = pytest.mark.keras

quiet = Console(quiet=True)


@pytest.fixture(scope="module", autouse=True)
def imports() -> None:
    """What the tests here need of Keras, imported with the first of them."""
    global adapted_layers, build_job, keras, restore_and_fold, run_stages

    import keras

    from kfine.adapters.attaching import adapted_layers
    from kfine.training.adapting import restore_and_fold
    from kfine.training.engine import run_stages
    from kfine.training.job import build_job


@pytest.fixture
def make_job(tiny_settings: dict[str, Any]) -> Callable[..., Any]:
    """`make_job(**settings)` builds and compiles a job with adapters as `kfine.fit` does."""
    from kfine.training.data import load_data
    from kfine.verbs.fit import prepare

    def make(**settings: Any) -> Any:
        module, config = prepare("image_classification", None, {**tiny_settings, **settings})
        data = load_data(module, config, quiet)
        return build_job(module, config, data, quiet).job

    return make


def values(variables: list[Any]) -> list[np.ndarray]:
    return [one.numpy() for one in variables]


def learned(job: Any) -> list[Any]:
    """The variables of the adapters."""
    return [one for _, a in adapted_layers([job.model]) for one in a.variables.values()]


@pytest.mark.parametrize("method", ["lora", "dora", "ia3", "bitfit", "norms"])
@pytest.mark.parametrize("batch_norm", ["frozen", "train"])
def test_adapters_and_head_move_and_the_base_stays_bit_for_bit(
    make_job: Callable[..., Any], method: str, batch_norm: str
) -> None:
    job = make_job(adapter=method, unfreeze="auto", epochs=2, batch_norm=batch_norm)
    assert [stage.depth for stage in job.stages] == [len(job.groups) - 1]
    own = learned(job)
    head = job.groups[-1].weights
    known = {id(one) for one in (*own, *head)}
    rest = [one for one in job.model.weights if id(one) not in known]
    assert any(is_batch_norm(leaf) for group in job.groups for leaf in group.leaves())
    before, base = values(own), values(rest)
    run_stages(job, checkpoints=None, console=quiet)
    for old, new in zip(base, rest, strict=True):
        np.testing.assert_array_equal(old, new.numpy())
    moved = [not np.array_equal(a, b.numpy()) for a, b in zip(before, own, strict=True)]
    assert np.mean(moved) > 0.9
    trained = {id(one) for one in job.model.optimizer._trainable_variables}
    assert trained == known


def test_stages_say_which_groups_adapters_train(
    make_job: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    job = make_job(adapter="lora", adapter_rank=2, unfreeze="2:1,3:3", epochs=3)
    run_stages(job, checkpoints=None, console=Console())
    said = capsys.readouterr().err
    assert "stage 1 of 3 (epochs 1 to 1): training the head alone" in said
    assert "moved: block2b, block3a, top, head; 3 frozen groups are bit for bit the same" in said
    still = [group for group in job.groups[:3] for _, a in adapted_layers(group.layers)]
    assert still
    for group in job.groups[:-1]:
        for _, adapter in adapted_layers(group.layers):
            assert bool(adapter.second.numpy().any()) == (group not in job.groups[:3])


def test_all_trains_every_adapter_and_nothing_below_the_lowest(
    make_job: Callable[..., Any],
) -> None:
    job = make_job(adapter="lora", adapter_targets="block3a,top", unfreeze="all", epochs=2)
    assert [stage.depth for stage in job.stages] == [2]


def test_groups_near_the_head_train_as_a_whole_beside_adapters(
    make_job: Callable[..., Any],
) -> None:
    job = make_job(adapter="lora", adapter_whole_groups=1, unfreeze="auto", epochs=2)
    top, below = job.groups[-2], job.groups[:-2]
    kernel = next(one for one in top.weights if one.path.endswith("/kernel"))
    start = kernel.numpy()
    others = [one for group in below for one in group.weights if "lora" not in one.path]
    base = values(others)
    run_stages(job, checkpoints=None, console=quiet)
    assert not np.array_equal(kernel.numpy(), start)
    for old, new in zip(base, others, strict=True):
        np.testing.assert_array_equal(old, new.numpy())


def test_the_second_matrix_trains_faster_by_what_lora_plus_says(
    make_job: Callable[..., Any],
) -> None:
    moved = []
    for multiple in (1.0, 4.0):
        job = make_job(
            adapter="lora",
            unfreeze="auto",
            epochs=1,
            batch_size=512,
            adapter_second_rate=multiple,
            weight_decay=0.0,
        )
        assert job.batches.steps == 1
        run_stages(job, checkpoints=None, console=quiet)
        moved.append([a.second.numpy() for _, a in adapted_layers([job.model])])
    ratios = [np.abs(b).max() / np.abs(a).max() for a, b in zip(*moved, strict=True)]
    # The first step of Adam is as long as the rate, whatever the gradient.
    np.testing.assert_allclose(ratios, 4.0, rtol=1e-2)


def test_a_whole_group_trains_at_the_rate_of_a_backbone(make_job: Callable[..., Any]) -> None:
    job = make_job(
        adapter="lora",
        adapter_whole_groups=2,
        backbone_rate=0.04,
        layerwise_decay=0.5,
        epochs=1,
        unfreeze="auto",
        adapter_rate=0.3,
    )
    *below, next_to_it, top, head = job.model.optimizer._factors.numpy()
    assert (next_to_it, top, head) == pytest.approx((0.02, 0.04, 1.0))
    assert below == pytest.approx([0.3] * len(below))


def test_a_schedule_that_reaches_no_adapter_is_refused(make_job: Callable[..., Any]) -> None:
    with pytest.raises(ConfigError, match="No adapter would train: they are in block1a"):
        make_job(adapter="lora", adapter_targets="block1a", unfreeze="1:1", epochs=1)


@pytest.mark.parametrize("method", ["bitfit", "lora"])
def test_nothing_is_left_on_a_backbone_that_serves_the_next_model(
    make_job: Callable[..., Any], method: str
) -> None:
    from kfine.models.pretrained import pretrained_in_memory
    from kfine.training.freezing import has_adapters

    with pretrained_in_memory():
        with pytest.raises(ConfigError, match="99"):
            make_job(adapter=method, unfreeze="1:99", epochs=1)
        job = make_job(unfreeze="all", epochs=1)
        assert not has_adapters(job.groups)
        assert any(one.path.endswith("kernel") for one in job.groups[1].layers[0].trainable_weights)


def test_another_preset_is_refused_before_a_resumed_run_trains(
    text_settings: dict[str, Any], tmp_path: Path
) -> None:
    class Stopping(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            raise KeyboardInterrupt

    settings = {**text_settings, "adapter": "lora", "unfreeze": "auto", "epochs": 2}
    settings |= {"refit": "no"}
    with pytest.raises(KeyboardInterrupt):
        kfine.fit(
            "text_classification",
            run_dir=tmp_path / "run",
            callbacks=[Stopping()],
            console=quiet,
            **settings,
        )
    folder = kfine.Run(tmp_path / "run").folder
    assert len(folder.info()["adapter_base"]) == 64
    folder.update(adapter_base="0" * 64)
    with pytest.raises(RunError, match="are not those that the run began with"):
        kfine.fit(resume=tmp_path / "run", console=quiet)


def test_what_is_below_the_lowest_adapter_runs_once(
    tiny_settings: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KFINE_CACHE", str(tmp_path / "cache"))
    settings = {**tiny_settings, "unfreeze": "auto", "augmentation": "none"}
    run = kfine.fit(
        "image_classification",
        adapter="lora",
        adapter_targets="block3a",
        run_dir=tmp_path / "run",
        console=quiet,
        **settings,
    )
    (decision,) = run.folder.info()["features"]
    assert decision["features"] == "cached"
    assert {one.name for one in (cache_folder() / "features").iterdir()}
    abouts = [kfine_about(one) for one in (cache_folder() / "features").iterdir()]
    assert "block3a" in {one["cut"] for one in abouts}


def kfine_about(folder: Path) -> dict[str, Any]:
    from kfine.data.cache import ABOUT
    from kfine.runs.files import read_json

    found: dict[str, Any] = read_json(folder / ABOUT)
    return found


@pytest.fixture(scope="module")
def lora_run(tiny_text_preset: str, mood_texts: Path, tmp_path_factory: Any) -> Any:
    """A finished run of a text classifier with LoRA."""
    return kfine.fit(
        "text_classification",
        data=str(mood_texts),
        preset=tiny_text_preset,
        adapter="lora",
        adapter_rank=4,
        adapter_dropout=0.1,
        epochs=3,
        refit="no",
        tuned_share=1.0,
        run_dir=tmp_path_factory.mktemp("runs") / "lora",
        console=quiet,
    )


def test_the_file_holds_what_makes_the_model_of_its_base(lora_run: Any) -> None:
    from kfine.recipe import recipe_of_run
    from kfine.training.data import load_data_of_run

    file = read_adapter(lora_run.path / NAME)
    assert file.options.method == "lora" and file.options.rank == 4
    assert file.about["class_names"] == list(lora_run.class_names)
    module, _ = recipe_of_run(lora_run.folder)
    data = load_data_of_run(lora_run.folder, module, lora_run.config, quiet)
    groups = layer_groups(module.build_model(lora_run.config, data).model)
    restore_and_fold(groups, file, "the file")
    for ours, theirs in zip(groups, layer_groups(lora_run.model), strict=True):
        for one, other in zip(ours.weights, theirs.weights, strict=True):
            np.testing.assert_allclose(one.numpy(), other.numpy(), atol=1e-6)
    with pytest.raises(ConfigError, match="goes on the weights that it was trained on"):
        restore_and_fold(groups, file, "the file")


def test_the_file_is_small_and_any_reader_of_safetensors_opens_it(lora_run: Any) -> None:
    from safetensors import safe_open

    with safe_open(lora_run.path / NAME, "numpy") as file:
        names = list(file.keys())
        shapes = {name: tuple(file.get_tensor(name).shape) for name in names}
    assert shapes["0000/transformer_layer_0/attention_output/lora_a"] == (2, 8, 4)
    assert shapes["head/0000"][-1] == 2
    decided = lora_run.folder.info()["decisions"]["adapter"]
    assert decided == "lora of rank 4 on 8 attention and 4 mlp layers, transformer_layer_0 to " + (
        "transformer_layer_1"
    )


def test_a_run_with_adapters_is_a_run_as_any_other(lora_run: Any) -> None:
    assert not adapted_layers([lora_run.model])
    before = lora_run.predict(["a fine warm film", "a dull cold plot"])
    kfine.evaluate(lora_run, console=quiet)
    report = lora_run.export(format="tflite", quantize="none", console=quiet)
    again = kfine.predict(report.path, ["a fine warm film", "a dull cold plot"], console=quiet)
    for ours, theirs in zip(before, again, strict=True):
        assert ours.label == theirs.label
        for one, other in zip(ours.rows, theirs.rows, strict=True):
            assert one["probability"] == pytest.approx(other["probability"], abs=1e-5)


def test_a_checkpoint_holds_adapters_and_head_and_nothing_of_the_base(
    make_job: Callable[..., Any],
) -> None:
    job = make_job(adapter="lora", adapter_rank=2, unfreeze="auto", epochs=1)
    own = {id(one) for one in (*learned(job), *job.groups[-1].weights)}
    assert {id(one) for one in job.changing()} == own


KILLER = """
import json, os, signal, sys
import kfine
from kfine.console import Console

class Killer(Console):
    def say(self, line=""):
        if line.startswith("epoch 2/4: acc"):
            os.kill(os.getpid(), signal.SIGKILL)

kfine.fit("text_classification", console=Killer(quiet=True), **json.loads(sys.argv[1]))
"""


@pytest.mark.slow
def test_a_run_with_adapters_that_was_killed_resumes_to_the_same_weights(
    text_settings: dict[str, Any], tmp_path: Path
) -> None:
    import json

    settings = {**text_settings, "epochs": 4, "unfreeze": "auto", "adapter": "dora"}
    settings |= {"adapter_dropout": 0.2, "refit": "no", "adapter_second_rate": 4.0}
    whole = kfine.fit("text_classification", run_dir=tmp_path / "a", console=quiet, **settings)
    arguments = json.dumps({**settings, "run_dir": str(tmp_path / "b")}, default=str)
    done = subprocess.run(
        [sys.executable, "-c", KILLER, arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    resumed = kfine.fit(resume=tmp_path / "b", console=quiet)
    ours, theirs = read_adapter(whole.path / NAME), read_adapter(resumed.path / NAME)
    for one, other in zip(ours.layers, theirs.layers, strict=True):
        for name in one:
            np.testing.assert_allclose(one[name], other[name], rtol=0, atol=1e-6)
    for mine, its in zip(whole.model.weights, resumed.model.weights, strict=True):
        np.testing.assert_allclose(mine.numpy(), its.numpy(), rtol=0, atol=1e-6)


def test_adapters_of_a_model_that_keras_trains_and_their_merging(tiny_text_preset: str) -> None:
    from kfine.models.text_heads import text_classifier
    from kfine.presets import find_preset

    model = text_classifier(find_preset(tiny_text_preset), 2)
    base = [one.numpy() for group in layer_groups(model)[:-1] for one in group.weights]
    with pytest.raises(ConfigError, match="takes a model with adapters"):
        kfine.merge_adapters(model)
    with pytest.raises(ConfigError, match="no adapter 'lorra'; the nearest is 'lora'"):
        kfine.add_adapters(model, "lorra")
    names = kfine.add_adapters(model, "lora", rank=2, targets="query,value")
    assert names[0] == "transformer_layer_0/value" and len(names) == 4
    with pytest.raises(ConfigError, match="takes a model without adapters"):
        kfine.add_adapters(model, "lora")
    ids = np.random.default_rng(1).integers(0, 26, (16, 12)).astype("int32")
    rows = {"token_ids": ids, "segment_ids": 0 * ids, "padding_mask": np.ones_like(ids)}
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(0.01), loss)
    model.fit(rows, ids[:, 0] % 2, epochs=3, verbose=0)
    predicted = model.predict(rows, verbose=0)
    found = [
        one.numpy()
        for group in layer_groups(model)[:-1]
        for one in group.weights
        if "lora" not in one.path
    ]
    for old, new in zip(base, found, strict=True):
        np.testing.assert_array_equal(old, new)
    kfine.merge_adapters(model)
    np.testing.assert_allclose(model.predict(rows, verbose=0), predicted, atol=1e-5)
    assert len(layer_groups(model)[1].weights) == len(layer_groups(model)[2].weights) == 16
    # Nothing is frozen any more.
    assert len(model.trainable_variables) == len(model.weights)


OWN = """
import kfine
from kfine.recipes import image_classification as base
from kfine.recipes.image_classification import TASK, Config, load_data, resolve

def build_model(config, data):
    built = base.build_model(config, data)
    kfine.add_adapters(built.model, "lora", rank=2)
    return built
"""


def test_adapters_that_a_recipe_adds_by_itself_are_folded_in(
    tiny_settings: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "own.py").write_text(OWN)
    settings = {**tiny_settings, "unfreeze": "all", "epochs": 1}
    run = kfine.fit(tmp_path / "own.py", run_dir=tmp_path / "run", console=quiet, **settings)
    assert not [one for one in run.model.weights if "lora" in one.path]
    assert run.evaluate(console=quiet)["accuracy"] > 0.2


def test_an_adapter_that_cannot_be_read_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="There is no adapter at"):
        read_adapter(tmp_path / NAME)
    (tmp_path / NAME).write_bytes(b"no such thing at all")
    with pytest.raises(RunError, match="cannot be read"):
        read_adapter(tmp_path / NAME)
    from safetensors.numpy import save_file

    save_file({"a": np.zeros(2)}, tmp_path / NAME)
    with pytest.raises(RunError, match="is no adapter of this version"):
        read_adapter(tmp_path / NAME)
    metadata = {"kfine": '{"version": 1, "layers": []}'}
    save_file({"a": np.zeros(2)}, tmp_path / NAME, metadata)
    with pytest.raises(RunError, match="is damaged"):
        read_adapter(tmp_path / NAME)


def test_a_head_of_many_weights_is_read_in_its_order(tmp_path: Path) -> None:
    options = AdapterOptions("bitfit")
    head = [np.full((2,), number, np.float32) for number in range(120)]
    about = {"preset": "tiny", "class_names": []}
    write_adapter(tmp_path / NAME, AdapterFile(options, "0", (), [], head, about))
    assert [int(one[0]) for one in read_adapter(tmp_path / NAME).head] == list(range(120))
