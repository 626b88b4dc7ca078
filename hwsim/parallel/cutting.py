"""How layers are cut into stages at very many points, where their seconds decide."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.cost.pick import is_array
from hwsim.parallel.regions import Region
from hwsim.parallel.staged import Uncut, cuts_of
from hwsim.parallel.stages import SLACK

Floats = npt.NDArray[np.float64]
Cuts = tuple[tuple[int, int], ...]


def cuttings(whole: Uncut) -> dict[Cuts, Any]:
    """The different cuts of a step's layers, each with a mask of its points: of the shape of the
    layers' seconds; True where there is one cut for all.

    One point is cut by itself. Where each range of layers lies on the same side of its largest
    part, others are cut alike.
    """
    plan = whole.plan
    costs = [layer.seconds for layer in whole.layers]
    varied = any(is_array(cost) for cost in costs)
    if not varied or plan.balance != "cost" or plan.pp * plan.virtual == 1:
        plain = [float(np.ravel(cost)[0]) for cost in costs]
        return {cuts_of(whole.name, whole.graph, plain, plan): True}
    places: dict[int, int] = {}
    kinds = [places.setdefault(id(layer), len(places)) for layer in whole.layers]
    different = [costs[kinds.index(number)] for number in range(len(places))]
    arrays = np.broadcast_arrays(*different)
    values = np.stack([array.ravel() for array in arrays])
    left = np.arange(values.shape[1])
    found: dict[Cuts, Any] = {}
    while len(left):
        one = values[:, left[0]]
        cuts = cuts_of(whole.name, whole.graph, one[kinds].tolist(), plan)
        alike = Region(np.zeros((0, len(one))), _guards(kinds, cuts, one)).holds(values[:, left])
        alike[0] = True
        mask = found.setdefault(cuts, np.zeros(values.shape[1], dtype=bool))
        mask[left[alike]] = True
        left = left[~alike]
    if len(found) == 1:
        return dict.fromkeys(found, True)
    return {cuts: mask.reshape(arrays[0].shape) for cuts, mask in found.items()}


def _guards(kinds: list[int], cuts: Cuts, values: Floats) -> Floats:
    """What must not be below zero for a cut to be the same, as rows times the values: no range that
    fits in the largest part may grow out of it, no other into it, and none that reaches it may
    become less."""
    until = np.zeros((len(kinds) + 1, len(values)))
    until[1:] = np.cumsum(np.eye(len(values))[kinds], axis=0)
    sums = until @ values
    first, end = max(cuts, key=lambda part: sums[part[1]] - sums[part[0]])
    most = until[end] - until[first]
    load = float(most @ values)
    starts = np.arange(len(kinds))
    far = np.searchsorted(sums, sums[:-1] + load * (1 + SLACK), "right") - 1
    near = np.searchsorted(sums, sums[:-1] + load * (1 - SLACK), "left")
    rows = [(1 + SLACK) * most - (until[far] - until[starts])]
    beyond, reaches = far < len(kinds), near <= len(kinds)
    rows.append(until[far[beyond] + 1] - until[starts[beyond]] - (1 + SLACK) * most)
    rows.append(until[near[reaches]] - until[starts[reaches]] - (1 - SLACK) * most)
    every = np.unique(np.concatenate(rows), axis=0)
    return np.asarray(every[(every < 0).any(axis=1)])
