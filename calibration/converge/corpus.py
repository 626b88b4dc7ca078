"""Text to train on: read, deduplicated, shuffled by paragraph, cut, encoded.

The default is a text that every machine has: the topics of CPython's own help (`pydoc_data`). It
differs between Python versions, so its hash travels with every curve. Without shuffling, its
alphabetical tail is another domain than its head; without deduplication, repeated paragraphs leak
from training into validation.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hwsim import jsonfile
from hwsim.errors import InputError

DEFAULT = "pydoc-topics"
VALIDATION_CHARACTERS = 24_000
SHUFFLE_SEED = 2018


@dataclass(frozen=True)
class Corpus:
    """Characters as integers below `vocabulary`; `path` is None for the default text."""

    path: Path | None
    name: str
    sha256: str
    vocabulary: int
    training: npt.NDArray[np.int64]
    validation: npt.NDArray[np.int64]


def load(path: Path | None = None, validation: int = VALIDATION_CHARACTERS) -> Corpus:
    """The corpus of a UTF-8 file, or the default one.

    Raises InputError if the file can't be read as text or is too short to cut.
    """
    name, raw = (DEFAULT, _pydoc_topics()) if path is None else (path.name, _text(path))
    paragraphs = list(dict.fromkeys(p.strip() for p in raw.split("\n\n") if p.strip()))
    random.Random(SHUFFLE_SEED).shuffle(paragraphs)
    text = "\n\n".join(paragraphs)
    if len(text) < 2 * validation:
        raise InputError(
            name,
            f"found {len(text)} characters after removing repeated paragraphs",
            f"give a text of at least {2 * validation}, {validation} of which are for validation",
        )
    symbols, codes = np.unique(np.array(list(text)), return_inverse=True)
    codes = codes.astype(np.int64)
    return Corpus(
        path=path,
        name=name,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        vocabulary=len(symbols),
        training=codes[:-validation],
        validation=codes[-validation:],
    )


def _pydoc_topics() -> str:
    from pydoc_data import topics

    return "\n\n".join(topics.topics.values())


def _text(path: Path) -> str:
    text = jsonfile.file_text(str(path), str(path), jsonfile.LARGEST_DATA)
    return text.replace("\r\n", "\n").replace("\r", "\n")
