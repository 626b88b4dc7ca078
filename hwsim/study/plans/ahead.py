"""What gathering sharded parameters during the first forward passes takes (ZeRO 1 and 2)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hwsim.parallel.formula import First, first_of, first_passes
from hwsim.parallel.pieces import gathers_ahead, shared_works
from hwsim.parallel.tails import Moved, moved
from hwsim.study.plans.behind import stacked
from hwsim.study.plans.cuts import Cut
from hwsim.study.plans.layers import Floats
from hwsim.study.plans.levels import Hops
from hwsim.study.plans.prepare import Ready
from hwsim.study.plans.rows import Ints, groups


class Delays(NamedTuple):
    """Seconds by which each plan's step is delayed, and how many more or fewer it may be."""

    delay: Floats
    doubt: Floats


def delays(ready: Ready, chunked: Ints, hop: Hops) -> Delays:
    """Of the plans of one pipeline, `chunked` by their chunks: 0 where nothing comes ahead."""
    found = Delays(np.zeros(len(ready.rows)), np.zeros(len(ready.rows)))
    hides = ready.shop.prices[0].pricer.hides
    summed = ready.of("dp") * ready.of("cp") > 1
    some = np.flatnonzero(
        gathers_ahead(ready.of("zero"), ready.of("overlap"), hides, summed)
        & (ready.of("virtual") == 1)
    )
    points = groups(len(some), chunked[some], ready.place[some], hop.of[some])
    first = some[points.first]
    few, hops = ready.kept(first), hop.stage[:, hop.of[first]]
    delay, doubt = np.zeros(len(first)), np.zeros(len(first))
    for number in np.unique(few.cut).tolist():
        here = np.flatnonzero(few.cut == number)
        stages = _stages(few.kept(here), ready.shop.cuts[number])
        delay[here], doubt[here] = first_passes(stages, list(hops[:, here]))
    found.delay[some], found.doubt[some] = delay[points.of], doubt[points.of]
    return found


def _stages(ready: Ready, cut: Cut) -> list[First]:
    """The first passes of all stages of plans that are cut alike, as arrays over the plans."""
    prices = [ready.shop.prices[number] for number in ready.price.tolist()]
    seconds = np.array([[layer.forward.total for layer in one.layers] for one in prices]).T
    gathers = [_gathers(ready, number) for number in range(len(cut.counts[0]))]
    said: dict[int, Floats] = {}
    for point, one in enumerate(prices):
        for kinds, spoken in one.said("F").items():
            said.setdefault(kinds, np.zeros(seconds.shape))[:, point] = spoken
    stages = []
    for content, counts in zip(cut.contents, cut.counts, strict=True):
        layers = [(seconds[layer], gathers[layer]) for layer in content[::-1]]
        pairs = [(counts @ spoken, kinds) for kinds, spoken in said.items()]
        stages.append(first_of(layers, pairs))
    return stages


def _gathers(ready: Ready, layer: int) -> list[Moved]:
    """The parameters of one of the different layers, on their way to every plan's devices."""
    shop, every = ready.shop, []
    for place, number in zip(ready.place.tolist(), ready.price.tolist(), strict=True):
        priced = shop.prices[number]
        one = priced.layers[layer]
        parameters = one.gradients, one.expert_gradients
        among = shop.places[place].gradients
        works = shared_works(priced.pricer, "all_gather", parameters, among, low=True)
        every.append([moved(work) for _, work in works])
    return stacked(every, np.arange(len(every)))
