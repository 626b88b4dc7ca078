"""What is found of plans so far."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.parallel.program import PARTS


class Found:
    """Numbers of each plan, NaN until they are known, and why some have none."""

    def __init__(self, number: int) -> None:
        self.seconds, self.spread, self.bytes = (np.full(number, np.nan) for _ in range(3))
        self.parts = {part: np.full(number, np.nan) for part in PARTS}
        self.fits = np.zeros(number, dtype=bool)
        self._why = np.zeros(number, dtype=np.intp)
        self._texts: dict[str, int] = {"": 0}

    def refuse(self, rows: Any, text: str) -> None:
        """These rows have no answer, for the reason in words."""
        self._why[rows] = self._texts.setdefault(text, len(self._texts))

    def open(self, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
        """Which of these rows were not refused."""
        found: npt.NDArray[np.bool_] = self._why[rows] == 0
        return found

    def why(self) -> npt.NDArray[np.object_]:
        """A text for each plan, which equal ones share; empty where there is an answer."""
        return np.array(list(self._texts), dtype=object)[self._why]
