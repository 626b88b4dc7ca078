"""Loss as a function of model size and steps or tokens, and its inverse: steps at a fixed loss.

    L(S) = L_floor + C S^-c          S(L) = (C / (L - L_floor))^(1 / c)

The inverse has a pole at the floor: a model whose floor lies above the loss never reaches it, and
the smallest feasible size needs infinitely many steps.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Values = float | npt.NDArray[np.float64]


def steps_at(loss: Values, floor: Values, amplitude: Values, exponent: Values) -> Values:
    """S(L) = (C / (L - L_floor))^(1 / c), infinite at and below the floor.

    >>> round(float(steps_at(3.0, floor=2.5, amplitude=50.0, exponent=0.5)), 6)
    10000.0
    >>> float(steps_at(2.5, floor=2.5, amplitude=50.0, exponent=0.5))
    inf
    """
    gap = np.asarray(loss - np.asarray(floor), dtype=float)
    with np.errstate(divide="ignore", over="ignore"):
        ratio = np.where(gap > 0.0, amplitude / np.where(gap > 0.0, gap, 1.0), np.inf)
        return np.asarray(ratio ** (1.0 / np.asarray(exponent)))
