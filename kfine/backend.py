"""Loading TensorFlow and KerasHub, once, late and quietly."""

from __future__ import annotations

import os
import sys
import tempfile


def load_backend() -> None:
    """Import TensorFlow, Keras and KerasHub without their start-up lines.

    The lines about CPU features and missing GPUs come from C++ and go past Python's
    `sys.stderr`. They are shown after all when an import fails.
    """
    if "keras_hub" in sys.modules:
        return
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            import keras_hub  # noqa: F401
        except BaseException:
            said.seek(0)
            os.write(kept, said.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
