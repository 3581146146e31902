"""The recordings that a user asks for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kfine.inputs.audio.decoding import Sound
from kfine.inputs.audio.log_mel import RATE
from kfine.inputs.walking import Files

# Recordings may be hours long.
_AT_ONCE = 4


class Sounds(Files):
    """Sound files; a folder stands for all files below it.

    Args:
        given: Files and folders.
        channel: As in `decode_sound`.
        samples: Of a part.
        every: Seconds between the beginnings of two parts; `None` leaves recordings whole.

    Attributes:
        times: Start and end in seconds of each part that was read; empty for whole recordings.

    Raises:
        DataError: A path is missing.
    """

    def __init__(
        self, given: Sequence[str | Path], channel: str, samples: int, every: float | None
    ) -> None:
        def decode(path: Path) -> list[Sound]:
            from kfine.inputs.audio.decoding import decode_sound

            return self._parts(decode_sound(path, channel).samples)

        super().__init__(given, "recording", decode, _AT_ONCE)
        self._samples = samples
        self._step = None if every is None else max(1, round(every * RATE))
        self.times: list[tuple[float, float]] = []

    def _parts(self, sound: Sound) -> list[Sound]:
        if self._step is None:
            return [sound]
        firsts = range(0, max(1, len(sound) - self._samples + self._step), self._step)
        found = [sound[first : first + self._samples] for first in firsts]
        self.times += [
            (first / RATE, (first + len(one)) / RATE)
            for first, one in zip(firsts, found, strict=True)
        ]
        return found
