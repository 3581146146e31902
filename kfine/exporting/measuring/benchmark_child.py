"""The benchmark's child process: one model, loaded once and run when told to.

`python -m kfine.exporting.measuring.benchmark_child PATH KIND THREADS`

It answers each line of standard input with one line of JSON: a number runs the model so often,
an empty line asks for the peak memory and ends it.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kfine.errors import KfineError

Tensors = Mapping[str, np.ndarray]
Run = Callable[[Tensors], Any]
_RUNTIMES = {
    "keras": "keras_hub",
    "saved_model": "tensorflow",
    "tflite": "ai_edge_litert.interpreter",
    "litertlm": "ai_edge_litert.compiled_model",
    "onnx": "onnxruntime",
    "openvino": "openvino",
}


def load(path: Path, kind: str, threads: int) -> tuple[Run, Tensors]:
    """Load a model as it would be used.

    Returns:
        What runs inputs `(1, ...)`, and such inputs: noise of the size of training, or a row of
        full length.
    """
    if kind == "keras":
        return _load_keras(path)
    from kfine.runtimes.loading import load_exported
    from kfine.training.parts import recipe_around

    # This process may end: nobody else is in it.
    exported = load_exported(path, threads=threads, trusted=True, own=recipe_around(path))
    return exported.run, exported.input.device().sample()


def _load_keras(path: Path) -> tuple[Run, Tensors]:
    """A run's model behind the same stage as an exported file, as one compiled call."""
    import keras
    import tensorflow as tf

    from kfine.exporting.inference import inference_model
    from kfine.runs.folder import open_run
    from kfine.training.parts import parts_of_run

    folder = open_run(path)
    input, answer = parts_of_run(folder)
    model = keras.saving.load_model(folder.model_path, compile=False)
    inference = inference_model(model, input, answer)
    # XLA would compile for minutes; Keras itself leaves it out on a CPU.
    call = tf.function(lambda tensors: inference(tensors, training=False), jit_compile=False)

    def run(tensors: Tensors) -> Any:
        given = {name: tf.constant(one) for name, one in tensors.items()}
        found = call(given if isinstance(inference.input, dict) else next(iter(given.values())))
        return {name: one.numpy() for name, one in found.items()}

    return run, input.device().sample()


def peak_memory() -> int:
    """The largest resident memory of this process so far, in bytes."""
    try:
        # What getrusage gives on Linux includes the parent's memory before the exec.
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * int(next(line.split()[1] for line in lines if line.startswith("VmHWM")))
    except (OSError, StopIteration):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else 1024 * peak


def timed(run: Run, tensors: Tensors, count: int) -> list[float]:
    """Milliseconds of each of `count` runs."""
    found = []
    for _ in range(count):
        start = time.perf_counter()
        run(tensors)
        found.append(1000 * (time.perf_counter() - start))
    return found


def serve(path: Path, kind: str, threads: int, say: Callable[[dict[str, Any]], None]) -> None:
    """Load, then answer until there are no more lines."""
    runtime = importlib.import_module(_RUNTIMES[kind])
    if kind in ("keras", "saved_model"):
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    before = peak_memory()
    start = time.perf_counter()
    run, tensors = load(path, kind, threads)
    loaded = 1000 * (time.perf_counter() - start)
    version = str(getattr(runtime, "__version__", ""))
    shape = list(next(iter(tensors.values())).shape)
    say({"load_ms": loaded, "input_shape": shape, "runtime": before, "version": version})
    for line in sys.stdin:
        if not line.strip():
            break
        say({"times": timed(run, tensors, int(line))})
    say({"peak": peak_memory()})


def main(arguments: list[str]) -> int:
    """Serve one model; a mistake of the user is one line of JSON."""
    path, kind, threads = Path(arguments[0]), arguments[1], int(arguments[2])
    # Libraries print to standard output, which is for answers only.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(values: dict[str, Any]) -> None:
        print(json.dumps(values), file=answers, flush=True)

    try:
        serve(path, kind, threads, say)
    except KfineError as error:
        say({"error": str(error)})
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
