"""Loading TensorFlow, KerasHub and LiteRT late and quietly."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

# Read when TensorFlow is imported: its own notes would drown ours.
ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "GLOG_minloglevel": "2",
    "KERAS_BACKEND": "tensorflow",
}


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


def load_backend() -> None:
    """Import TensorFlow, Keras and KerasHub; nothing happens where they are loaded."""
    if "keras_hub" not in sys.modules:
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        with quiet_start():
            import keras_hub  # noqa: F401
