"""Run folders: made, opened, locked, listed; files written whole or not at all."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from kfine.errors import RunError
from kfine.runs.files import read_json, whole_file, whole_folder, write_json
from kfine.runs.folder import RunFolder, list_runs, new_run, open_run, removed_on_failure
from kfine.runs.lock import in_use, locked
from kfine.runs.provenance import environment


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "values.json"
    write_json(path, {"a": 1})
    with pytest.raises(RuntimeError, match="killed"), whole_file(path) as temporary:
        temporary.write_text("half of")
        raise RuntimeError("killed")
    assert read_json(path) == {"a": 1}
    assert [one.name for one in path.parent.iterdir()] == ["values.json"]


def test_a_folder_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "epoch-00001"
    with whole_folder(path) as temporary:
        (temporary / "state.json").write_text("1")
    with pytest.raises(RuntimeError, match="killed"), whole_folder(path) as temporary:
        (temporary / "state.json").write_text("2")
        raise RuntimeError("killed")
    assert (path / "state.json").read_text() == "1"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_one_sentence_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "values.json"
    write_json(path, 1)
    with pytest.raises(RunError, match=r"values\.json: No space left.*unchanged"), whole_file(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert read_json(path) == 1


def test_files_may_be_read_by_others(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", 1)
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("text", ["", "{", "\udcff"])
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(RunError, match=r"run\.json cannot be read"):
        RunFolder(tmp_path).info()


@pytest.mark.parametrize("name", ["file/run", "file", "/proc/kfine-run"])
def test_a_folder_that_cannot_be_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("mine")
    with pytest.raises(RunError, match="--run-dir"):
        new_run("image_classification", name)
    assert Path("file").read_text() == "mine"


def test_a_folder_that_holds_something_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match="not empty"):
        new_run("image_classification", tmp_path)
    RunFolder(tmp_path).update(status="running")
    with pytest.raises(RunError, match="--resume"):
        new_run("image_classification", tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_runs_without_a_name_never_share_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = {new_run("image_classification", None).path for _ in range(3)}
    assert len(made) == 3
    assert all(path.parent == tmp_path / "runs" for path in made)


def test_a_run_that_could_not_begin_leaves_no_folder(tmp_path: Path) -> None:
    folder = new_run("image_classification", tmp_path / "run")
    with (
        pytest.raises(RunError, match="no"),
        locked(folder.path),
        removed_on_failure(folder),
    ):
        folder.write("config.json", 1)
        raise RunError("no")
    assert not folder.path.exists()


def test_a_folder_has_one_process(tmp_path: Path) -> None:
    assert not in_use(tmp_path)
    with locked(tmp_path):
        assert in_use(tmp_path)
        with pytest.raises(RunError, match="in use"), locked(tmp_path):
            pass
        assert in_use(tmp_path)
    assert not in_use(tmp_path)


@pytest.mark.parametrize(("name", "words"), [("nix", "does not exist"), (".", "no run folder")])
def test_opening_something_else_says_what_it_is(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(RunError, match=words):
        open_run(tmp_path / name)


def test_runs_are_listed_oldest_first(tmp_path: Path) -> None:
    for name, started in (("a", "2026-01-02"), ("b", "2026-01-01")):
        RunFolder(tmp_path / name).update(status="finished", started=started)
    (tmp_path / "other").mkdir()
    assert [run.path.name for run in list_runs(tmp_path)] == ["b", "a"]


def test_an_unfinished_run_says_how_to_finish_it(tmp_path: Path) -> None:
    RunFolder(tmp_path).update(status="interrupted")
    with pytest.raises(RunError, match="kfine fit --resume"):
        open_run(tmp_path).require_finished()


def test_the_environment_is_recorded() -> None:
    found = environment(7)
    assert found["seed"] == 7
    assert found["packages"]["keras"]
    assert json.loads(json.dumps(found)) == found
