"""Each example goes through the trunk once, and what it gave is found again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kfine.console import Console, Counter
from kfine.data.cache import cache_entries
from kfine.data.lengths import Lengths
from kfine.data.row_cache import row_identities
from kfine.models.groups import layer_groups

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module", autouse=True)
def imports() -> None:
    """What the tests here need of Keras, imported with the first of them."""
    global CannotCut, Cut, cut_model, features_below, keras, open_rows_of, predict_rows
    global request_for, trunk_key, worthwhile_cut
    global BLOCK, NoRoom, Request, Trunk, fill, float16_is_enough

    import keras

    from kfine.models.cutting import CannotCut, Cut, cut_model
    from kfine.models.forward import predict_rows
    from kfine.training.frozen import features_below, open_rows_of, request_for, worthwhile_cut
    from kfine.training.trunk_key import trunk_key
    from kfine.training.trunk_pass import BLOCK, NoRoom, Request, Trunk, fill, float16_is_enough


QUIET = Console(quiet=True)
ROWS = np.random.default_rng(0).normal(size=(70, 5)).astype("float32")


@pytest.fixture(scope="module")
def model() -> Any:
    """Four dense layers, so three places to cut."""
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(size, name=f"dense{size}") for size in (6, 4, 3, 2)]
    return keras.Sequential([keras.Input((5,)), *layers])


def cut_of(model: Any, depth: int = 0) -> Cut:
    return cut_model(model, layer_groups(model), depth)


def trunk_of(model: Any, depth: int = 0, precision: str = "float32") -> Trunk:
    cut = cut_of(model, depth)
    return Trunk(cut, trunk_key(cut, {}), precision, {"cut": cut.name})


def features_of(trunk: Trunk, request: Request) -> np.ndarray:
    found: np.ndarray = open_rows_of(trunk, request, 10**6, QUIET)[np.arange(len(request.rows))]
    return found


def test_what_is_cached_is_what_the_trunk_gives(fresh_cache: Path, model: Any) -> None:
    trunk, request = trunk_of(model), request_for(ROWS, lambda rows: rows * 2)
    assert fill([trunk], [request], "features", QUIET) is not None
    found = features_of(trunk, request)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, trunk.cut.trunk(ROWS * 2), rtol=1e-5, atol=1e-6)
    assert not fresh_cache.parent.joinpath("other").exists()
    assert [entry.rows for entry in cache_entries()] == [70]


def test_the_size_and_the_time_are_announced_once_and_a_second_pass_is_not_spent(
    fresh_cache: Path, model: Any, listening: Any
) -> None:
    request = request_for(ROWS, None)
    fill([trunk_of(model)], [request], "features before dense2", listening)
    (line,) = listening.lines
    assert line.startswith("features before dense2: 840 B in float32, ")
    assert line.endswith(" s to compute once")
    again = trunk_of(model)
    assert fill([again], [request], "features", listening) is None
    assert len(listening.lines) == 1
    assert all(again.holds(identity) for identity in request.identities)


def test_one_changed_value_misses_and_only_its_block_is_computed(
    fresh_cache: Path, model: Any, listening: Any
) -> None:
    before = request_for(ROWS, None)
    fill([trunk_of(model)], [before], "features", QUIET)
    changed = ROWS.copy()
    changed[40, 3] = np.nextafter(changed[40, 3], 9, dtype=np.float32)
    request, trunk = request_for(changed, None), trunk_of(model)
    missing = [row for row, one in enumerate(request.identities) if not trunk.holds(one)]
    assert missing == [40]
    fill([trunk], [request], "features", listening)
    (line,) = listening.passes
    assert line.startswith(f"features: {BLOCK * 3 * 4} B")
    assert trunk.cache is not None and len(trunk.cache) == 71


def test_other_preprocessing_finds_nothing(fresh_cache: Path, model: Any) -> None:
    cut = cut_of(model)
    request = request_for(ROWS, None)
    for number, inputs in enumerate(({"scale": 1.0}, {"scale": 2.0}), start=1):
        trunk = Trunk(cut, trunk_key(cut, inputs), "float32")
        assert not any(trunk.holds(identity) for identity in request.identities)
        fill([trunk], [request], "features", QUIET)
        assert len(cache_entries()) == number


def test_examples_that_are_the_same_are_kept_once(fresh_cache: Path, model: Any) -> None:
    rows = np.concatenate([ROWS[:3], ROWS[:3]])
    trunk, request = trunk_of(model), request_for(rows, None)
    fill([trunk], [request, request_for(ROWS[1:5], None)], "features", QUIET)
    assert trunk.cache is not None and len(trunk.cache) == 5
    np.testing.assert_array_equal(*np.split(features_of(trunk, request), 2))


def test_one_pass_fills_the_caches_of_several_cuts(
    fresh_cache: Path, model: Any, listening: Any
) -> None:
    trunks = [trunk_of(model, depth) for depth in range(3)]
    requests = [request_for(ROWS, None), request_for(-ROWS[:9], None)]
    fill(trunks, requests, "features", listening)
    assert len(listening.passes) == 1
    for trunk in trunks:
        assert trunk.cache is not None and len(trunk.cache) == 79
        np.testing.assert_allclose(
            features_of(trunk, requests[1]), trunk.cut.trunk(-ROWS[:9]), rtol=1e-4, atol=1e-6
        )


class Stopping(Console):
    """Interrupts a pass after a number of blocks."""

    def __init__(self, blocks: int) -> None:
        super().__init__(quiet=True)
        self.left = blocks

    def count(self, what: str) -> Counter:
        console = self

        class Counting(Counter):
            def __call__(self, done: int, total: int) -> None:
                console.left -= 1
                if console.left == 0:
                    raise KeyboardInterrupt

        return Counting(self, what)


def test_an_interrupted_pass_goes_on_where_it_stopped(
    fresh_cache: Path, model: Any, listening: Any
) -> None:
    request = request_for(ROWS, None)
    with pytest.raises(KeyboardInterrupt):
        fill([trunk_of(model)], [request], "features", Stopping(2))
    trunk = trunk_of(model)
    assert trunk.cache is not None and len(trunk.cache) == 2 * BLOCK
    fill([trunk], [request], "features", listening)
    assert listening.passes[0].startswith(f"features: {(70 - 2 * BLOCK) * 12} B")
    other = fresh_cache.parent / "undisturbed"
    found = features_of(trunk, request)
    shutil.move(fresh_cache, other)
    undisturbed = trunk_of(model)
    fill([undisturbed], [request], "features", QUIET)
    np.testing.assert_array_equal(found, features_of(undisturbed, request))


def test_a_truncated_file_is_noticed_and_computed_again(
    fresh_cache: Path, model: Any, listening: Any
) -> None:
    request = request_for(ROWS, None)
    trunk = trunk_of(model)
    fill([trunk], [request], "features", QUIET)
    before = features_of(trunk, request)
    (file,) = fresh_cache.glob("*/segment-*/0.bin")
    file.write_bytes(file.read_bytes()[:-7])
    again = trunk_of(model)
    assert again.cache is not None and again.cache.damaged == 1
    fill([again], [request], "features", listening)
    assert len(listening.passes) == 1
    np.testing.assert_array_equal(features_of(again, request), before)


def test_a_flipped_byte_is_noticed_and_computed_again(
    fresh_cache: Path, model: Any, listening: Any
) -> None:
    request, trunk = request_for(ROWS, None), trunk_of(model)
    fill([trunk], [request], "features", QUIET)
    before = features_of(trunk, request)
    (file,) = fresh_cache.glob("*/segment-*/0.bin")
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)
    again = trunk_of(model)
    assert fill([again], [request], "features", listening) is None
    rows = open_rows_of(again, request, 10**6, listening)
    np.testing.assert_array_equal(rows[np.arange(70)], before)
    assert len(listening.about("a damaged part of the cache")) == 1
    assert len(listening.passes) == 1


def test_features_that_are_too_large_for_the_limit_are_refused_with_both_sizes(
    fresh_cache: Path, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KFINE_CACHE_LIMIT", "1e-7")
    with pytest.raises(NoRoom, match=r"840 B of features do not fit .*KFINE_CACHE_LIMIT"):
        fill([trunk_of(model)], [request_for(ROWS, None)], "features", QUIET)
    assert not list(fresh_cache.glob("*/segment-*"))


def test_a_cache_that_cannot_be_made_is_no_reason_to_stop(
    tmp_path: Path, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("KFINE_CACHE", str(tmp_path / "file"))
    with pytest.raises(NoRoom, match=r"Cannot write .*/file: File exists; set KFINE_CACHE"):
        fill([trunk_of(model)], [request_for(ROWS, None)], "features", QUIET)


def test_a_full_cache_that_cannot_be_written_is_read(fresh_cache: Path, model: Any) -> None:
    request = request_for(ROWS, None)
    fill([trunk_of(model)], [request], "features", QUIET)
    (about,) = fresh_cache.glob("*/about.json")
    about.unlink()
    about.mkdir()  # root may write everywhere, but not a file over a folder
    trunk = trunk_of(model)
    assert fill([trunk], [request], "features", QUIET) is None
    assert features_of(trunk, request).shape == (70, 3)


def test_float16_is_enough_for_activations_and_not_for_what_it_cannot_hold() -> None:
    assert float16_is_enough([ROWS, np.full((2, 3), 10**9)]), "integers stay integers"
    assert float16_is_enough([np.zeros((2, 3), np.float32)])
    one_outlier = ROWS.copy()
    one_outlier[41, 2] = 70_000
    assert not float16_is_enough([ROWS, one_outlier])
    assert not float16_is_enough([ROWS * 1e6])
    too_small = ROWS.copy()
    too_small[7] *= 1e-8
    assert not float16_is_enough([too_small])
    assert not float16_is_enough([np.array([[1.0], [np.nan]])])


def scaled_rows(factor: float, row: int) -> np.ndarray:
    rows = ROWS.copy()
    rows[row] *= factor
    return rows


def test_float16_is_chosen_where_it_is_enough(fresh_cache: Path, model: Any) -> None:
    trunk, request = trunk_of(model, precision="auto"), request_for(ROWS, None)
    fill([trunk], [request], "features", QUIET)
    assert trunk.floats == "float16"
    found = features_of(trunk, request)
    assert found.dtype == np.float16
    np.testing.assert_allclose(found, trunk.cut.trunk(ROWS), rtol=1e-2, atol=1e-3)
    assert trunk_of(model, precision="auto").floats == "float16"


@pytest.mark.parametrize("row", [3, 69], ids=["in the first block", "in the last block"])
def test_one_outlier_row_takes_the_whole_pass_over_to_float32(
    fresh_cache: Path, model: Any, listening: Any, row: int
) -> None:
    rows = scaled_rows(1e7, row)
    trunk, request = trunk_of(model, precision="auto"), request_for(rows, None)
    fill([trunk], [request], "features", listening)
    assert trunk.floats == "float32"
    np.testing.assert_allclose(
        features_of(trunk, request), trunk.cut.trunk(rows), rtol=1e-4, atol=1e-6
    )
    assert "in float32" in listening.passes[-1]
    assert [entry.path.name.split("-")[-1] for entry in cache_entries()] == ["float32"]


def test_a_later_run_does_not_take_what_was_forced_into_float16(
    fresh_cache: Path, model: Any, listening: Any
) -> None:
    request = request_for(scaled_rows(1e7, 69), None)
    forced = trunk_of(model, precision="float16")
    fill([forced], [request], "features", listening)
    assert forced.floats == "float16"
    assert len(listening.about("float16 is too coarse")) == 1
    trunk = trunk_of(model, precision="auto")
    fill([trunk], [request], "features", QUIET)
    assert trunk.floats == "float32"


def jitter(rows: Any, targets: Any, seed: Any) -> tuple[Any, Any]:
    import tensorflow as tf

    return rows + tf.random.stateless_uniform(tf.shape(rows), seed), targets


def views_of(rows: np.ndarray, count: int) -> Request:
    """A request for augmented views, as `kfine.training.features` makes it."""
    identities = row_identities([rows])
    names = [f"{one}-{view}" for view in range(count) for one in identities]
    seeds = [(int(name[:6], 16), int(name.split("-")[1])) for name in names]
    numbers = np.tile(np.arange(len(rows)), count)
    return Request(rows, numbers, names, None, jitter, np.array(seeds, np.int32))


def test_a_view_depends_neither_on_its_neighbours_nor_on_what_is_cached(
    fresh_cache: Path, model: Any
) -> None:
    trunk = trunk_of(model)
    fill([trunk], [views_of(ROWS, 2)], "features", QUIET)
    both = features_of(trunk, views_of(ROWS, 2))
    assert not np.allclose(both[:70], both[70:])
    shutil.rmtree(fresh_cache)
    again, some = trunk_of(model), ROWS[50:20:-1].copy()
    fill([again], [views_of(ROWS[:5], 1)], "features", QUIET)
    fill([again], [views_of(some, 3)], "features", QUIET)
    found = features_of(again, views_of(some, 3))
    np.testing.assert_allclose(found[:30], both[50:20:-1], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[30:60], both[120:90:-1], rtol=1e-5, atol=1e-6)


@pytest.fixture
def tokens() -> dict[str, np.ndarray]:
    random = np.random.default_rng(1)
    return {
        "padding_mask": (np.arange(8) < random.integers(2, 9, (40, 1))).astype("int32"),
        "token_ids": random.integers(1, 20, (40, 8)).astype("int32"),
    }


@pytest.fixture(scope="module")
def masked() -> Iterator[Any]:
    """A model of two inputs, one of which crosses the cut."""
    ids, mask = keras.Input((None,), name="token_ids", dtype="int32"), None
    mask = keras.Input((None,), name="padding_mask", dtype="int32")
    low = keras.layers.Embedding(20, 4, name="low")(ids)
    below = keras.layers.Dense(4, name="below")(low)
    middle = keras.layers.Dense(4, name="middle")(below)
    pooled = keras.layers.GlobalAveragePooling1D()(middle, mask=keras.ops.cast(mask, "bool"))
    model = keras.Model(
        {"token_ids": ids, "padding_mask": mask}, keras.layers.Dense(2, name="last")(pooled)
    )
    yield model


def test_features_of_several_tensors_come_back_in_the_structure_of_the_suffix(
    fresh_cache: Path, masked: Any, tokens: dict[str, np.ndarray]
) -> None:
    found = features_below(
        masked,
        layer_groups(masked),
        1,
        [request_for(tokens, None)],
        input={},
        precision="auto",
        memory_budget=0,
        console=QUIET,
    )
    suffix, ((rows, lengths),) = found
    assert lengths is None
    features = keras.tree.map_structure(lambda one: one[np.arange(40)], rows)
    kinds = sorted(str(one.dtype) for one in keras.tree.flatten(features))
    assert kinds == ["bool", "float16"], "the mask crosses as the boolean that it becomes"
    features = keras.tree.map_structure(keras.ops.convert_to_tensor, features)
    np.testing.assert_allclose(suffix(features), masked(tokens), atol=1e-3)


def test_padded_rows_go_through_the_trunk_trimmed_and_come_back_whole(
    fresh_cache: Path, masked: Any, tokens: dict[str, np.ndarray]
) -> None:
    tokens = {name: np.pad(rows, [(0, 0), (0, 24)]) for name, rows in tokens.items()}
    tokens["padding_mask"][3, :20] = 1
    lengths = Lengths(tokens["padding_mask"].sum(1), (True, True))
    seen: list[int] = []
    request = request_for(tokens, None, lengths)
    for batch in request.batches(request.blocks()):
        seen.append(batch["token_ids"].shape[1])
    assert seen == [8, 24], "the long row is in the last block"

    found = features_below(
        masked,
        layer_groups(masked),
        1,
        [request],
        input={},
        precision="float32",
        memory_budget=0,
        console=QUIET,
    )
    suffix, ((rows, kept),) = found
    assert kept is not None and all(kept.sequences)
    assert all(one.shape[1] == 32 for one in keras.tree.flatten(rows))
    np.testing.assert_allclose(
        predict_rows(suffix, rows, None, 7, kept), masked.predict(tokens, verbose=0), atol=1e-5
    )


def test_looked_up_embeddings_are_not_kept(masked: Any) -> None:
    groups = layer_groups(masked)
    assert [group.name for group in groups] == ["low", "below", "middle", "head"]
    with pytest.raises(CannotCut, match="only look up embeddings"):
        worthwhile_cut(masked, groups, 2)
    assert worthwhile_cut(masked, groups, 1).name == "middle"


def test_without_a_trunk_or_room_there_are_no_features(
    fresh_cache: Path, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(depth: int) -> Any:
        return features_below(
            model,
            layer_groups(model),
            depth,
            [request_for(ROWS, None)],
            input={},
            precision="auto",
            memory_budget=0,
            console=QUIET,
        )

    with pytest.raises(CannotCut, match="every layer group trains"):
        found(3)
    monkeypatch.setenv("KFINE_CACHE_LIMIT", "1e-7")
    with pytest.raises(NoRoom):
        found(0)


def test_a_request_is_cut_into_the_same_blocks_whatever_is_cached() -> None:
    blocks = request_for(ROWS, None).blocks()
    assert [len(block) for block in blocks] == [BLOCK, BLOCK, 70 - 2 * BLOCK]


def test_a_widened_cache_leaves_nothing_in_float16(fresh_cache: Path, model: Any) -> None:
    trunk = trunk_of(model, precision="auto")
    fill([trunk], [request_for(ROWS, None)], "features", QUIET)
    trunk.widen()
    assert (trunk.floats, len(trunk.cache or ())) == ("float32", 0)
    assert not list(fresh_cache.glob("*-float16"))
