"""Which sizes are held out together: a quarter of each family at a time."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from calibration.fitting.stack import Floats
from calibration.measurement import Case
from calibration.predict.families import family_of

FOLDS = 4
LOOSE = {"way", "timesteps", "algorithm"}  # what equal sizes may differ in


def even_folds(cases: Sequence[Case]) -> Floats:
    """A number below `FOLDS` for each case, equal for equal sizes; every family has all of them.

    The order is a hash's, so that neighbors of a grid don't all fall together.
    """
    texts = [repr(case.shape.model_dump(exclude=LOOSE)) for case in cases]
    families: dict[str, set[str]] = defaultdict(set)
    names = [(family_of(case) or case.kind).partition(".")[0] for case in cases]
    for name, text in zip(names, texts, strict=True):
        families[name].add(text)
    numbers = {
        (name, text): rank % FOLDS
        for name, members in families.items()
        for rank, text in enumerate(sorted(members, key=lambda text: zlib.crc32(text.encode())))
    }
    return np.array([numbers[key] for key in zip(names, texts, strict=True)], dtype=float)
