"""Workers of a search: started, watched, and started again when they die."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kfine.child import module_command, same_kfine
from kfine.console import Console, format_seconds
from kfine.errors import RunError
from kfine.tuning.chief import check_answers, read_address, served, silent, worker_environment
from kfine.tuning.records import TrialRecord
from kfine.tuning.trial import Bench

MOST_RESTARTS = 3
_PAUSE = 0.5


@dataclass
class _Worker:
    """A local process that runs trials.

    Attributes:
        name: The tuner id that it has in KerasTuner.
        command: What starts it.
        environment: Its environment.
        log: What it says.
        process: The process, while it runs.
        restarts: How often it was started again since a trial ended.
    """

    name: str
    command: list[str]
    environment: Mapping[str, str]
    log: Path
    process: Any = field(default=None)
    restarts: int = 0

    def start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, env=dict(self.environment), stdout=log, stderr=log
            )

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()

    def last_words(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1].removeprefix("error: ") if lines else "no message"


def run_with_workers(
    bench: Bench,
    oracle: Any,
    count: int,
    address: str | None,
    finished: Callable[[], None],
) -> None:
    """Let workers run the trials of an oracle until it has no more.

    Args:
        bench: Of the search.
        oracle: Its oracle, reloaded where there was something to reload.
        count: How many local workers.
        address: What to listen on for workers of other machines; `None` for this machine only.
        finished: Called when trials have ended.

    Raises:
        KfineError: A worker met a mistake of the user, or died over and over.
    """
    host, port = read_address(address) if address else ("127.0.0.1", 0)
    with served(oracle, host, port) as bound:
        console = bench.console
        if address:
            console.say(
                f"others join with: kfine tune --join {host}:{bound} --resume {bench.folder.path}"
            )
        near = "127.0.0.1" if host in ("0.0.0.0", "[::]") else host
        workers = [_worker(bench, near, bound, number) for number in range(count)]
        try:
            for worker in workers:
                worker.start()
            _watch(bench, oracle, workers, finished)
        finally:
            for worker in workers:
                worker.stop()


def _worker(bench: Bench, host: str, port: int, number: int) -> _Worker:
    name = f"worker-{number}"
    command = module_command("kfine", "tune", "--quiet", "--as", name)
    command += ["--join", f"{host}:{port}", "--resume", str(bench.folder.path)]
    return _Worker(name, command, same_kfine(), bench.folder.path / "workers" / f"{name}.log")


def _watch(bench: Bench, oracle: Any, workers: list[_Worker], finished: Callable[[], None]) -> None:
    """Show what ends, start dead workers again, and return when there is nothing left to do."""
    seen = {one.trial for one in bench.folder.records()}
    began: dict[str, float] = {}
    while True:
        time.sleep(_PAUSE)
        ended = [one for one in bench.folder.records() if one.trial not in seen]
        for record in ended:
            seen.add(record.trial)
            _say(bench, record)
        if ended:
            finished()
        for worker in workers:
            _look_after(worker, bench.console, trial_ended=bool(ended))
        _draw(bench, oracle, seen)
        _warn_of_lost(bench, oracle, began, {worker.name for worker in workers})
        local = any(worker.process.poll() is None for worker in workers)
        # With nobody but remote workers the search waits for the first of them.
        remote = oracle.ongoing_trials or oracle.tuner_ids or not (workers or oracle.end_order)
        if not local and not remote:
            return


def _look_after(worker: _Worker, console: Console, *, trial_ended: bool) -> None:
    worker.restarts = 0 if trial_ended else worker.restarts
    status = worker.process.poll()
    if status in (None, 0):
        return
    if status == 2:
        raise RunError(worker.last_words())
    died = f"was killed by {signal.Signals(-status).name}" if status < 0 else "crashed"
    if worker.restarts >= MOST_RESTARTS:
        raise RunError(
            f"{worker.name} {died} {MOST_RESTARTS + 1} times without ending a trial; see "
            f"{worker.log}."
        )
    worker.restarts += 1
    console.warn(f"{worker.name} {died}; it is started again and goes on with its trial")
    # Under the same name KerasTuner gives it the trial that it had.
    worker.start()


def _say(bench: Bench, record: TrialRecord) -> None:
    if record.scored:
        score = record.scores[bench.objective]
        note = f" ({record.status}: {record.reason})" if record.reason else ""
        bench.console.say(
            f"trial {record.trial}: {bench.objective} {score:.4f} in "
            f"{format_seconds(record.seconds)}{note}"
        )
    else:
        bench.console.warn(f"trial {record.trial} {record.status}: {record.reason}")


def _draw(bench: Bench, oracle: Any, seen: set[str]) -> None:
    under_way = sorted(
        f"{name} in trial {trial.trial_id}" for name, trial in list(oracle.ongoing_trials.items())
    )
    of = f" of {bench.plan.trials}" if bench.plan.trials else ""
    bench.console.progress(f"{len(seen)}{of} trials ended; {', '.join(under_way) or 'starting'}")


def _warn_of_lost(bench: Bench, oracle: Any, began: dict[str, float], local: set[str]) -> None:
    """Say once which trial of another machine takes suspiciously long: nobody can ask it."""
    now, longest = time.monotonic(), 5 * max(oracle.slowest, 60.0)
    for name, trial in list(oracle.ongoing_trials.items()):
        key = f"{name} {trial.trial_id}"
        if name not in local and now - began.setdefault(key, now) > longest:
            began[key] = float("inf")
            bench.console.warn(
                f"{name} has not ended trial {trial.trial_id} for {format_seconds(longest)}: if "
                f"it was lost, stop with Ctrl-C and go on with kfine tune --resume "
                f"{shlex.quote(str(bench.folder.path))}"
            )


def join(address: str, name: str, work: Callable[[], None]) -> None:
    """Be a worker of the search at an address while `work` runs.

    Raises:
        ConfigError: Nobody answers there.
        RunError: The search went away.
    """
    host, port = read_address(address)
    check_answers(host, port)
    import grpc

    os.environ.update(worker_environment(host, port, name))
    try:
        with silent():
            work()
    except grpc.RpcError as error:
        raise RunError(f"The search at {address} went away: {error.code().name.lower()}.") from None
    finally:
        for variable in worker_environment(host, port, name):
            os.environ.pop(variable, None)


def default_name() -> str:
    """A tuner id that no other worker has."""
    return f"worker-{socket.gethostname()}-{os.getpid()}"
