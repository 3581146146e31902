"""Recordings: decoding, the one preprocessing, and what an exported file takes."""

from kfine._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Audio": "audio",
        "Part": "audio:Audio",
        "audio_of_preset": "audio",
        "check_audio_preset": "audio",
        "decode_sound": "decoding",
        "load_sounds": "loading",
        "sound_augmentation": "augmentation",
    },
)
