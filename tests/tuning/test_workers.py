"""Workers leave the trials that one process would, also when one of them is killed."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import kfine
from kfine.console import Console
from kfine.errors import ConfigError
from kfine.tuning.chief import read_address

QUIET = Console(quiet=True)


def kill_one_worker(search: Path, killed: list[str]) -> None:
    """SIGKILL for the first worker that has saved an epoch of a trial."""
    until = time.monotonic() + 240
    while time.monotonic() < until and not killed:
        for line in search.glob("trials/*/log.txt"):
            if "epoch 1/" not in line.read_text() or (line.parent / "trial.json").exists():
                continue
            for process in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    words = process.read_bytes().decode(errors="replace").split("\0")
                except OSError:
                    continue
                if str(search) in words and "worker-0" in words:
                    os.kill(int(process.parent.name), signal.SIGKILL)
                    killed.append(line.parent.name)
                    return
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="finds workers in /proc")
def test_two_workers_lose_no_trial_when_one_is_killed(
    finished_search: Path,
    head_settings: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "search"
    killed: list[str] = []
    killer = threading.Thread(target=kill_one_worker, args=(path, killed))
    killer.start()
    search = kfine.tune(
        "image_classification",
        kfine.SearchSettings(
            trials=4,
            oracle="random",
            only=["dropout", "weight_decay"],
            search=["learning_rate=0.02..0.2"],
            workers=2,
            prune=False,
        ),
        run_dir=path,
        console=QUIET,
        **{key: value for key, value in head_settings.items() if key != "learning_rate"},
    )
    killer.join()
    assert killed, "no worker was found in the middle of a trial"
    said = capsys.readouterr()
    assert "worker-0 was killed by SIGKILL; it is started again" in said.err
    assert not said.out
    # The same trials with the same scores as one process found, whoever ran them.
    alone = kfine.Search(finished_search).trials[:4]
    assert [one.trial for one in search.trials] == [one.trial for one in alone]
    for ours, theirs in zip(search.trials, alone, strict=True):
        assert ours.values == theirs.values
        assert ours.curve == pytest.approx(theirs.curve, abs=1e-5)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_a_search_that_does_not_answer_is_one_sentence(
    kfine_command: Callable[..., Any], finished_search: Path
) -> None:
    address = f"127.0.0.1:{free_port()}"
    said = kfine_command("tune", "--join", address, "--resume", finished_search)
    assert said.status == 2
    assert f"No search answers at {address} (Connection refused)" in said.err
    assert len(said.err.splitlines()) == 1
    said = kfine_command("tune", "--join", address)
    assert said.status == 2 and "--join ADDRESS --resume SEARCH" in said.err


@pytest.mark.parametrize("text", ["somewhere", "1.2.3.4", "host:", ":80", "host:99999", "host:x"])
def test_an_address_is_a_host_and_a_port(text: str) -> None:
    with pytest.raises(ConfigError, match="An address is HOST:PORT"):
        read_address(text)


def test_a_port_in_use_is_one_sentence(head_settings: dict[str, Any], tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigError, match=r"Cannot listen on 127\.0\.0\.1"):
            kfine.tune(
                "image_classification",
                kfine.SearchSettings(only=["dropout"], chief=f"127.0.0.1:{taken.getsockname()[1]}"),
                run_dir=tmp_path / "search",
                console=QUIET,
                **head_settings,
            )
