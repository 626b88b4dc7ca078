"""Steps as a function of the batch: few steps for large batches, few samples for small ones.

    S(B) = S_min (1 + B_crit / B)          E(B) = B S(B) = E_min (1 + B / B_crit)

(McCandlish, Kaplan, Amodei 2018, arXiv 1812.06162, section 2.3). B_crit is in the unit of B,
samples or tokens: there training takes twice the least steps and twice the least samples.
Arguments are numbers or arrays; B, S and B_crit are above 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Values = float | npt.NDArray[np.float64]


def steps(batch: Values, least: Values, critical: Values) -> Values:
    """S(B) = S_min (1 + B_crit / B), with S_min `least` and B_crit `critical`.

    >>> steps(1000.0, least=200.0, critical=13_000.0)
    2800.0
    """
    return least * (1.0 + critical / batch)


def samples(batch: Values, least: Values, critical: Values) -> Values:
    """E(B) = B S(B) = S_min (B + B_crit), a straight line; E_min = S_min B_crit at B = 0.

    >>> samples(1000.0, least=200.0, critical=13_000.0)
    2800000.0
    """
    return least * (batch + critical)


def efficiency(batch: Values, critical: Values, reference: Values = 0.0) -> Values:
    """Samples at a `reference` batch over those at `batch`: (B_0 + B_crit) / (B + B_crit).

    >>> efficiency(13_000.0, critical=13_000.0)
    0.5
    """
    return (reference + critical) / (batch + critical)


def excess(x: Any, sharpness: Any = 1.0, exponent: Any = 1.0) -> Any:
    """ln(S / S_min) at x = ln(B_crit / B): (q / p) ln(1 + e^(p x)), p `sharpness`, q `exponent`.

    p = q = 1 is McCandlish's law. A larger p turns more sharply from proportional to flat; q other
    than 1 is what retuning the optimizer for each batch may leave: S ~ B^-q at small batches.

    >>> round(float(np.exp(excess(0.0))), 6), round(float(np.exp(excess(0.0, sharpness=2.0))), 6)
    (2.0, 1.414214)
    """
    return exponent * np.logaddexp(0.0, sharpness * np.asarray(x)) / sharpness
