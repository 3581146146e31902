"""Speech: recordings in windows as Whisper hears them."""

from kfine._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Part": "speech:Speech",
        "Speech": "speech",
        "check_sound_preset": "of_preset",
        "check_speech_preset": "speech",
        "heard_window": "speech",
        "sound_of_preset": "of_preset",
    },
)
