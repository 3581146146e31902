"""Batches: order, weights and augmentation follow from (seed, epoch, step) alone."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from kfine.answers.classes.weights import balanced_weights, class_balance
from kfine.data.lengths import Lengths
from kfine.data.pipeline import Batches, evaluation_dataset

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module", autouse=True)
def imports() -> None:
    """What the tests here need of Keras, imported with the first of them."""
    global augmentation_layers, seeded

    from kfine.data.augmentation import augmentation_layers, seeded


def as_is(images: Any) -> Any:
    return images


def make_batches(seed: int = 0, **options: Any) -> Batches:
    rows = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1) * np.ones((1, 8, 8, 3), np.uint8)
    targets = np.arange(10, dtype=np.float32)[:, None]
    return Batches(rows * 20, targets, batch_size=4, seed=seed, prepare=as_is, **options)


def epoch_of(batches: Batches, epoch: int) -> list[tuple[np.ndarray, ...]]:
    batches.epoch = epoch
    return [tuple(part.numpy() for part in batch) for batch in batches.dataset()]


def order_of(batches: Batches, epoch: int) -> list[int]:
    return np.concatenate([targets[:, 0] for _, targets in epoch_of(batches, epoch)]).tolist()


def test_an_epoch_holds_every_example_once_in_batches() -> None:
    batches = make_batches()
    assert batches.steps == 3
    found = epoch_of(batches, 0)
    assert [len(targets) for _, targets in found] == [4, 4, 2]
    assert int(batches.dataset().cardinality()) == 3
    for inputs, targets in found:
        assert inputs.dtype == np.float32
        np.testing.assert_array_equal(inputs[:, 0, 0, 0], targets[:, 0] * 20)
    assert sorted(order_of(batches, 0)) == list(range(10))


def test_the_order_differs_per_epoch_and_is_the_same_for_the_same_seed() -> None:
    orders = [order_of(make_batches(), epoch) for epoch in range(4)]
    assert len({tuple(order) for order in orders}) == 4
    assert orders == [order_of(make_batches(), epoch) for epoch in range(4)]
    assert orders[0] != order_of(make_batches(seed=1), 0)
    assert orders[2] == make_batches().order(2).tolist(), "no earlier epoch is needed"


def test_one_dataset_starts_the_current_epoch_at_each_iteration() -> None:
    batches = make_batches()
    dataset = batches.dataset()
    for epoch in (0, 1, 0):
        batches.epoch = epoch
        found = np.concatenate([targets[:, 0] for _, targets in dataset]).tolist()
        assert found == batches.order(epoch).tolist()


def test_augmented_batches_are_a_function_of_seed_epoch_and_step() -> None:
    def augmented(seed: int) -> Batches:
        layers = augmentation_layers("strong", flip="both")
        batches = make_batches(seed, augment=seeded(layers))
        batches.inputs = np.random.default_rng(0).integers(0, 256, (10, 8, 8, 3), np.uint8)
        return batches

    first = epoch_of(augmented(0), 3)
    again = augmented(0)
    epoch_of(again, 1)
    for (one, _), (other, _) in zip(first, epoch_of(again, 3), strict=True):
        np.testing.assert_array_equal(one, other)
    for other_run in (epoch_of(again, 4), epoch_of(augmented(1), 3)):
        assert not np.array_equal(first[0][0], other_run[0][0])


def test_weights_travel_with_their_examples() -> None:
    weights = np.arange(10, dtype=np.float32) / 10
    for _, targets, found in epoch_of(make_batches(sample_weights=weights), 0):
        np.testing.assert_allclose(found, targets[:, 0] / 10)


def test_targets_and_weights_of_several_outputs_stay_together() -> None:
    rows = np.arange(10, dtype=np.float32)
    batches = make_batches(sample_weights={"a": rows / 10, "b": rows / 5})
    batches.targets = {"a": rows[:, None], "b": np.stack([rows, rows], axis=1)}
    assert len(batches) == 10 and batches.steps == 3
    for inputs, targets, weights in epoch_of_dicts(batches):
        np.testing.assert_array_equal(inputs[:, 0, 0, 0], targets["a"][:, 0] * 20)
        np.testing.assert_array_equal(targets["b"][:, 1], targets["a"][:, 0])
        np.testing.assert_allclose(weights["a"], targets["a"][:, 0] / 10)
        np.testing.assert_allclose(weights["b"], targets["b"][:, 0] / 5)


def epoch_of_dicts(batches: Batches) -> list[Any]:
    import tensorflow as tf

    return [tf.nest.map_structure(lambda one: one.numpy(), batch) for batch in batches.dataset()]


def test_targets_are_made_after_the_augmentation_has_moved_them() -> None:
    def moved(rows: Any, targets: Any, seed: Any) -> Any:
        return rows + 1, targets + 100

    batches = make_batches(augment=moved, target=lambda targets: targets * 2)
    for inputs, targets in epoch_of(batches, 0):
        np.testing.assert_array_equal(inputs[:, 0, 0, 0] - 1, (targets[:, 0] / 2 - 100) * 20)


def test_evaluation_keeps_the_stored_order_and_the_pixels() -> None:
    rows = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 3), np.uint8)
    targets = np.arange(5, dtype=np.float32)[:, None]
    batches = list(evaluation_dataset(rows, as_is, 2, targets))
    assert [len(inputs) for inputs, _ in batches] == [2, 2, 1]
    np.testing.assert_array_equal(np.concatenate([inputs for inputs, _ in batches]), rows)
    np.testing.assert_array_equal(np.concatenate([found for _, found in batches]), targets)
    assert next(iter(evaluation_dataset(rows, as_is, 5)))[0].shape == (5, 4, 4, 3)


def test_balanced_weights_make_every_class_count_the_same() -> None:
    labels = ["a"] * 6 + ["b"] * 3 + ["d"]
    weights = balanced_weights(labels)
    sums = np.bincount([0] * 6 + [1] * 3 + [2], weights)
    np.testing.assert_allclose(sums, [10 / 3] * 3)
    assert weights.dtype == np.float32
    assert class_balance(labels, "abcd", "balanced") == (balanced_weights, (), "balanced")
    adjusted = (None, (7 / 14, 4 / 14, 1 / 14, 2 / 14), "adjusted")
    assert class_balance(labels, "abcd", "auto") == adjusted
    assert class_balance(["a", "a", "a", "b"], "ab", "auto") == (None, (), "none")
    assert class_balance(["a", "a", "a", "b"], "ab", "adjusted").shares == (4 / 6, 2 / 6)
    assert class_balance(labels, "abcd", "none") == (None, (), "none")


def make_texts(used: list[int], **options: Any) -> Batches:
    """Rows of 32 positions that begin with their number plus one."""
    ids = np.zeros((len(used), 32), np.int32)
    ids[:, 0] = np.arange(len(used)) + 1
    mask = (np.arange(32) < np.array(used)[:, None]).astype(np.int32)
    targets = np.arange(len(used), dtype=np.float32)[:, None]
    lengths = Lengths(np.array(used), (True, True), **options)
    return Batches({"mask": mask, "ids": ids}, targets, batch_size=4, seed=0, lengths=lengths)


def test_texts_of_similar_length_share_a_batch_that_is_trimmed_to_the_longest() -> None:
    batches = make_texts([3, 30, 4, 29, 5, 28, 6, 27])
    for epoch in range(3):
        batches.epoch = epoch
        found = {}
        for inputs, targets in batches.dataset():
            assert inputs["ids"].shape == inputs["mask"].shape
            assert inputs["ids"].dtype == np.int32
            np.testing.assert_array_equal(inputs["ids"][:, 0] - 1, targets[:, 0])
            found[inputs["ids"].shape[1]] = sorted(targets[:, 0].numpy().tolist())
        assert found == {8: [0, 2, 4, 6], 32: [1, 3, 5, 7]}
    firsts = {batches.batches(epoch)[0].min() for epoch in range(8)}
    assert len(firsts) == 2, "the short batch does not always come first"


def test_targets_with_positions_are_trimmed_too() -> None:
    batches = make_texts([3, 4, 5, 6], targets=(True,))
    batches.targets = np.tile(np.arange(32, dtype=np.float32), (4, 1))
    for dataset in (batches.dataset(), batches.in_order()):
        assert [targets.shape for _, targets in dataset] == [(4, 8)]


def test_few_examples_are_passed_over_until_there_are_enough_steps() -> None:
    batches = make_batches()
    batches.min_steps = 7
    assert (batches.passes, batches.steps) == (3, 9)
    order = order_of(batches, 0)
    passes = [order[start : start + 10] for start in range(0, 30, 10)]
    assert [sorted(one) for one in passes] == [list(range(10))] * 3
    assert passes[0] == order_of(make_batches(), 0) and passes[1] != passes[0]


@pytest.mark.parametrize("make", [Batches.dataset, Batches.in_order])
def test_letting_go_of_a_pipeline_waits_for_no_thread_that_tunes_it(make: Any) -> None:
    """A thread that TensorFlow may forget to wake, for as long as the pipeline was read."""
    assert make(make_batches()).options().autotune.enabled is False


# A process of its own: what TensorFlow sets holds for the rest of the process.
FAULTS = """
import resource
import numpy as np
from kfine.backend import load_backend
load_backend()
from kfine.data.pipeline import Batches
from kfine.training.trunk_pass import Request

rows = np.zeros((8, 4), np.float32)
assert len(list(Batches(rows, rows, batch_size=4, seed=0).dataset())) == 2
request = Request(rows, np.arange(8), list("abcdefgh"), None)
assert len(list(request.batches(request.blocks()))) == 1

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(100):
        np.ones(1 << 20, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
print(faults())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts page faults of glibc")
def test_pipelines_leave_the_process_its_memory_to_use_again() -> None:
    """A pipeline made with `from_generator` costs 25,600 page faults here, 256 a megabyte."""
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 2_000
