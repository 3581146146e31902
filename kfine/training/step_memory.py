"""The memory that a training step takes: measured on a few examples, before all of a batch."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from kfine.console import Console, format_bytes
from kfine.errors import RunError
from kfine.training.accumulation import compute_in_parts
from kfine.training.memory import collect, free_memory

if TYPE_CHECKING:
    from kfine.runs.folder import RunFolder
    from kfine.training.engine import Job

# Examples of the larger of two steps, whose difference tells what one takes.
_EXAMPLES = 4
# Of models with fewer weights, and batches with fewer numbers, any machine holds a step.
_WEIGHTS, _NUMBERS = 5 * 10**7, 10**7
# The rest is for what the optimizer does beside, and for all else that runs.
_SHARE = 0.75
_PAUSE = 0.002


@dataclass(frozen=True)
class StepMemory:
    """Bytes that a step takes beside what lies in memory before it.

    Attributes:
        fixed: However many examples it has: gradients above all.
        each: For each example: what is kept for the way back.
        batch_size: Examples of a whole step.
    """

    fixed: float
    each: float
    batch_size: int

    def of(self, parts: int) -> int:
        """Bytes of a batch that is computed in parts."""
        return int(self.fixed + self.each * -(-self.batch_size // parts))

    def parts(self, free: float) -> int | None:
        """The fewest parts in which a batch takes no more than so many bytes; `None` if none do."""
        room = int((free - self.fixed) // self.each) if self.each else self.batch_size
        if free < self.fixed or room < 1:
            return None
        return -(-self.batch_size // room)


def measure_step(job: Job) -> StepMemory | None:
    """What a step of the last stage takes, on a CPU; `None` on a GPU, whose memory is its own.

    The gradients of one example and of a few are computed, of those that take most room, and the
    model stays as it is.

    Args:
        job: A compiled job, none of whose stages has begun.
    """
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        return None
    size = min(job.config.batch_size, len(job.batches))
    kept = [(one, one.numpy()) for one in job.model.non_trainable_variables]
    gradients = _gradients(job)
    collect()
    before = _resident()

    def more_for(count: int) -> float:
        return _peak_of(partial(gradients, *job.batches.largest(count))) - before

    few, many = 1, min(_EXAMPLES, size)
    try:
        least = more_for(few)
        most = more_for(many) if many > few else least
        if least <= 0 and many < size:
            # TensorFlow still has memory of what was trained before: how steep it is shows above.
            few, many, least = many, min(2 * many, size), most
            most = more_for(many)
    finally:
        for variable, value in kept:
            variable.assign(value)
    each = max(0.0, (most - least) / (many - few)) if many > few else 0.0
    return StepMemory(max(0.0, least - few * each), each, size)


def is_small(job: Job) -> bool:
    """Whether a step of a job is not worth measuring: it trains little, or has a small model."""
    if job.stages[-1].depth == 0:
        return True
    return bool(job.model.count_params() < _WEIGHTS and _numbers(job) < _NUMBERS)


def fit_into_memory(folder: RunFolder, job: Job, console: Console) -> None:
    """Compute the batches of a run in as few parts as memory allows, unless the settings say.

    Once chosen, the parts are those of the run, wherever it is resumed: dropout draws for each.

    Raises:
        RunError: Not one example at a time fits, or not as many as the settings say.
    """
    recorded = folder.info().get("accumulate")
    if recorded is None and is_small(job):
        return
    if recorded is None:
        with console.timed("measuring the memory of a training step"):
            step = measure_step(job)
    parts = recorded or choose_parts(job, step, console)
    folder.update(accumulate=parts)
    job.parts = parts
    compute_in_parts(job.model, job.loss, parts)


def memory_of_run(job: Job, console: Console) -> dict[str, Any]:
    """What a run takes at most, cached features apart; its batches are in parts from then on.

    Returns:
        `bytes` of the process while it trains, those that are `free` now, and `accumulate`, the
        parts of a batch; empty on a GPU.

    Raises:
        RunError: As `fit_into_memory`.
    """
    step = measure_step(job)
    if step is None:
        return {}
    job.parts = choose_parts(job, step, console)
    compute_in_parts(job.model, job.loss, job.parts)
    need = _resident() + step.of(job.parts)
    return {"bytes": need, "free": free_memory(), "accumulate": job.parts}


def choose_parts(job: Job, step: StepMemory | None, console: Console) -> int:
    """How many parts a batch is computed in.

    Args:
        job: A compiled job.
        step: What its largest step takes, `None` where that is not known.
        console: Hears of it where more than one was chosen.

    Raises:
        RunError: As `fit_into_memory`.
    """
    given = job.config.accumulate
    if step is None:
        return given or 1
    free = free_memory()
    least = step.parts(_SHARE * free)
    if least is None or (given is not None and given < least):
        raise RunError(_too_large(step, job.config, least, free))
    if given is None and least > 1:
        console.say(
            f"a step of {step.batch_size} examples takes about {format_bytes(step.of(1))} of "
            f"memory, and {format_bytes(free)} are free: each batch is computed in {least} parts"
        )
    return given or least


def _too_large(step: StepMemory, config: Any, least: int | None, free: float) -> str:
    given = config.accumulate or 1
    count = -(-step.batch_size // given) if least else 1
    need = format_bytes(step.of(given if least else step.batch_size))
    there = f"{format_bytes(_SHARE * free)} of {format_bytes(free)} that are free may be used"
    takes = f"A training step of {count} examples" if count > 1 else "A training step of 1 example"
    instead = f"set accumulate to {least}, or leave it out"
    if least is None:
        instead = "choose a smaller preset, smaller images or shorter texts, or unfreeze less"
        if not getattr(config, "recompute", True):
            instead += ", or set recompute"
    return f"{takes} takes about {need} of memory, and {there}: {instead}."


def _gradients(job: Job) -> Callable[..., Any]:
    """From a batch to the gradients of all that some stage trains."""
    import tensorflow as tf

    from kfine.training.freezing import trains

    deepest = max(stage.depth for stage in job.stages)
    weights = trains(job.groups, deepest, batch_norm=job.config.batch_norm)

    # Of batches of any size and length, so that it is traced once.
    @tf.function(input_signature=job.batches.dataset().element_spec)
    def gradients(x: Any, y: Any, *more: Any) -> list[Any]:
        watched = [one.value for one in weights]
        # Nothing is kept of what the frozen layers compute.
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(watched)
            predicted = job.model(x, training=True)
            loss = job.model.compute_loss(x, y, predicted, *more, training=True)
        found = tape.gradient(loss, watched)
        return [tf.convert_to_tensor(one) for one in found if one is not None]

    return gradients


def _peak_of(run: Callable[[], Any]) -> float:
    """Bytes that the process has at most while something runs."""
    done, most = threading.Event(), 0

    def watch() -> None:
        nonlocal most
        while not done.wait(_PAUSE):
            most = max(most, _resident())

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        found = run()
        most = max(most, _resident())
    finally:
        done.set()
        thread.join()
    del found
    return float(most)


def _resident() -> int:
    import psutil

    return int(psutil.Process().memory_info().rss)


def _numbers(job: Job) -> int:
    """How many numbers a batch of inputs has."""
    import keras
    import numpy as np

    rows = keras.tree.flatten(job.batches.inputs)
    return int(sum(np.prod(one.shape[1:], dtype=np.int64) for one in rows)) * job.config.batch_size
