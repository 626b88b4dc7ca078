"""Speech to train on: a folder of wav files, and a manifest that says what is spoken in them.

The manifest is a CSV file with the columns `file` (a path beside the manifest), `text` (letters)
and `part` (training or validation). Spectrograms are log magnitudes of windows of 2 (bins - 1)
samples, one each 10 ms, normalized by mean and deviation of the training part.
"""

from __future__ import annotations

import csv
import hashlib
import io
import random
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from calibration.converge.corpora.corpus import Recordings, Speech
from hwsim import jsonfile
from hwsim.errors import InputError

COLUMNS = ("file", "text", "part")
PARTS = ("training", "validation")
HOP_SECONDS = 0.010
SHUFFLE_SEED = 2018
MEND = "mend it or take it off the manifest"
LETTERS = "abcdefghijklmnopqrstuvwxyz' "  # codes from 1; 0 is the blank of CTC

Spectrogram = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Line:
    """One row of the manifest."""

    file: Path
    labels: tuple[int, ...]
    part: str


def speech(manifest: Path, *, bins: int, frames: int, labels: int) -> Speech:
    """The recordings of at most `frames` frames and `labels` letters, padded to these.

    Raises InputError for a manifest or a recording that can't be read, with the file's name.
    """
    lines = _manifest(manifest)
    hashed = hashlib.sha256()
    kept: dict[str, list[tuple[Spectrogram, tuple[int, ...]]]] = {part: [] for part in PARTS}
    dropped = 0
    for line in lines:
        rate, samples = _samples(line.file)
        hashed.update(samples.tobytes())
        spectrum = _spectrogram(samples, rate, bins)
        if spectrum.shape[1] > frames or len(line.labels) > labels:
            dropped += 1
        else:
            kept[line.part].append((spectrum, line.labels))
    for part, found in kept.items():
        if not found:
            raise InputError(
                str(manifest),
                f"found no {part} recording of at most {frames} frames and {labels} letters",
                "set workload.frames and workload.labels higher, or name other files",
            )
    inside = np.concatenate([spectrum.ravel() for spectrum, _ in kept["training"]])
    mean, deviation = float(inside.mean()), float(inside.std()) or 1.0
    training, validation = (
        _padded(kept[part], bins, frames, labels, mean, deviation) for part in PARTS
    )
    return Speech(
        name=manifest.parent.name or manifest.name,
        sha256=hashed.hexdigest(),
        unit="frames",
        vocabulary=len(LETTERS) + 1,
        training=training,
        validation=validation,
        size=len(training.labels) * frames,
        held=len(validation.labels) * frames,
        left_out=(f"{dropped} longer recordings",) if dropped else (),
    )


def _manifest(path: Path) -> list[Line]:
    text = jsonfile.file_text(str(path), str(path), jsonfile.LARGEST_DATA)
    reader = csv.DictReader(io.StringIO(text))
    if not set(COLUMNS) <= set(reader.fieldnames or ()):
        raise InputError(
            str(path),
            f"its first line is not a manifest's ({', '.join(reader.fieldnames or ())[:200]})",
            f"begin with the columns {','.join(COLUMNS)}",
        )
    lines = []
    for number, row in enumerate(reader, start=2):
        where = f"{path}: line {number}"
        letters = (row["text"] or "").lower()
        codes = tuple(LETTERS.find(letter) + 1 for letter in letters)
        if not codes or 0 in codes:
            raise InputError(
                where, f"found the text {row['text']!r}", "write letters, ' and spaces only"
            )
        if row["part"] not in PARTS:
            raise InputError(
                where, f"found the part {row['part']!r}", f"write {' or '.join(PARTS)}"
            )
        lines.append(Line(path.parent / (row["file"] or ""), codes, row["part"]))
    random.Random(SHUFFLE_SEED).shuffle(lines)
    return lines


def _samples(path: Path) -> tuple[int, npt.NDArray[np.int16]]:
    """The sample rate, and the samples of a mono file of 16 bits."""
    try:
        with wave.open(str(path), "rb") as file:
            shape = (file.getnchannels(), file.getsampwidth())
            rate, frames = file.getframerate(), file.readframes(file.getnframes())
            expected = file.getnframes() * 2
    except (OSError, EOFError, wave.Error) as error:
        raise InputError(
            str(path),
            f"can't be read as a wav file ({error})",
            "mend it or take it off the manifest",
        ) from None
    if shape != (1, 2):
        raise InputError(
            str(path), f"found {shape[0]} channels of {8 * shape[1]} bits", "give mono, 16 bits"
        )
    if not frames or len(frames) < expected:
        raise InputError(
            str(path),
            f"holds {len(frames)} of {expected} bytes",
            MEND,
        )
    return rate, np.frombuffer(frames, dtype="<i2")


def _spectrogram(samples: npt.NDArray[np.int16], rate: int, bins: int) -> Spectrogram:
    """Log magnitudes, (bins, frames)."""
    window, hop = 2 * (bins - 1), max(round(rate * HOP_SECONDS), 1)
    padded = np.concatenate((samples, np.zeros(window, dtype=np.int16))) / 32768.0
    starts = np.arange(0, len(samples), hop)
    pieces = padded[starts[:, None] + np.arange(window)] * np.hanning(window)
    return np.log(np.abs(np.fft.rfft(pieces, axis=1)) + 1e-4).T.astype(np.float32)


def _padded(
    found: list[tuple[Spectrogram, tuple[int, ...]]],
    bins: int,
    frames: int,
    labels: int,
    mean: float,
    deviation: float,
) -> Recordings:
    spectrograms = np.zeros((len(found), bins, frames), dtype=np.float32)
    codes = np.zeros((len(found), labels), dtype=np.int64)
    for i, (spectrum, letters) in enumerate(found):
        spectrograms[i, :, : spectrum.shape[1]] = (spectrum - mean) / deviation
        codes[i, : len(letters)] = letters
    return Recordings(spectrograms, codes)
