"""Steps between measured ones: straight lines of ln(steps) over ln(size) or ln(batch)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hwsim.errors import InputError

Floats = npt.NDArray[np.float64]


def interpolated(
    at: float | Floats, sizes: Floats, steps: Floats, *, extrapolate: bool = False
) -> Floats:
    """Steps at sizes or batches `at`, from those measured at `sizes`, in any order.

    Beyond the measured sizes the nearest two go on, if `extrapolate`. Raises InputError for fewer
    than two sizes or one that is there twice, for anything not above 0, and for extrapolation that
    wasn't asked for.

    >>> round(float(interpolated(20.0, np.array([40.0, 10.0]), np.array([500.0, 2000.0]))), 6)
    1000.0
    """
    x, first = np.unique(np.asarray(sizes, dtype=float), return_index=True)
    y = np.asarray(steps, dtype=float)[first]
    wanted = np.asarray(at, dtype=float)
    if len(x) < 2 or len(x) < len(np.atleast_1d(sizes)):
        what = f"found {len(x)} different sizes"
        raise InputError("table of steps", what, "give two sizes and more, each once")
    if not all((values > 0.0).all() for values in (x, y, wanted)):
        raise InputError("table of steps", "found a value not above 0", "write sizes and counts")
    if not extrapolate and not ((x[0] <= wanted) & (wanted <= x[-1])).all():
        raise InputError(
            "table of steps",
            f"found a size outside of {x[0]:g} to {x[-1]:g}",
            "ask inside of it, or for extrapolation",
        )
    logs, heights = np.log(x), np.log(y)
    left = np.clip(np.searchsorted(logs, np.log(wanted)) - 1, 0, len(x) - 2)
    slope = np.diff(heights) / np.diff(logs)
    return np.asarray(np.exp(heights[left] + slope[left] * (np.log(wanted) - logs[left])))
