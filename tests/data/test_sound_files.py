"""Recordings are read as they come, and what is wrong with them is named and counted."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from kfine.answers.classes import Classes
from kfine.errors import DataError
from kfine.inputs.audio.decoding import as_sound, decode_sound
from kfine.inputs.audio.loading import load_sounds
from kfine.inputs.audio.log_mel import RATE

BUDGET = int(1e9)


def tone(hertz: float, seconds: float, rate: int, loud: float = 0.5) -> np.ndarray:
    times = np.arange(round(seconds * rate)) / rate
    return (loud * np.sin(2 * np.pi * hertz * times)).astype(np.float32)


def loudest_tone(samples: np.ndarray) -> float:
    """In Hz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() * RATE / len(samples))


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3"])
def test_files_of_any_rate_sound_alike(tmp_path: Path, rate: int, ending: str) -> None:
    if ending == "mp3" and rate == 96000:
        pytest.skip("MP3 has no such rate")
    path = tmp_path / f"Straße.{ending}"
    soundfile.write(path, tone(1000, 1.0, rate), rate)
    found = decode_sound(path)
    assert found.samples.dtype == np.int16
    # MP3 adds a part of a frame.
    assert len(found.samples) == pytest.approx(RATE, rel=0.1 if ending == "mp3" else 1e-3)
    assert loudest_tone(found.samples) == pytest.approx(1000, abs=3)
    middle = found.samples[RATE // 4 : 3 * RATE // 4] / 32768
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)
    assert not (found.silent or found.clipped or found.offset or found.one_sided)


def test_a_channel_is_chosen_and_one_that_is_empty_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "stereo.wav"
    left, right = tone(500, 1, RATE), tone(3000, 1, RATE)
    soundfile.write(path, np.stack([left, right], axis=1), RATE)
    assert loudest_tone(decode_sound(path, "left").samples) == pytest.approx(500, abs=3)
    assert loudest_tone(decode_sound(path, "right").samples) == pytest.approx(3000, abs=3)
    assert not decode_sound(path).one_sided
    soundfile.write(path, np.stack([left, 0.001 * right], axis=1), RATE)
    assert decode_sound(path).one_sided


