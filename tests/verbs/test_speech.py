"""Speech from recordings to a file: what is heard once, windows, long recordings, bad input."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kfine
from kfine.console import Console
from kfine.errors import ConfigError, DataError, PresetError

QUIET = Console(quiet=True)
WORDS = {"low": "low", "middle": "hi low", "high": "hi"}


@pytest.fixture(scope="module")
def spoken(tones: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of tones with words for them."""
    path = tmp_path_factory.mktemp("spoken") / "tones.csv"
    # Files beside the manifest have the same names in every run, and so the same splits.
    shutil.copytree(tones, path.parent / "tones")
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "said"])
        for sound in sorted(path.parent.rglob("*.wav")):
            writer.writerow([sound.relative_to(path.parent), WORDS[sound.parent.name]])
    return path


@pytest.fixture(scope="module")
def settings(spoken: Path, tiny_speech_preset: str) -> dict[str, Any]:
    return {
        "data": str(spoken),
        "text_column": "said",
        "preset": tiny_speech_preset,
        "seconds": 3,
        "learning_rate": 0.01,
        "min_steps": 1,
        "console": QUIET,
    }


@pytest.fixture(scope="module")
def run(settings: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> kfine.Run:
    """Random weights that learn which tone has which word."""
    path = tmp_path_factory.mktemp("speech") / "run"
    run = kfine.fit("speech_recognition", run_dir=path, epochs=25, **settings)
    kfine.evaluate(run, console=QUIET)
    return run


@pytest.mark.slow
def test_it_learns_words_and_beats_the_untuned_model(run: kfine.Run) -> None:
    metrics = run.metrics
    baselines = metrics["baselines"]
    assert set(baselines) == {"majority", "untuned"}
    assert metrics["word_error_rate"] < baselines["majority"]["word_error_rate"]
    assert metrics["word_error_rate"] < baselines["untuned"]["word_error_rate"]
    assert metrics["gain"]["over"] == "untuned"
    (fed,) = run.folder.info()["features"]
    assert (fed["features"], fed["validation"]) == ("cached", "cached")
    shown = metrics["mistakes"]
    assert shown["file"] == "mistakes.html"
    assert len(list((run.path / "mistakes").glob("*.wav"))) == min(50, shown["count"])


def test_mistakes_are_a_page_with_their_sounds(tmp_path: Path) -> None:
    from kfine.data.objects import Objects
    from kfine.inputs import Mistake
    from kfine.inputs.speech import Speech

    sounds = Objects([np.full(800, one, np.int16) for one in range(3)])
    wrong = [
        Mistake(2, "the cat sat", "The bat sat", 0.5),
        Mistake(0, "<script>alert(1)</script> & so", "", 0.1),
    ]
    assert Speech().write_mistakes(tmp_path, sounds, wrong, ()) == "mistakes.html"
    page = (tmp_path / "mistakes.html").read_text()
    assert "said: the <mark>cat</mark> sat" in page and "heard: The <mark>bat</mark> sat" in page
    assert "<script>" not in page and "&lt;script&gt;" in page and "heard: nothing" in page
    assert 'src="mistakes/01.wav"' in page
    import soundfile

    values, rate = soundfile.read(tmp_path / "mistakes" / "01.wav", dtype="int16")
    assert rate == 16_000 and (values == 2).all()
    Speech().write_mistakes(tmp_path, sounds, wrong[:1], ())
    assert [one.name for one in (tmp_path / "mistakes").iterdir()] == ["01.wav"]


@pytest.mark.slow
def test_training_is_the_same_without_cached_features(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    losses = []
    for cache in ("float32", "none"):
        run = kfine.fit(
            "speech_recognition",
            run_dir=tmp_path / cache,
            epochs=2,
            feature_cache=cache,
            unfreeze="all" if cache == "all" else "1:transformer_decoder_layer_0",
            **settings,
        )
        losses.append([one["loss"] for one in run.history])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


@pytest.mark.slow
def test_a_long_recording_is_written_down_window_by_window(
    run: kfine.Run, tones: Path, tmp_path: Path
) -> None:
    import soundfile

    parts = []
    for name in ("low", "high", "middle"):
        values, rate = soundfile.read(tones / name / "01.wav", dtype="float32")
        parts.append(np.pad(values, (0, 3 * rate - len(values))))
    path = tmp_path / "long.wav"
    soundfile.write(path, np.concatenate(parts), rate)
    (whole,) = kfine.predict(run, path, console=QUIET)
    track = tmp_path / "track.txt"
    found = kfine.predict(run, path, every=3, label_track=track, console=QUIET)
    texts = [one.rows[0]["text"] for one in found]
    assert whole.rows[0]["text"].split() == " ".join(texts).split()
    assert [one.times for one in found] == [(0, 3), (3, 6), (6, 9)]
    lines = track.read_text().splitlines()
    assert [one.split("\t")[2] for one in lines] == [one for one in texts if one]


@pytest.mark.slow
def test_what_cannot_be_exported_is_said_at_once(run: kfine.Run) -> None:
    for options, reason in (
        ({"quantize": "int8"}, "use quantize float16. Received: int8"),
        ({"format": "onnx"}, "tflite or saved_model. Received: onnx"),
    ):
        with pytest.raises(kfine.errors.KfineError, match=reason.replace(".", r"\.")):
            kfine.export(run, console=QUIET, **options)


@pytest.mark.keras
def test_a_preset_of_something_else_is_refused(
    settings: dict[str, Any], tiny_preset: str, tmp_path: Path
) -> None:
    with pytest.raises(PresetError, match=r"presets of Whisper.*Received: .*tiny"):
        kfine.fit(
            "speech_recognition", run_dir=tmp_path / "run", **{**settings, "preset": tiny_preset}
        )
    assert not (tmp_path / "run").exists()


@pytest.mark.keras
def test_recordings_that_are_longer_than_a_window_are_refused(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    asked = {**settings, "seconds": 1}
    with pytest.raises(DataError, match=r"longer than the 1 seconds that are heard at a time"):
        kfine.fit("speech_recognition", run_dir=tmp_path / "run", **asked)
    assert not (tmp_path / "run").exists()


@pytest.mark.keras
def test_folders_and_missing_texts_are_refused(
    settings: dict[str, Any], tones: Path, tmp_path: Path
) -> None:
    asked = {**settings, "data": str(tones)}
    with pytest.raises(DataError, match="labels of this kind are columns"):
        kfine.fit("speech_recognition", run_dir=tmp_path / "run", **asked)
    asked = {**settings, "text_column": "words"}
    with pytest.raises((DataError, ConfigError), match="words"):
        kfine.fit("speech_recognition", run_dir=tmp_path / "run", **asked)


@pytest.mark.keras
def test_a_window_has_room_for_the_longest_recording() -> None:
    from kfine.inputs.speech import heard_window

    assert heard_window([16000], None) == 1000
    assert heard_window([16000 * 11], None) == 2000
    assert heard_window([16000 * 25], None) == 3000
    assert heard_window([16000], 2.5) == 250
    with pytest.raises(DataError, match=r"1 of 2 recordings to learn from .* 30 seconds .* 31\.0"):
        heard_window([16000, 16000 * 31], None)


@pytest.mark.keras
def test_spectrograms_are_those_of_whisper() -> None:
    import keras_hub
    import tensorflow as tf

    from kfine.inputs.audio.whisper_mel import whisper_mel

    chance = np.random.default_rng(0)
    times = np.arange(3 * 16000) / 16000
    sounds = np.stack(
        [
            0.3 * np.sin(2 * np.pi * 440 * times) + chance.normal(0, 0.01, len(times)),
            chance.normal(0, 0.2, len(times)) * (times > 1),
        ]
    ).astype("float32")
    for bands in (80, 128):
        converter = keras_hub.layers.WhisperAudioConverter(num_mels=bands, max_audio_length=3)
        wanted = np.asarray(converter(sounds))
        found = np.asarray(whisper_mel(tf.constant(sounds), bands))
        assert found.shape == wanted.shape == (2, 300, bands)
        np.testing.assert_allclose(found, wanted, atol=2e-3)
        assert np.abs(found - wanted).mean() < 1e-5


@pytest.mark.keras
def test_a_description_that_is_absurd_is_refused() -> None:
    from kfine.inputs.speech import Speech

    kept = json.loads(json.dumps(Speech(300, "left", bands=128).to_dict()))
    assert Speech.load(kept, lambda name: b"") == Speech(300, "left", bands=128)
    for values in ({"frames": 10**9}, {"channel": "third"}, {"bands": 0}):
        with pytest.raises(ValueError, match="it wants"):
            Speech.load({**kept, **values}, lambda name: b"")
