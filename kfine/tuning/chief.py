"""One oracle for many workers: KerasTuner's own service, started and watched by kfine."""

from __future__ import annotations

import io
import os
import socket
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager, redirect_stdout
from typing import Any

from kfine.errors import ConfigError


def read_address(text: str) -> tuple[str, int]:
    """Host and port of an address such as `192.168.1.7:8123`.

    Raises:
        ConfigError: It is none.
    """
    host, colon, port = text.strip().rpartition(":")
    if not colon or not host or not port.isdigit() or not 0 <= int(port) < 65536:
        raise ConfigError(f"An address is HOST:PORT, such as 127.0.0.1:8123. Received: {text!r}")
    return host, int(port)


def check_answers(host: str, port: int) -> None:
    """Find out whether somebody listens at an address.

    Raises:
        ConfigError: Nobody does.
    """
    try:
        with socket.create_connection((host, port), timeout=5):
            return
    except OSError as error:
        reason = error.strerror or "no answer within 5 s"
        raise ConfigError(
            f"No search answers at {host}:{port} ({reason}); start it with "
            f"`kfine tune ... --chief {host}:{port}` and see that the port is open."
        ) from None


@contextmanager
def served(oracle: Any, host: str, port: int) -> Iterator[int]:
    """Answer workers in a thread of this process.

    KerasTuner's service has no password and no encryption: whoever reaches the port takes part in
    the search.

    Args:
        oracle: From `make_oracle`.
        host: What to listen on; 127.0.0.1 is reached from this machine only.
        port: 0 for any that is free.

    Returns:
        The port.

    Raises:
        ConfigError: The address cannot be listened on.
    """
    # Workers are started while its threads run.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    import grpc
    from keras_tuner.src import protos
    from keras_tuner.src.distribute.oracle_chief import OracleServicer

    server = grpc.server(futures.ThreadPoolExecutor(max_workers=1))
    protos.get_service_grpc().add_OracleServicer_to_server(OracleServicer(oracle), server)
    try:
        bound = server.add_insecure_port(f"{host}:{port}")
    except RuntimeError:
        bound = 0
    if not bound:
        raise ConfigError(
            f"Cannot listen on {host}:{port}: another program uses the port, or the host is not "
            "this machine."
        )
    server.start()
    try:
        with silent():
            yield bound
    finally:
        server.stop(grace=1).wait()


@contextmanager
def silent() -> Iterator[None]:
    """Keep off standard output what KerasTuner prints whenever a condition crosses the wire."""
    with redirect_stdout(io.StringIO()):
        yield


def worker_environment(host: str, port: int, name: str) -> dict[str, str]:
    """The variables that make KerasTuner a worker of the oracle at an address."""
    return {
        "KERASTUNER_TUNER_ID": name,
        "KERASTUNER_ORACLE_IP": host,
        "KERASTUNER_ORACLE_PORT": str(port),
    }
