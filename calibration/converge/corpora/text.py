"""Text to train on: read, deduplicated, shuffled by paragraph, cut, encoded.

The default is a text that every machine has: the topics of CPython's own help (`pydoc_data`). It
differs between Python versions, so its hash travels with every curve. Without shuffling, its
alphabetical tail is another domain than its head; without deduplication, repeated paragraphs leak
from training into validation.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections import Counter
from pathlib import Path

import numpy as np

from calibration.converge.corpora.corpus import Codes, Text
from hwsim import jsonfile
from hwsim.errors import InputError

DEFAULT = "pydoc-topics"
VALIDATION_CHARACTERS = 24_000
VALIDATION_WORDS = 10_000
SHUFFLE_SEED = 2018
UNKNOWN = 0  # the code of every word outside the vocabulary
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*|[^\w\s]|_")


def characters(path: Path | None = None, validation: int = VALIDATION_CHARACTERS) -> Text:
    """The characters of a UTF-8 file, or of the default text.

    Raises InputError if the file can't be read as text or is too short to cut.
    """
    name, text = _shuffled(path)
    _long_enough(name, len(text), validation, "characters")
    symbols, codes = np.unique(np.array(list(text)), return_inverse=True)
    return _cut(name, text, "characters", len(symbols), codes.astype(np.int64), validation)


def words(path: Path | None, vocabulary: int, validation: int = VALIDATION_WORDS) -> Text:
    """Lower-case words and punctuation marks; all but the `vocabulary` - 1 most frequent are one.

    Raises InputError as `characters` does, and for a vocabulary of more words than there are.
    """
    name, text = _shuffled(path)
    found = _WORD.findall(text.lower())
    _long_enough(name, len(found), validation, "words")
    # Ties go by the alphabet, so that the codes don't depend on the order of the paragraphs.
    ranked = sorted(Counter(found).items(), key=lambda item: (-item[1], item[0]))
    if vocabulary > len(ranked) + 1:
        raise InputError(
            "workload.vocabulary",
            f"found {vocabulary}, but {name} has {len(ranked)} different words",
            f"write --set workload.vocabulary={len(ranked) + 1} or fewer",
        )
    codes = {word: code for code, (word, _) in enumerate(ranked[: vocabulary - 1], start=1)}
    encoded = np.array([codes.get(word, UNKNOWN) for word in found], dtype=np.int64)
    return _cut(name, text, "words", vocabulary, encoded, validation)


def _cut(name: str, text: str, unit: str, vocabulary: int, codes: Codes, validation: int) -> Text:
    return Text(
        name=name,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        unit=unit,
        vocabulary=vocabulary,
        training=codes[:-validation],
        validation=codes[-validation:],
        size=len(codes) - validation,
        held=validation,
    )


def _shuffled(path: Path | None) -> tuple[str, str]:
    name, raw = (DEFAULT, _pydoc_topics()) if path is None else (path.name, _text(path))
    paragraphs = list(dict.fromkeys(p.strip() for p in raw.split("\n\n") if p.strip()))
    random.Random(SHUFFLE_SEED).shuffle(paragraphs)
    return name, "\n\n".join(paragraphs)


def _long_enough(name: str, found: int, validation: int, unit: str) -> None:
    if found < 2 * validation:
        raise InputError(
            name,
            f"found {found} {unit} after removing repeated paragraphs",
            f"give a text of at least {2 * validation}, {validation} of which are for validation",
        )


def _pydoc_topics() -> str:
    from pydoc_data import topics

    return "\n\n".join(topics.topics.values())


def _text(path: Path) -> str:
    text = jsonfile.file_text(str(path), str(path), jsonfile.LARGEST_DATA)
    return text.replace("\r\n", "\n").replace("\r", "\n")
