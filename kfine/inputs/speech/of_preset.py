"""How the sounds for a preset are prepared: each kind of network hears in its own way."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kfine.inputs.audio.audio import Audio, audio_of_preset, check_audio_preset
from kfine.inputs.audio.log_mel import RATE
from kfine.inputs.audio.whisper_mel import BANDS
from kfine.inputs.speech.speech import LONGEST, Speech
from kfine.presets import Preset

# Seconds that Whisper's encoder is given where nothing is said, of recordings with one class each.
_LEAST, _MOST = 1.0, 10.0


def check_sound_preset(preset: Preset, seconds: float | None) -> None:
    """Check what a local preset says of itself against sounds.

    Raises:
        PresetError: It hears windows of another length, or takes neither sounds nor images.
    """
    if not preset.is_whisper:
        check_audio_preset(preset, seconds)


def sound_of_preset(
    preset: Preset, seconds: float | None, channel: str, lengths: Sequence[int], bands: int = BANDS
) -> Audio:
    """Spectrograms as a network was trained on, or pictures of them for one of images.

    Args:
        preset: Of sounds, of speech (Whisper) or of images.
        seconds: That are heard at a time; what the network was made for if `None`, and for
            Whisper the longest recording, between 1 and 10.
        channel: As in `Audio`.
        lengths: Samples of each training recording.
        bands: That Whisper takes.
    """
    if not preset.is_whisper:
        return audio_of_preset(preset, check_audio_preset(preset, seconds), channel)
    if seconds is None:
        longest = math.ceil(10 * max(lengths, default=0) / RATE) / 10
        seconds = min(_MOST, max(_LEAST, longest))
    # Its encoder halves the frames.
    return Speech(2 * round(50 * min(seconds, LONGEST)), channel, bands=bands)
