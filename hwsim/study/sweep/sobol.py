"""Points that fill a cube evenly: Sobol's sequence, any of them without those before it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

# Degree, coefficients and first direction numbers of dimensions 2 to 16: Joe & Kuo 2008
# ("Constructing Sobol sequences with better two-dimensional projections", SIAM J. Sci. Comput.
# 30), table new-joe-kuo-6.21201.
DIRECTIONS: tuple[tuple[int, int, tuple[int, ...]], ...] = (
    (1, 0, (1,)),
    (2, 1, (1, 3)),
    (3, 1, (1, 3, 1)),
    (3, 2, (1, 1, 1)),
    (4, 1, (1, 1, 3, 3)),
    (4, 4, (1, 3, 5, 13)),
    (5, 2, (1, 1, 5, 5, 17)),
    (5, 4, (1, 1, 5, 5, 5)),
    (5, 7, (1, 1, 7, 11, 19)),
    (5, 11, (1, 1, 5, 1, 1)),
    (5, 13, (1, 1, 1, 3, 11)),
    (5, 14, (1, 3, 5, 5, 31)),
    (6, 1, (1, 3, 3, 9, 7, 49)),
    (6, 13, (1, 1, 1, 15, 21, 21)),
    (6, 16, (1, 3, 1, 13, 27, 49)),
)
MOST = len(DIRECTIONS) + 1
BITS = 32


def sobol(first: int, end: int, dimensions: int, seed: int = 0) -> npt.NDArray[np.float64]:
    """Points `first` to `end` in the unit cube, (points, dimensions), shifted digitally by `seed`.

    Point n is the exclusive or of the direction numbers v_j at the bits j of n's Gray code, and of
    a random number per dimension, which keeps every balance of the sequence; seed 0 shifts nothing.

    >>> sobol(0, 4, 2).tolist()
    [[0.0, 0.0], [0.5, 0.5], [0.75, 0.25], [0.25, 0.75]]
    """
    number = np.arange(first, end, dtype=np.uint64)
    gray = number ^ (number >> np.uint64(1))
    found = np.zeros((end - first, dimensions), dtype=np.uint64)
    if seed:
        found ^= np.random.default_rng(seed).integers(2**BITS, size=dimensions, dtype=np.uint64)
    vectors = _vectors(dimensions)
    for bit in range(max(end - 1, 1).bit_length()):
        on = ((gray >> np.uint64(bit)) & np.uint64(1)).astype(bool)
        found[on] ^= vectors[bit]
    return found / 2.0**BITS


def _vectors(dimensions: int) -> npt.NDArray[np.uint64]:
    """Direction numbers as fixed-point fractions: (bits, dimensions)."""
    columns = [[1 << (BITS - 1 - bit) for bit in range(BITS)]]
    for degree, coefficients, start in DIRECTIONS[: dimensions - 1]:
        numbers = list(start)
        for bit in range(degree, BITS):
            new = numbers[bit - degree] ^ (numbers[bit - degree] << degree)
            for k in range(1, degree):
                if coefficients >> (degree - 1 - k) & 1:
                    new ^= numbers[bit - k] << k
            numbers.append(new)
        columns.append([number << (BITS - 1 - bit) for bit, number in enumerate(numbers)])
    return np.array(columns, dtype=np.uint64).T
