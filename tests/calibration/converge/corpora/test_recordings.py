"""Recordings: read, cut into frames, refused with their name."""

from __future__ import annotations

import wave

import numpy as np
import pytest

from calibration.converge.corpora import recordings
from hwsim.errors import InputError

SIZES = {"bins": 41, "frames": 20, "labels": 4}
RATE = 8000


def write(path, seconds=0.15, pitch=440.0, channels=1):
    times = np.arange(int(seconds * RATE)) / RATE
    samples = (0.3 * 32767 * np.sin(2 * np.pi * pitch * times)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.repeat(samples, channels).tobytes())


def manifest(folder, *lines):
    path = folder / "manifest.csv"
    path.write_text("\n".join(("file,text,part", *lines)) + "\n")
    return path


@pytest.fixture
def folder(tmp_path):
    for name, pitch in (("a", 440.0), ("b", 1000.0), ("c", 440.0)):
        write(tmp_path / f"{name}.wav", pitch=pitch)
    return tmp_path


LINES = ("a.wav,la,training", "b.wav,Do,training", "c.wav,la,validation")


def test_spectrograms_show_the_pitch(folder):
    found = recordings.speech(manifest(folder, *LINES), **SIZES)
    assert found.training.spectrograms.shape == (2, 41, 20)
    assert (found.size, found.held, found.unit) == (40, 20, "frames")
    # Bins are 100 Hz apart; frames behind the end are silent, and differ from none.
    loudest = found.training.spectrograms[:, :, 5].argmax(axis=1)
    assert sorted(loudest) == [4, 10]
    assert not found.training.spectrograms[:, :, 15:].any()


def test_letters_are_coded_from_one(folder):
    found = recordings.speech(manifest(folder, *LINES), **SIZES)
    assert found.validation.labels.tolist() == [[12, 1, 0, 0]]
    assert found.vocabulary == 29


def test_longer_ones_are_left_out_and_said(folder):
    write(folder / "long.wav", seconds=0.9)
    lines = (*LINES, "long.wav,la,training", "a.wav,sol fa,training")
    found = recordings.speech(manifest(folder, *lines), **SIZES)
    assert len(found.training.labels) == 2
    assert found.left_out == ("2 longer recordings",)


def test_the_files_contents_decide_the_hash(folder):
    path = manifest(folder, *LINES)
    first = recordings.speech(path, **SIZES).sha256
    assert recordings.speech(path, **SIZES).sha256 == first
    write(folder / "b.wav", pitch=900.0)
    assert recordings.speech(path, **SIZES).sha256 != first


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("none.wav,la,training", "none.wav.*can't be read as a wav file"),
        ("half.wav,la,training", "half.wav.*(can't be read|holds)"),
        ("text.wav,la,training", "text.wav.*can't be read as a wav file"),
        ("stereo.wav,la,training", "stereo.wav.*found 2 channels"),
        ("a.wav,l4,training", "line 5.*'l4'"),
        ("a.wav,,training", "line 5.*''"),
        ("a.wav,la,test", "line 5.*'test'"),
        ("a.wav", "line 5"),
    ],
)
def test_a_fault_names_the_file_or_the_line(folder, line, fault):
    whole = (folder / "a.wav").read_bytes()
    (folder / "half.wav").write_bytes(whole[: len(whole) // 2])
    (folder / "text.wav").write_text("no sound")
    write(folder / "stereo.wav", channels=2)
    with pytest.raises(InputError, match=fault):
        recordings.speech(manifest(folder, *LINES, line), **SIZES)


def test_a_part_with_nothing_in_it(folder):
    with pytest.raises(InputError, match="found no validation recording"):
        recordings.speech(manifest(folder, *LINES[:2]), **SIZES)


def test_a_table_that_is_no_manifest(folder):
    path = folder / "manifest.csv"
    path.write_text("name,text\na.wav,la\n")
    with pytest.raises(InputError, match=r"not a manifest's \(name, text\)"):
        recordings.speech(path, **SIZES)
