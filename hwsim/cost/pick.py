"""The lesser and the greater of two figures: numbers, or arrays over hardware points.

numpy takes ten times as long for single numbers, of which most steps are made.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def lesser(a: Any, b: Any) -> Any:
    """The lesser one, point by point.

    >>> lesser(2.0, 3.0), lesser(2.0, np.array([1.0, 3.0])).tolist()
    (2.0, [1.0, 2.0])
    """
    return np.minimum(a, b) if is_array(a) or is_array(b) else min(a, b)


def greater(a: Any, b: Any) -> Any:
    """The greater one, point by point."""
    return np.maximum(a, b) if is_array(a) or is_array(b) else max(a, b)


def is_array(value: Any) -> bool:
    """Whether a figure has points."""
    return isinstance(value, np.ndarray)
