"""The record of a corpus, whatever it is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.int64]
Items = TypeVar("Items")


@dataclass(frozen=True)
class Recordings:
    """Spectrograms of equal length with their labels.

    `spectrograms`: (recordings, bins, frames); `labels`: (recordings, labels), 0 behind the last.
    """

    spectrograms: npt.NDArray[np.float32]
    labels: Codes


@dataclass(frozen=True)
class Corpus(Generic[Items]):
    """Two parts that share nothing; sizes are in `unit`.

    `vocabulary` counts the symbols that a model tells apart, `entropy` is the loss in nats per item
    which no model can beat on the validation part, where that is known; `left_out` says what of
    the files is in neither part.
    """

    name: str
    sha256: str
    unit: str
    vocabulary: int
    training: Items
    validation: Items
    size: int
    held: int
    entropy: float | None = None
    left_out: tuple[str, ...] = field(default=())


Text = Corpus[Codes]
Speech = Corpus[Recordings]
AnyCorpus = Corpus[Any]
