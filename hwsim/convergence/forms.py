"""The forms that laws of steps take, as functions of sizes divided by their centers.

    power-plateau   S = a D^k1 / M^k2 + b               (Ardalani, Hestness, Diamos 2018)
    power           the same with b = 0
    pole            S = a D^k1 / (1 - (pole / M)^k2)    no model at or below the pole gets there

The last is what a target at an absolute loss asks for: steps grow without bound towards the
smallest model that can reach it, and flatten above (the shape of Kaplan et al. 2020, equation 1.6,
solved for the steps, with the two exponents drawn into one).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from hwsim.convergence.batch import steps

Form = Literal["power", "power-plateau", "pole"]
Floats = npt.NDArray[np.float64]

# A draw whose pole lies above the model asked for counts as this close to it.
NEAREST = 1e-3


def power_plateau(
    model: Floats | float,
    data: Floats | float,
    a: Floats | float,
    k1: Floats | float,
    k2: Floats | float,
    b: Floats | float,
) -> Floats | float:
    """a D^k1 / M^k2 + b, with M and D already divided by their centers.

    >>> power_plateau(4.0, 1.0, a=1000.0, k1=0.7, k2=0.5, b=100.0)
    600.0
    """
    return a * data**k1 / model**k2 + b


def pole_form(
    model: Floats | float,
    data: Floats | float,
    a: Floats | float,
    k1: Floats | float,
    k2: Floats | float,
    pole: Floats | float,
) -> Floats | float:
    """a D^k1 / (1 - (pole / M)^k2), with all sizes already divided by their centers.

    The divisor is at least `NEAREST`.

    >>> float(pole_form(4.0, 1.0, a=1000.0, k1=0.7, k2=0.5, pole=1.0))
    2000.0
    """
    return a * data**k1 / np.maximum(1.0 - (pole / model) ** k2, NEAREST)


def batch_factor(batch: float, critical: Floats | float, center: float) -> Floats | float:
    """(1 + critical / batch) / (1 + critical / center): steps at `batch` over those at `center`.

    All in samples.

    >>> batch_factor(64, 64, 32), batch_factor(32, 64, 32)
    (0.6666666666666666, 1.0)
    """
    return steps(batch, 1.0, critical) / steps(center, 1.0, critical)
