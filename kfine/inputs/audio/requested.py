"""The recordings that a user asks for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kfine.console import Console
from kfine.errors import DataError
from kfine.inputs.audio.decoding import Sound
from kfine.inputs.audio.log_mel import RATE
from kfine.inputs.walking import files_below

# Recordings may be hours long.
_AT_ONCE = 4


class Sounds:
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
        self._channel = channel
        self._samples = samples
        self._step = None if every is None else max(1, round(every * RATE))
        self.times: list[tuple[float, float]] = []
        self._paths = list(_paths(given))

    def __len__(self) -> int:
        return len(self._paths)

    def read(self, console: Console) -> Iterator[tuple[list[str], list[Any]]]:
        """Decode recordings, a few at a time."""
        from kfine.inputs.audio.decoding import decode_sound

        for start in range(0, len(self._paths), _AT_ONCE):
            names, sounds = [], []
            for path in self._paths[start : start + _AT_ONCE]:
                try:
                    parts = self._parts(decode_sound(path, self._channel).samples)
                except DataError as error:
                    console.warn(f"set aside {path}: {error}")
                    continue
                sounds += parts
                names += [str(path)] * len(parts)
            yield names, sounds

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


def _paths(given: Sequence[str | Path]) -> Iterator[Path]:
    for one in given:
        path = Path(one)
        if path.is_dir():
            yield from files_below(path)
        elif path.exists():
            yield path
        else:
            raise DataError(f"There is no recording {path}.")