def test_samples_in_memory_are_taken_as_floats_or_whole_numbers() -> None:
    floats = tone(440, 0.1, RATE)
    whole = as_sound(floats)
    np.testing.assert_array_equal(whole, as_sound(whole))
    np.testing.assert_allclose(whole / 32768, floats, atol=1e-4)
    np.testing.assert_array_equal(as_sound(np.stack([floats, floats], axis=1)), whole)
    for wrong in (np.zeros((0,)), np.array([np.nan]), np.zeros((3, 90)), np.array(["a"])):
        with pytest.raises(DataError, match="Received"):
            as_sound(wrong)


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Two classes of eight recordings, and files with which something is wrong."""
    root = tmp_path / "recordings"
    for name, hertz in (("low", 300), ("high", 3000)):
        (root / name).mkdir(parents=True)
        for number in range(8):
            sound = tone(hertz + 10 * number, 0.3, 8000)
            soundfile.write(root / name / f"{number}.wav", sound, 8000)
    return root


def test_what_cannot_be_used_is_set_aside_with_its_reason(recordings: Path) -> None:
    low = recordings / "low"
    (low / "empty.wav").touch()
    (low / "text.wav").write_text("not a sound")
    (low / "video.mp4").write_bytes(b"\0\0\0\x18ftypisom" + bytes(64))
    (low / "torn.wav").write_bytes((low / "0.wav").read_bytes()[:20])
    soundfile.write(low / "nothing.wav", np.zeros(0, np.float32), 8000)
    soundfile.write(low / "hours.flac", np.zeros(8000 * 700, np.int16), 8000)
    data = load_sounds(str(recordings), validation_split=0.2, test_split=0.2, memory_budget=BUDGET)
    said = {one.name: one.reason for one in data.set_aside}
    assert said["low/empty.wav"] == "empty file"
    assert "no sound file that can be read" in said["low/text.wav"]
    assert "ffmpeg" in said["low/video.mp4"]
    assert "low/torn.wav" in said
    assert said["low/nothing.wav"] == "holds no samples"
    assert "12 minutes long" in said["low/hours.flac"]
    assert sum(len(one) for one in data.splits.values()) == 16


def test_what_sounds_wrong_is_counted(recordings: Path) -> None:
    low = recordings / "low"
    soundfile.write(low / "silent.wav", np.zeros(4000, np.float32), 8000)
    soundfile.write(low / "clipped.wav", np.clip(tone(300, 0.5, 8000, 4), -1, 1), 8000)
    soundfile.write(low / "offset.wav", tone(300, 0.5, 8000, 0.2) + 0.3, 8000)
    data = load_sounds(str(recordings), validation_split=0.2, test_split=0.2, memory_budget=BUDGET)
    assert "high tones" not in " ".join(data.warnings)
    soundfile.write(low / "wide.wav", tone(300, 0.5, 16000), 16000)
    data = load_sounds(str(recordings), validation_split=0.2, test_split=0.2, memory_budget=BUDGET)
    said = " ".join(data.warnings)
    assert "19 of 20 recordings are without the high tones that the others have" in said
    assert "1 of 20 recordings are silent all over: low/silent.wav" in said
    assert "1 of 20 recordings are clipped (recorded too loud): low/clipped.wav" in said
    assert "1 of 20 recordings are off zero (a constant added): low/offset.wav" in said


def test_parts_of_a_file_are_examples_that_stay_together(recordings: Path) -> None:
    rows = []
    for number in range(6):
        path = recordings / f"long-{number}.wav"
        parts = [tone(300, 1, 8000), tone(3000, 1, 8000)]
        soundfile.write(path, np.concatenate(parts), 8000)
        rows += [(path.name, "low", 0.1, 0.9), (path.name, "high", 1.1, 2.0)]
    rows += [("long-0.wav", "low", 5, 6), ("long-0.wav", "low", 2, 1)]
    (recordings / "torn.wav").write_bytes(b"RIFF")
    rows += [("torn.wav", "low", 0, 1)]
    manifest = recordings / "parts.csv"
    with manifest.open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label", "start", "end"), *rows])
    data = load_sounds(str(manifest), validation_split=0.3, test_split=0.3, memory_budget=BUDGET)
    reasons = sorted(one.reason for one in data.set_aside)
    assert "no sound file that can be read" in reasons.pop()
    assert reasons[0] == "its times are no seconds from start to end (2 to 1)"
    assert reasons[1] == "its times lie outside the recording of 2.00 seconds"
    where: dict[str, set[str]] = {}
    for name, split in data.splits.items():
        for record, sound in zip(split.records, split.examples(), strict=True):
            where.setdefault(record.name.split("#")[0], set()).add(name)
            expected = 300 if record.label == "low" else 3000
            assert loudest_tone(sound) == pytest.approx(expected, abs=5)
            assert len(sound) == pytest.approx(RATE * (0.8 if record.label == "low" else 0.9))
    assert all(len(one) == 1 for one in where.values())
    assert len(where) == 6


def test_memory_is_asked_for_before_it_is_taken(recordings: Path) -> None:
    with pytest.raises(DataError, match="raise cache_memory, or give fewer"):
        load_sounds(str(recordings), memory_budget=10_000)


@pytest.mark.parametrize("data", ["tfds:speech_commands", "{}/low/0.wav", "{}/nothing", "{}/empty"])
def test_a_source_of_no_recordings_is_named(recordings: Path, data: str) -> None:
    (recordings / "empty").mkdir()
    with pytest.raises(DataError, match=r"recording|wanted a folder"):
        load_sounds(data.format(recordings), memory_budget=BUDGET)


def test_a_group_is_in_one_split(recordings: Path) -> None:
    rows = [
        (f"{name}/{number}.wav", name, f"voice {number % 4}")
        for name in ("low", "high")
        for number in range(8)
    ]
    manifest = recordings / "voices.csv"
    with manifest.open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label", "Speaker"), *rows, ("low/0.wav", "low", "")])
    shares = {"validation_split": 0.25, "test_split": 0.25}
    data = load_sounds(str(manifest), group_column="speaker", memory_budget=BUDGET, **shares)
    assert [one.reason for one in data.set_aside] == ["no speaker"]
    voices = {name: {one.together for one in part.records} for name, part in data.splits.items()}
    assert all(voices.values()) and sum(map(len, voices.values())) == 4
    assert all(set(part.labels) == {"low", "high"} for part in data.splits.values())
    known = Classes(("high", "low"))
    scored = load_sounds(str(recordings), group_column="speaker", memory_budget=BUDGET, like=known)
    assert len(scored.splits["test"]) == 16
    with pytest.raises(DataError, match=r"has no column age\. Received: path, label, speaker"):
        load_sounds(str(manifest), group_column="age", memory_budget=BUDGET)
    with pytest.raises(DataError, match="names a column of a manifest"):
        load_sounds(str(recordings), group_column="age", memory_budget=BUDGET)


def test_a_group_is_read_off_the_paths(recordings: Path) -> None:
    for path in recordings.glob("*/[0-9].wav"):
        path.rename(path.with_name(f"voice{int(path.stem) % 4}-{path.name}"))
    for path in recordings.rglob("*"):
        if path.is_file() and not path.name.startswith("voice"):
            path.unlink()
    shares = {"validation_split": 0.25, "test_split": 0.25}
    options: dict[str, Any] = {"memory_budget": BUDGET, **shares}
    data = load_sounds(str(recordings), group_pattern=r"(voice\d)-", **options)
    voices = [{one.together for one in part.records} for part in data.splits.values()]
    assert sorted(map(len, voices)) == [1, 1, 2] and len(set.union(*voices)) == 4
    for pattern, reason in (
        ("speaker", r"with a bracket around the group.*Received: 'speaker'"),
        ("(", r"with a bracket around the group.*Received: '\('"),
        (r"(voice[012])-", r"no group in the path of 4 of 16 recordings, such as high/voice3-3"),
    ):
        with pytest.raises(DataError, match=reason):
            load_sounds(str(recordings), group_pattern=pattern, **options)


def test_transcripts_are_no_classes(recordings: Path) -> None:
    table = recordings / "said.csv"
    files = sorted(recordings.glob("*/[0-9].wav"))
    said = [f"{one.relative_to(recordings)},the tone number {n}" for n, one in enumerate(files)]
    table.write_text("\n".join(["path,label", *said]))
    with pytest.raises(DataError, match=r"the labels are no classes: 16 .* 'the tone number 0'"):
        load_sounds(str(table), memory_budget=10**9)
