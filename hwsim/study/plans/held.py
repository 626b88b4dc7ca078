"""Memory of the fullest stage of many plans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hwsim.graph.dtypes import Dtype
from hwsim.graph.step import Optimizer
from hwsim.parallel.memory import Held, How, LayerMemory, alive, kept, parts
from hwsim.study.plans.cuts import Cut
from hwsim.study.plans.prepare import Ready

Floats = npt.NDArray[np.float64]


class Stages:
    """What stages hold whose layers are `memories` (one list for each way to split them, equal ones
    unrolled), recomputed as `recompute` says, in `stages` of several chunks each."""

    def __init__(
        self, memories: Sequence[Sequence[LayerMemory]], recompute: Sequence[str], stages: int
    ) -> None:
        columns = np.array([[tuple(layer) for layer in some] for some in memories], dtype=float)
        self.field = {
            name: columns[:, :, number] for number, name in enumerate(LayerMemory._fields)
        }
        self.kept = np.array(
            [
                [kept(layer, how) for layer in some]
                for some, how in zip(memories, recompute, strict=True)
            ],
            dtype=float,
        )
        self.stages = stages

    def held(self, cut: Cut) -> tuple[Held, Floats]:
        """All but what is alive, each (stages, splits), and what a micro-batch of each chunk keeps
        (chunks, splits)."""
        field, starts, pp = self.field, cut.starts, self.stages

        def over(how: np.ufunc, values: Floats) -> Floats:
            by_chunk = how.reduceat(values, starts, axis=1).T
            return np.asarray(how.reduce(by_chunk.reshape(-1, pp, by_chunk.shape[1]), axis=0))

        parameters, experts, tied = field["parameters"], field["experts"], field["tied"]
        # On the first stage a tied output is the embedding itself.
        counts, first = parameters + tied, parameters
        message = over(np.maximum, field["message"])
        if pp > 1:
            ends = [end - 1 for _, end in cut.ranges]
            edges = (field["input"][:, starts] + field["output"][:, ends]).T
            message = message + edges.reshape(-1, pp, edges.shape[1]).max(axis=0)

        def but_first(how: np.ufunc, less: Floats | float) -> Floats:
            found = over(how, counts - less)
            found[0] = over(how, first - less)[0]
            return found

        held = Held(
            dense=but_first(np.add, experts),
            experts=over(np.add, experts),
            largest=but_first(np.maximum, 0.0),
            largest_dense=but_first(np.maximum, experts),
            alive=0.0,
            again=over(np.maximum, field["saved"] - self.kept),
            kept=over(np.maximum, self.kept),
            message=message,
        )
        return held, np.add.reduceat(self.kept, starts, axis=1).T


class Used(NamedTuple):
    """Bytes on each device of the fullest stage, and those left to its host: (plans,)."""

    bytes: Floats
    host: Floats


FIELDS = ("zero", "dp", "cp", "ep", "bucket", "master_weights", "offload")


def memory(ready: Ready) -> Used:
    """What every plan needs."""
    size, host = (np.zeros(len(ready.rows)) for _ in range(2))
    alike = ready.unique(
        ("pp", "virtual", "recompute", "schedule", "time_chunks", *FIELDS),
        *(ready.micro_batches, ready.cut, ready.memory),
    )
    few = ready.kept(alike.first)
    pp, virtual = few.of("pp"), few.of("virtual")
    layers = np.array([one.ranges[-1][1] for one in ready.shop.cuts.things])[few.cut]
    groups = few.unique(("pp", "virtual"), layers)
    for number in range(len(groups.first)):
        some = np.flatnonzero(groups.of == number)
        one = _needed(few.kept(some), int(pp[some[0]]), int(virtual[some[0]]))
        size[some], host[some] = one
    return Used(size[: len(alike.first)][alike.of], host[: len(alike.first)][alike.of])


def _needed(ready: Ready, pp: int, virtual: int) -> Used:
    """Of plans with as many stages of as many chunks of as many layers."""
    shop = ready.shop
    splits = ready.unique(("recompute",), ready.memory)
    first = ready.kept(splits.first)
    stages = Stages(
        [shop.memories[number] for number in first.memory.tolist()],
        first.of("recompute").tolist(),
        pp,
    )
    every = [np.zeros((pp, len(ready.rows))) for _ in Held._fields]
    keeps = np.zeros((pp * virtual, len(ready.rows)))
    for cut in np.unique(ready.cut).tolist():
        here = np.flatnonzero(ready.cut == cut)
        held, kept = stages.held(shop.cuts[cut])
        for all_, some in zip(every, held, strict=True):
            if np.ndim(some):
                all_[:, here] = some[:, splits.of[here]]
        keeps[:, here] = kept[:, splits.of[here]]
    alive_ = every[Held._fields.index("alive")]
    orders = ready.unique(("schedule", "time_chunks"), ready.micro_batches)
    for number, member in enumerate(orders.first.tolist()):
        here = np.flatnonzero(orders.of == number)
        order, chunks = ready.table.values(int(ready.rows[member]), ("schedule", "time_chunks"))
        for stage in range(pp):
            counts = alive(order, pp, stage, int(ready.micro_batches[member]), virtual, chunks)
            alive_[stage, here] = (counts @ keeps[stage::pp, here]).max(axis=0)
    found, host = parts(Held(*every), _how(ready), *_formats(ready))
    size = sum(np.broadcast_to(one, alive_.shape) for one in found.values())
    return Used(np.max(size, axis=0), np.broadcast_to(host, alive_.shape).max(axis=0))


def _formats(ready: Ready) -> tuple[Dtype, Optimizer]:
    graph = ready.shop.prices[0].graph
    return graph.dtype, graph.optimizer


def _how(ready: Ready) -> How:
    offload = ready.of("offload")
    return How(
        ready.of("zero"),
        ready.of("dp") * ready.of("cp"),
        ready.of("ep"),
        ready.of("bucket"),
        ready.of("master_weights"),
        offload == "optimizer",
        offload == "activations",
    )
