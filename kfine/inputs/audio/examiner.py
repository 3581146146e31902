"""What can be said of recordings without a model."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from kfine.data.examining import Alike
from kfine.inputs.audio.changes import CHANGES, unfamiliar
from kfine.inputs.audio.fingerprints import alike_sounds
from kfine.inputs.audio.log_mel import RATE

if TYPE_CHECKING:
    from kfine.data.records import Record
    from kfine.data.split import Split

_SHOWN = 5.0  # seconds
# Of a waveform, wide and half as high.
_COLUMNS, _HALF = 240, 20
_SHOWN_RATE = 8000
_SILENCE = -100.0  # dB


class SoundExaminer:
    """Lengths, loudness, and copies that were encoded anew, cut, or made louder."""

    many = "recordings"
    changes = CHANGES

    def measure(self, split: Split) -> dict[str, np.ndarray]:
        """Seconds, and loudness in dB of full scale."""
        sounds = split.examples()
        loud = [_loudness(one) for one in sounds]
        return {
            "seconds": np.array([len(one) / RATE for one in sounds], np.float64),
            "loudness in dB": np.array(loud, np.float64),
        }

    def alike(self, rows: Any) -> tuple[list[Alike], str]:
        """As `alike_sounds`."""
        return alike_sounds(list(rows[list(range(len(rows)))])), ""

    def unfamiliar(self, example: Any, random: np.random.Generator) -> dict[str, Any]:
        """As `unfamiliar` of the changes."""
        return unfamiliar(example, random)

    def html(self, example: Any, record: Record) -> str:
        """The waveform, and the first seconds to be played inside the page."""
        import soundfile

        kept = io.BytesIO()
        step = RATE // _SHOWN_RATE
        few = np.asarray(example[: int(_SHOWN * RATE)], np.float32)
        few = few[: len(few) // step * step].reshape(-1, step).mean(axis=1)
        soundfile.write(kept, few.astype(np.int16), _SHOWN_RATE, format="WAV")
        content = base64.b64encode(kept.getvalue()).decode()
        played = f'<audio controls preload="none" src="data:audio/wav;base64,{content}"></audio>'
        return _waveform(example) + played


def _waveform(samples: np.ndarray) -> str:
    """The least and the largest sample of each of the columns, as SVG."""
    columns = np.array_split(np.asarray(samples, np.float32), min(_COLUMNS, len(samples)) or 1)
    lines = "".join(
        f"M{place} {_HALF - _HALF * one.max(initial=0) / 32768:.1f}"
        f"V{_HALF - _HALF * one.min(initial=0) / 32768 + 0.5:.1f}"
        for place, one in enumerate(columns)
    )
    return (
        f'<svg viewBox="0 0 {_COLUMNS} {2 * _HALF}" role="img" '
        'style="width: 100%; max-width: 18rem" '
        f'aria-label="waveform of {len(samples) / RATE:.1f} seconds">'
        f'<path d="{lines}" stroke="#1f5fa8" fill="none"/></svg>'
    )


def _loudness(samples: np.ndarray) -> float:
    power = float(np.mean((samples.astype(np.float64) / 32768) ** 2)) if len(samples) else 0.0
    return max(_SILENCE, 10 * float(np.log10(power + 1e-12)))
