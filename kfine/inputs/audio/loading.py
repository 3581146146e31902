"""Recordings of a source, decoded once, as a labelled data set."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from kfine.data.assembly import Examples, load_examples
from kfine.data.files import content_of
from kfine.data.labelled import Data
from kfine.data.labels import CLASS_LABELS, Known, LabelReader
from kfine.data.objects import Objects
from kfine.data.records import Progress, Record, SetAside
from kfine.data.threads import decoding_threads
from kfine.errors import DataError
from kfine.inputs.audio.decoding import Decoded, decode_sound
from kfine.inputs.audio.examiner import SoundExaminer
from kfine.inputs.audio.sources import read_sounds

# In seconds; longer ones have no one class, and are a mistake.
LONGEST = 600.0
# What is noticed of recordings, in words.
_NOTICED = {
    "silent": "silent all over",
    "clipped": "clipped (recorded too loud)",
    "offset": "off zero (a constant added)",
    "one_sided": "far louder in one of two channels (channel left or right takes that one)",
    "narrow": "without the high tones that the others have (fewer than 16,000 samples a second)",
}


def load_sounds(
    data: str,
    *,
    validation_split: float = 0.0,
    test_split: float = 0.0,
    seed: int = 0,
    channel: str = "mean",
    group_column: str | None = None,
    group_pattern: str | None = None,
    memory_budget: int,
    labels: LabelReader = CLASS_LABELS,
    like: Known | None = None,
    split_lists: dict[str, Any] | None = None,
    progress: Progress | None = None,
) -> Data:
    """Read a source, decode each recording once, and make the splits that are missing.

    Args:
        data: As in `read_sounds`.
        validation_split: Fraction 0 to 1 of the training recordings, if there is no such split.
        test_split: The same for the test.
        seed: Decides which recordings are carved.
        channel: As in `decode_sound`.
        group_column: As in `read_sounds`.
        group_pattern: As in `read_sounds`.
        memory_budget: Bytes of decoded recordings that may lie in memory, 32,000 a second.
        labels: How labels are read from a manifest.
        like: What a trained model knows, to score it: there is then one split, test, which is the
            source's own or else everything.
        split_lists: What `Data.split_lists` of a former run gave: its recordings keep their split.
        progress: Called with (done, total) after each recording.

    Returns:
        Data whose inputs are int16 `(samples,)` at 16 kHz.

    Raises:
        DataError: Nothing to learn from, a label that the model does not know, or more recordings
            than memory may hold.
    """
    # What is only scored is not divided.
    groups = (group_column, group_pattern) if like is None else (None, None)
    source = read_sounds(data, labels, *groups)
    read = partial(_examples, channel, memory_budget, progress)
    return load_examples(
        data,
        source,
        read,
        validation_split=validation_split,
        test_split=test_split,
        seed=seed,
        split_lists=split_lists,
        labels=labels,
        like=like,
    )


def _examples(
    channel: str, memory_budget: int, progress: Progress | None, records: Sequence[Record]
) -> Examples:
    good: list[Record] = []
    digests: list[str] = []
    sounds: list[np.ndarray] = []
    aside: list[SetAside] = []
    noticed: dict[str, list[str]] = {name: [] for name in _NOTICED}
    held = 0
    with decoding_threads() as pool:
        found = pool.map(partial(_decoded, channel), records)
        for number, (record, (digest, result)) in enumerate(zip(records, found, strict=True), 1):
            if isinstance(result, str):
                aside.append(SetAside(record.name, record.split, result))
            else:
                good.append(record)
                digests.append(digest)
                sounds.append(result.samples)
                held += result.samples.nbytes
                for name, names in noticed.items():
                    if getattr(result, name):
                        names.append(record.name)
            if held > memory_budget:
                raise DataError(
                    f"the recordings take more than {memory_budget / 1e9:g} GB once decoded, at "
                    f"{number} of {len(records)}: raise cache_memory, or give fewer"
                )
            if progress is not None:
                progress(number, len(records))

    def inputs(numbers: Sequence[int]) -> Objects:
        return Objects(sounds[number] for number in numbers)

    if len(noticed["narrow"]) == len(good):
        noticed["narrow"] = []
    together = [one.together or digest for one, digest in zip(good, digests, strict=True)]
    warnings = [
        f"{len(names)} of {len(good)} recordings are {_NOTICED[name]}: {', '.join(names[:3])}"
        + (" and so on" if len(names) > 3 else "")
        for name, names in noticed.items()
        if names
    ]
    parts = any(one.together for one in good)
    return Examples(
        good,
        digests,
        inputs,
        aside,
        together,
        parts,
        warnings=warnings,
        examiner=SoundExaminer(),
    )


def _decoded(channel: str, record: Record) -> tuple[str, Decoded | str]:
    """The content hash and the recording, or why it cannot be used."""
    try:
        content = content_of(record)
        return hashlib.sha256(content).hexdigest(), decode_sound(content, channel, LONGEST)
    except DataError as error:
        return "", str(error)
