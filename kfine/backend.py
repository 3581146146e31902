"""Loading TensorFlow, KerasHub and LiteRT late and quietly."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from kfine.errors import ConfigError

# Read when TensorFlow is imported: its own notes would drown ours.
ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "3", "GLOG_minloglevel": "2"}
BACKEND = "tensorflow"
# What kfine trains with, whatever `keras.json` says: setting of `keras.config` -> its value.
SETTINGS = {"floatx": "float32", "image_data_format": "channels_last", "epsilon": 1e-7}
_overridden: list[str] = []


def set_environment() -> None:
    """Set what is read when TensorFlow and Keras are imported; Keras runs on TensorFlow."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    asked = os.environ.get("KERAS_BACKEND") or BACKEND
    if asked != BACKEND:
        _overridden.append(f"KERAS_BACKEND={asked}")
    os.environ["KERAS_BACKEND"] = BACKEND


def _without_retracing(record: logging.LogRecord) -> bool:
    """Leave out TensorFlow's advice against tracing anew: every model here is a new one."""
    return "tf.function retracing" not in str(record.msg)


@contextmanager
def quiet_start() -> Iterator[None]:
    """Keep the start-up lines of native code off the terminal; show them if something fails.

    The lines about CPU features, missing GPUs and delegates come from C++ and go past Python's
    `sys.stderr`.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        except BaseException:
            said.seek(0)
            os.write(kept, said.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def quiet_end() -> None:
    """Keep what native code says while the process ends off the terminal; for the last line."""
    sys.stderr.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def load_backend() -> None:
    """Import TensorFlow, Keras and KerasHub, and set Keras to what kfine needs.

    Where the environment or `keras.json` says otherwise, it says once what is not followed.

    Raises:
        ConfigError: Keras was loaded before, on another backend.
    """
    if "keras_hub" not in sys.modules:
        set_environment()
        with quiet_start():
            import keras_hub  # noqa: F401
    import keras

    logging.getLogger("tensorflow").addFilter(_without_retracing)
    if keras.backend.backend() != BACKEND:
        raise ConfigError(
            "kfine trains with Keras on TensorFlow; set KERAS_BACKEND=tensorflow before Keras is "
            f"imported. Received: Keras on {keras.backend.backend()}"
        )
    for name, value in SETTINGS.items():
        found = getattr(keras.config, name)()
        if found != value:
            getattr(keras.config, f"set_{name}")(value)
            _overridden.append(f"{name} {found}")
    if _overridden:
        said = ", ".join(dict.fromkeys(_overridden))
        _overridden.clear()
        wanted = ", ".join(f"{name} {value}" for name, value in SETTINGS.items())
        line = f"not followed: {said}; kfine trains on {BACKEND} with {wanted}"
        print(f"warning: {line}", file=sys.stderr)
