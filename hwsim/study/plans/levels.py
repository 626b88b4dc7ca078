"""What the stages of pipelines take, each time once for all plans that share it.

Plans are of one `Pipeline`; `chunked` has for each of them the number of its chunks.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hwsim.parallel import closed
from hwsim.parallel.closed import Passes
from hwsim.parallel.pieces import gathers_ahead, late_sums, shared_works
from hwsim.parallel.staged import updated
from hwsim.study.plans.layers import Floats
from hwsim.study.plans.prepare import Ready
from hwsim.study.plans.rows import Ints, groups

LONG = 6  # times as many slots as stages make a schedule whose middle repeats itself


class Level(NamedTuple):
    """Seconds (stages or chunks, kinds of plans), and the kind of each plan."""

    of: Ints
    seconds: Floats


class Hops(NamedTuple):
    """Transfers behind each chunk but the last, with their links, (chunks - 1, kinds of plans), and
    behind each `stage`; `uneven` where a stage's chunks send different amounts."""

    of: Ints
    seconds: Floats
    links: Ints
    stage: Floats
    uneven: npt.NDArray[np.bool_]


def hops(ready: Ready, chunked: Ints, sent: Floats) -> Hops:
    """What brings the bytes that chunks have `sent` to the next one."""
    shop, pp = ready.shop, int(ready.of("pp")[0])
    alike = groups(len(ready.rows), chunked, ready.place)
    sizes, place = sent[:, chunked[alike.first]], ready.place[alike.first]
    seconds, kinds = np.zeros(sizes.shape), np.zeros(sizes.shape, dtype=np.intp)
    for number, size in enumerate(sizes):
        pairs = groups(len(size), np.unique(size, return_inverse=True)[1], place)
        made = [
            shop.hop(float(size[one]), shop.places[int(place[one])].hops[number % pp])
            for one in pairs.first.tolist()
        ]
        seconds[number] = np.array([one for one, _ in made])[pairs.of]
        kinds[number] = np.array([one for _, one in made], dtype=np.intp)[pairs.of]
    stage = np.zeros((pp, sizes.shape[1]))
    least = np.full(stage.shape, math.inf)
    for number, one in enumerate(seconds):
        stage[number % pp] = np.maximum(stage[number % pp], one)
        least[number % pp] = np.minimum(least[number % pp], one)
    uneven = np.any((stage > least) & np.isfinite(least), axis=0)
    return Hops(alike.of, seconds, kinds, stage, np.asarray(uneven))


def ends(ready: Ready, chunked: Ints, hop: Hops, passes: Passes, slots: Ints) -> Level:
    """When chunks have their gradients."""
    pp, virtual = int(ready.of("pp")[0]), int(ready.of("virtual")[0])
    alike = ready.unique(("schedule",), hop.of, slots)
    few, number = ready.kept(alike.first), slots[alike.first]
    schedule = few.of("schedule")
    # Those of long schedules are looked at together.
    alone = (number < LONG * pp) | (schedule == "gpipe")
    orders = few.unique(("schedule",), np.where(alone, number, 0))
    found = np.zeros((pp * virtual, len(number)))
    cut, sent = chunked[alike.first], hop.of[alike.first]
    for order, member in enumerate(orders.first.tolist()):
        here = np.flatnonzero(orders.of == order)
        found[:, here] = closed.gradients(
            schedule[member],
            pp,
            number[here],
            Passes(*(one[:, cut[here]] for one in passes)),
            virtual=virtual,
            hop=hop.stage[:, sent[here]],
        )
    return Level(alike.of, found)


def updates(ready: Ready, chunked: Ints, shared: Floats, experts: Floats) -> Level:
    """The optimizer on the parameters of each stage, (stages, different chunks)."""
    names = ("offload", "master_weights", "loss_scaling")
    sharded = ready.of("zero") > 0
    alike = ready.unique((*names, "dp", "cp", "ep"), chunked, sharded.astype(np.intp))
    few, cut = ready.kept(alike.first), chunked[alike.first]
    replicas, ep = few.of("dp") * few.of("cp"), few.of("ep")
    own = updated(shared[:, cut], experts[:, cut], sharded[alike.first], replicas, ep)
    seconds = np.zeros(own.shape)
    ways = few.unique(names)
    for number, member in enumerate(ways.first.tolist()):
        pricer = few.pricer(member)
        here = ways.of == number
        values, codes = np.unique(own[:, here], return_inverse=True)
        times = np.array([pricer.update(float(one)).seconds for one in values])
        seconds[:, here] = times[codes.reshape(len(own), -1)]
    return Level(alike.of, seconds)


def after(
    ready: Ready, chunked: Ints, own: list[Floats], tied: Floats
) -> tuple[Level, npt.NDArray[np.bool_]]:
    """What is said behind all gradients, and for each kind whether some of it is a late sum.

    `own` are the parameters of each stage: of all, of its experts, and those that tensor neighbors
    have whole; `tied` those of a matrix that the first and the last stage share, by plan.
    """
    zero, hides = ready.of("zero"), ready.shop.prices[0].pricer.hides
    ahead = gathers_ahead(zero, ready.of("overlap"), hides, ready.of("dp") * ready.of("cp") > 1)
    comes = ((zero == 1) | (zero == 2)) & ~ahead
    alike = ready.unique(("sequence_parallel", "zero"), chunked, ready.place, comes.astype(np.intp))
    few, cut, comes = ready.kept(alike.first), chunked[alike.first], comes[alike.first]
    end = np.zeros((len(own[0]), len(cut)))
    end[[0, -1]] = tied[alike.first]
    gathered = [np.where(comes, one[:, cut], 0.0) for one in own[:2]]
    sizes = [one.ravel() for one in (*gathered, own[2][:, cut], end)]
    number = np.tile(np.arange(len(cut)), len(end))
    kinds = few.unique(("sequence_parallel", "zero"), few.place)
    codes = [np.unique(size, return_inverse=True)[1] for size in sizes]
    cases = groups(len(number), kinds.of[number], *codes)
    seconds, late = np.zeros(len(cases.first)), np.zeros(len(cases.first), dtype=bool)
    for case, at in enumerate(cases.first.tolist()):
        member = int(number[at])
        pricer = few.pricer(member)
        shared, experts, replicated, last = (float(size[at]) for size in sizes)
        among = few.shop.places[int(few.place[member])].gradients
        works = late_sums(pricer, replicated, last)
        late[case] = any(work.seconds for _, work in works)
        works += shared_works(pricer, "all_gather", (shared, experts), among, low=True)
        seconds[case] = sum(work.seconds for _, work in works)
    some = np.asarray(late[cases.of].reshape(end.shape).any(axis=0))
    return Level(alike.of, seconds[cases.of].reshape(end.shape)), some
