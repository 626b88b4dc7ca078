"""The shape of a torus: its sides, and the traffic that its middle carries."""

from __future__ import annotations

import math


def sides(members: int, dimensions: int) -> tuple[int, ...]:
    """Devices along each axis that a block of `members` spans, the box nearest to a cube.

    A block spans log2(members) axes until all are used; a box that is begun counts as a whole one.

    >>> sides(4096, 3), sides(4, 3), sides(32, 3)
    ((16, 16, 16), (2, 2), (4, 3, 3))
    """
    left, found = members, []
    for axes in range(spanned(members, dimensions), 0, -1):
        side = round(left ** (1 / axes))
        side += side**axes < left
        found.append(side)
        left = -(-left // side)
    return tuple(found)


def spanned(members: int, dimensions: int) -> int:
    """Axes along which a block of `members` has more than one.

    >>> [spanned(members, 3) for members in (1, 2, 3, 8, 4096)]
    [0, 1, 2, 3, 3]
    """
    return min((members - 1).bit_length(), dimensions)


def crowding(members: int, across: float, own: float) -> float:
    """Seconds of an all-to-all over those of its bytes at the rate of a member's own links.

        c = max(1, h (n - h) own / (across (n - 1))),  h = n // 2

    `own` links has a member, `across` lead in one direction from one half of the n to the other,
    which h (n - h) messages cross while each member sends n - 1 (Dally and Towles 2004).

    >>> crowding(64, across=2 * 16, own=6)  # a torus of 4 x 4 x 4
    3.0476190476190474
    >>> crowding(8, across=16, own=7)  # all pairs are joined
    1.0
    """
    half = members // 2
    return max(1.0, half * (members - half) * own / (across * (members - 1)))


def across(each: tuple[int, ...]) -> float:
    """Links in one direction from one half of a torus to the other, cut across its longest side.

    >>> across((4, 4, 4))
    32.0
    """
    return 2 * math.prod(each) / max(each)
