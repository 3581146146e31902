"""Recordings: what the network sees of them, how they vary, and what a file hears."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import numpy as np
import pytest
import soundfile

import kfine
from kfine.console import Console
from kfine.errors import ConfigError, KfineError, PresetError
from kfine.inputs.audio import Audio
from kfine.inputs.audio.log_mel import RATE, frames_of, mel_matrix, samples_of
from kfine.presets import find_preset
from kfine.verbs.fit import prepare

pytestmark = pytest.mark.keras
QUIET = Console(quiet=True)


@pytest.fixture(scope="module", autouse=True)
def imports() -> None:
    """What the tests here need of Keras, imported with the first of them."""
    global keras, RandomSound, log_mel, sound_model
    import keras

    from kfine.inputs.audio.augmentation import RandomSound
    from kfine.inputs.audio.log_mel import log_mel
    from kfine.models.sound_head import sound_model


@pytest.fixture(scope="module")
def run(tones: Path, tmp_path_factory: pytest.TempPathFactory) -> kfine.Run:
    return kfine.fit(
        "audio_classification",
        data=str(tones),
        unfreeze="none",
        epochs=1,
        refit="no",
        run_dir=tmp_path_factory.mktemp("sounds") / "run",
        console=QUIET,
    )


def test_spectrograms_are_those_of_a_plain_fourier_transform() -> None:
    chance = np.random.default_rng(0)
    sounds = chance.normal(0, 0.1, (2, samples_of(12))).astype(np.float32)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    frames = np.stack([sounds[:, 160 * one : 160 * one + 400] for one in range(12)], axis=1)
    magnitudes = np.abs(np.fft.rfft(frames * window, 512))
    expected = np.log(magnitudes @ mel_matrix() + 0.001)
    np.testing.assert_allclose(log_mel(sounds), expected, atol=1e-4)


def test_bands_are_triangles_from_125_to_7500_hertz() -> None:
    matrix = mel_matrix()
    hertz = np.linspace(0, RATE / 2, 257)
    assert matrix.shape == (257, 64) and (matrix >= 0).all() and matrix.max() <= 1
    heard = hertz[matrix.sum(axis=1) > 0]
    assert 125 <= heard.min() < 160 and 7400 < heard.max() <= 7500
    # Two that overlap share a tone between them, but at both ends.
    inside = matrix[(hertz > 250) & (hertz < 7200)].sum(axis=1)
    np.testing.assert_allclose(inside, 1, atol=1e-6)


@pytest.mark.parametrize(
    ("length", "firsts"),
    [(1, [0]), (15_600, [0]), (17_000, [0]), (20_000, [0, 4400]), (31_200, [0, 15_600])],
)
def test_windows_cover_a_recording(length: int, firsts: list[int]) -> None:
    audio = Audio()
    assert audio.samples == 15_600 and audio.firsts(length) == firsts
    sound = np.arange(length).astype(np.int16)
    encoded = audio.encode([sound, sound])
    assert encoded.rows.shape == (2 * len(firsts), 15_600)
    np.testing.assert_array_equal(encoded.places.owner, np.repeat([0, 1], len(firsts)))
    for row, first in zip(encoded.rows, firsts, strict=False):
        part = sound[first : first + 15_600]
        np.testing.assert_array_equal(row[: len(part)], part)
        assert not row[len(part) :].any()


def test_seconds_are_frames() -> None:
    assert frames_of(0.975) == 96 and samples_of(96) == 15_600
    assert samples_of(frames_of(2.0)) == pytest.approx(2 * RATE, abs=80)


def test_a_recording_is_shifted_made_louder_and_given_noise() -> None:
    sounds = np.zeros((64, 16_000), np.int16)
    sounds[:, 8000:8100] = 8000
    still = RandomSound(gain=6, shift=0.1, noise=(10, 20))(sounds, training=False)
    np.testing.assert_array_equal(still, sounds)
    moved = np.asarray(RandomSound(shift=0.1)(sounds))
    firsts = (moved > 0).argmax(axis=1)
    assert 6400 <= firsts.min() < 7200 and 8800 < firsts.max() <= 9600
    np.testing.assert_array_equal(moved.max(axis=1), 8000)
    louder = np.asarray(RandomSound(gain=6)(sounds)).max(axis=1) / 8000
    assert 0.49 < louder.min() < 0.6 and 1.7 < louder.max() < 2.01
    noisy = np.asarray(RandomSound(noise=(20, 20))(sounds)) - sounds
    power = np.square(sounds.astype(np.float64)).mean()
    assert np.square(noisy).mean() == pytest.approx(power / 100, rel=0.05)


def test_a_band_of_tones_and_a_stretch_are_silenced() -> None:
    chance = np.random.default_rng(0)
    sounds = chance.normal(0, 3000, (48, 16_000)).astype(np.int16)
    before = np.abs(np.fft.rfft(sounds))
    after = np.abs(np.fft.rfft(np.asarray(RandomSound(band=2000)(sounds))))
    silent = (after < 1e-2 * before.mean()).mean(axis=1) * RATE / 2
    assert silent.max() < 2050 and 700 < silent.mean() < 1100
    kept = after > 1e-2 * before.mean()
    np.testing.assert_allclose(after[kept], before[kept], rtol=0.01, atol=before.mean() / 100)
    gaps = (np.asarray(RandomSound(gap=0.2)(sounds)) == 0).sum(axis=1) / RATE
    assert gaps.max() < 0.21 and 0.06 < gaps.mean() < 0.12


def test_recorded_noise_is_put_under_recordings(tmp_path: Path) -> None:
    from kfine.inputs.audio.noise import RandomNoise, read_noise

    hum = (3000 * np.sin(np.arange(8000) / 5)).astype(np.int16)
    (tmp_path / "hum").mkdir()
    soundfile.write(tmp_path / "hum" / "1.wav", hum, RATE, subtype="PCM_16")
    (tmp_path / "hum" / "notes.txt").write_text("no sound")
    noise = read_noise(str(tmp_path), "mean", QUIET)
    np.testing.assert_array_equal(noise, hum)
    sounds = np.zeros((64, 16_000), np.int16)
    sounds[:, 8000:8100] = 8000
    layer = RandomNoise(noise, ratio=(10, 10), share=0.5)
    np.testing.assert_array_equal(layer(sounds, training=False), sounds)
    added = np.asarray(layer(sounds)) - sounds
    power = np.square(added).mean(axis=1)
    given = power > 0
    assert 16 < given.sum() < 48
    expected = np.square(sounds[0].astype(np.float64)).mean() / 10
    np.testing.assert_allclose(power[given], expected, rtol=0.05)
    # A stretch of the noise itself, from somewhere else for each.
    one, whole = added[given][0][:8000], hum.astype(np.float64)
    alike = np.fft.irfft(np.fft.rfft(one) * np.conj(np.fft.rfft(whole)))
    assert alike.max() / np.linalg.norm(one) / np.linalg.norm(whole) > 0.99
    assert len({int(np.abs(row).argmax()) for row in added[given]}) > 1
    quieter = RandomNoise(noise // 2, ratio=(10, 10), share=0.5)
    assert layer.get_config()["noise"] != quieter.get_config()["noise"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(KfineError, match=r"a folder of recordings\. Received: .*empty, with none"):
        read_noise(str(tmp_path / "empty"), "mean", QUIET)


def test_recordings_are_mixed_with_their_labels() -> None:
    from kfine.inputs.audio.augmentation import MixUp

    sounds = np.repeat(np.arange(8, dtype=np.float32)[:, None] * 100, 50, axis=1)
    labels = np.eye(8, dtype=np.float32)
    mixed = MixUp(alpha=0.4)({"images": sounds, "labels": labels}, training=True)
    found, shares = np.asarray(mixed["images"]), np.asarray(mixed["labels"])
    assert found.shape == sounds.shape
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(found[:, 0], shares @ sounds[:, 0], rtol=1e-4)
    assert np.abs(found - sounds).max() > 1


@pytest.mark.slow
def test_noise_and_mixing_go_through_training(tones: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "data": str(tones),
        "unfreeze": "none",
        "epochs": 2,
        "noise": str(tones / "low"),
        "mix": "mixup",
        "augment_views": 2,
        "refit": "no",
        "console": QUIET,
    }
    run = kfine.fit("audio_classification", run_dir=tmp_path / "run", **options)
    assert run.history[-1]["val_accuracy"] > 0.5
    assert run.config.noise == str((tones / "low").resolve())
    options["noise"] = str(tmp_path / "missing")
    with pytest.raises(ConfigError, match=r"a folder of recordings\. Received: .*missing"):
        kfine.fit("audio_classification", run_dir=tmp_path / "other", **options)
    assert not (tmp_path / "other").exists()


def test_the_shipped_network_hears_windows_of_its_own_length_alone(tmp_path: Path) -> None:
    settings = {"data": str(tmp_path)}
    assert prepare("audio_classification", None, {**settings, "seconds": 0.975})
    with pytest.raises(PresetError, match=r"hears 0\.975 seconds at a time; leave out seconds"):
        prepare("audio_classification", None, {**settings, "seconds": 2.0})
    with pytest.raises(PresetError, match="yamnet' does not take images; use an image preset"):
        prepare("image_classification", None, {**settings, "preset": "yamnet"})


def test_a_head_of_the_shipped_network_has_its_blocks_below(tiny_preset: str) -> None:
    from kfine.models.groups import layer_groups

    model = sound_model(find_preset("yamnet"), 3)
    assert [one.name for one in layer_groups(model)] == [
        "stem",
        *(f"layer{number}" for number in range(1, 15)),
        "head",
    ]
    assert model(np.zeros((2, 96, 64), np.float32)).shape == (2, 3)
    both = sound_model(find_preset("yamnet"), 3, pooling="both")
    assert both.get_layer("logits").kernel.shape[0] == 512 + 1024
    # A network of images is given pictures.
    assert sound_model(find_preset(tiny_preset), 3)(np.zeros((2, 64, 64, 3))).shape == (2, 3)


@pytest.mark.slow
def test_a_network_of_images_tells_tones_apart_as_pictures(
    tones: Path, tiny_preset: str, tmp_path: Path
) -> None:
    run = kfine.fit(
        "audio_classification",
        data=str(tones),
        preset=tiny_preset,
        seconds=0.6,
        epochs=2,
        unfreeze="none",
        refit="no",
        run_dir=tmp_path / "run",
        console=QUIET,
    )
    metrics = kfine.evaluate(run, console=QUIET)
    assert metrics["accuracy"] > 0.6
    assert run.input.shape == (2 * frames_of(0.6), 128, 3)
    report = kfine.export(run, max_drop=1, console=QUIET)
    assert report.bundle is not None
    found = kfine.predict(report.bundle, [tones / "low" / "00.wav"], console=QUIET)
    assert found[0].label in ("low", "middle", "high")


def test_a_long_recording_is_heard_in_parts(tones: Path, run: kfine.Run, tmp_path: Path) -> None:
    parts = [soundfile.read(tones / name / "00.wav")[0] for name in ("low", "high", "middle")]
    path = tmp_path / "long.flac"
    soundfile.write(path, np.concatenate(parts), 8000)
    track = tmp_path / "labels.txt"
    found = kfine.predict(run, path, every=0.5, label_track=track, console=QUIET)
    times = [one.times for one in found]
    assert times[0] == (0.0, 0.975) and times[1] == (0.5, 1.475)
    assert times[-1][1] == pytest.approx(6.0)
    for one in found:
        start, end = one.times
        if start // 2 == (end - 0.001) // 2:  # of one tone alone
            assert one.label == ("low", "high", "middle")[int(start // 2)]
    lines = [line.split("\t") for line in track.read_text().splitlines()]
    named = [label for _, _, label in lines]
    assert named[0] == "low" and named[-1] == "middle" and float(lines[-1][1]) == pytest.approx(6.0)
    assert all(float(start) < float(end) for start, end, _ in lines)
    whole = kfine.predict(run, [path], console=QUIET)
    assert len(whole) == 1 and whole[0].times is None


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"every": 0.0}, "every is a number of seconds above 0"),
        ({"label_track": "labels.txt"}, "give every too"),
    ],
)
def test_parts_that_cannot_be_are_refused(
    run: kfine.Run, tones: Path, asked: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        kfine.predict(run, tones / "low" / "00.wav", console=QUIET, **asked)
    with pytest.raises(ConfigError, match=r"of one recording\. Received: 24"):
        kfine.predict(run, tones / "low", every=1.0, label_track="x.txt", console=QUIET)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"format": "onnx"}, "does not convert the Fourier transform"),
        ({"format": "trainable"}, "does not learn on the phone"),
        ({"quantize": "int8-full"}, r"use quantize int8\. Received: int8-full"),
        ({"input": "any"}, "so its input is fixed"),
    ],
)
def test_files_that_cannot_be_are_refused_in_a_sentence(
    run: kfine.Run, asked: dict[str, Any], said: str
) -> None:
    with pytest.raises(KfineError, match=said):
        kfine.export(run, console=QUIET, **asked)


@pytest.mark.slow
def test_the_python_program_listens_to_a_microphone(
    tones: Path,
    run: kfine.Run,
    program: Callable[[Path], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A stream with the interface of sounddevice's, since there is no microphone here."""
    values, rate = soundfile.read(tones / "high" / "01.wav", dtype="float32")
    heard = np.repeat(values, RATE // rate)

    class Stream:
        def __init__(self, **options: Any) -> None:
            assert options == {"samplerate": RATE, "channels": 1, "dtype": "float32"}
            self.place = 0

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def read(self, count: int) -> tuple[np.ndarray, bool]:
            self.place += count
            return np.resize(heard, self.place)[-count:, None], False

    monkeypatch.setitem(sys.modules, "sounddevice", SimpleNamespace(InputStream=Stream))
    bundle = kfine.export(run, max_drop=1, console=QUIET).bundle
    assert bundle is not None
    module = program(bundle / "snippets" / "classify.py")
    listening = module.listen(every=0.25)
    first, *_, last = [next(listening) for _ in range(8)]
    (expected,) = kfine.predict(bundle, tones / "high" / "01.wav", console=QUIET)
    assert max(last, key=lambda one: last[one]) == expected.label
    assert first != last


@pytest.mark.slow
def test_mediapipe_hears_what_predict_does(tones: Path, run: kfine.Run) -> None:
    mediapipe: Any = pytest.importorskip("mediapipe.tasks.python", exc_type=ImportError)
    from mediapipe.tasks.python.components import containers

    report = kfine.export(run, max_drop=1, console=QUIET)
    assert report.bundle is not None
    audio = mediapipe.audio
    options = audio.AudioClassifierOptions(
        base_options=mediapipe.BaseOptions(model_asset_path=str(report.bundle / "model.tflite"))
    )
    # Of half a second: one window.
    files = [one for one in sorted(tones.rglob("*.wav")) if int(one.stem) % 6]
    ours = kfine.predict(report.bundle, files, console=QUIET)
    with audio.AudioClassifier.create_from_options(options) as client:
        for path, one in zip(files, ours, strict=True):
            samples, rate = soundfile.read(path, dtype="float32")
            sound = containers.AudioData.create_from_array(samples, rate)
            (result,) = client.classify(sound)
            best = result.classifications[0].categories[0]
            assert best.category_name == one.label
            # It resamples in its own way.
            assert best.score == pytest.approx(one.rows[0]["probability"], abs=0.1)
