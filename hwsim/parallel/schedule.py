"""In which order a pipeline stage does its forward and backward passes.

The model is cut into stages x virtual chunks; chunk c of stage s is the model's chunk
c stages + s. Of its micro-batch, F (forward) of a chunk needs F of the chunk before, B (gradient
of the input; weights' too, unless the schedule splits them off as W) needs B of the chunk behind
and F of its own, W needs B of its own.

Along time a micro-batch can be cut in chunks that travel one behind the other (a wavefront): F of
a time chunk then needs F of the time chunk before, B needs B of the one behind, both on the same
stage, where they stand in this order. A `ring`, a recurrence cut inside its time step, is an
interleaved pipeline whose chunks are the time steps: the last stage's state comes back to the
first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from hwsim.errors import InputError
from hwsim.parallel.plan import Schedule

Pass = Literal["F", "B", "W"]


class Slot(NamedTuple):
    """One pass of one micro-batch through one of its stage's chunks.

    Micro-batches that are cut along time count by their time chunks: `micro` is then
    micro-batch x time chunks + time chunk.
    """

    kind: Pass
    chunk: int
    micro: int


def check(schedule: Schedule, stages: int, micro_batches: int, virtual: int = 1) -> None:
    """Raises InputError where the schedule has no order for these numbers."""
    if schedule != "interleaved":
        if virtual > 1:
            raise InputError(
                "plan.virtual",
                f"found {virtual} model chunks on each stage with the schedule {schedule}",
                "write schedule interleaved, or virtual 1",
            )
        return
    if virtual == 1:
        raise InputError(
            "plan.virtual",
            "found one model chunk on each stage with the schedule interleaved",
            "write virtual 2 or more, or schedule 1f1b",
        )
    if micro_batches % stages:
        raise InputError(
            "plan.micro_batch",
            f"found {micro_batches} micro-batches, which the schedule interleaved can't deal out "
            f"to {stages} stages in turns",
            f"write a size that makes a multiple of {stages} of them, or schedule 1f1b",
        )


def order(
    schedule: Schedule,
    stages: int,
    stage: int,
    micro_batches: int,
    virtual: int = 1,
    time_chunks: int = 1,
) -> Iterator[Slot]:
    """The slots of one stage in the order in which it does them, made as they are asked for.

    gpipe: all forward passes, then all backward passes from the last micro-batch to the first
    (Huang et al. 2019, arXiv 1811.06965). 1f1b: stages - stage - 1 forward passes ahead, then one
    forward and one backward in turns (Narayanan et al. 2021, arXiv 2104.04473); interleaved: the
    same with several chunks on a stage (there and in Megatron-LM). zero-bubble: ZB-H1 of Qi et al.
    2023 (arXiv 2401.10241), 1f1b with the weights' gradients `stage` micro-batches late.

    Raises InputError as `check` does.

    >>> ["".join(map(str, slot)) for slot in order("1f1b", 2, 0, 3)]
    ['F00', 'F01', 'B00', 'F02', 'B01', 'B02']
    """
    check(schedule, stages, micro_batches, virtual)
    whole = _order(schedule, stages, stage, micro_batches, virtual)
    return whole if time_chunks == 1 else _cut(whole, time_chunks)


def passes(
    kind: Pass,
    schedule: Schedule,
    stages: int,
    micro_batches: int,
    virtual: int = 1,
    time_chunks: int = 1,
) -> Iterator[tuple[int, int]]:
    """(chunk, micro) of every slot of one kind in the order in which it is done: on all stages the
    same, whatever other kinds come between.

    >>> list(passes("B", "gpipe", 2, 3)), list(passes("B", "interleaved", 2, 2, 2))
    ([(0, 2), (0, 1), (0, 0)], [(1, 0), (1, 1), (0, 0), (0, 1)])
    """
    steps = range(micro_batches * virtual)
    if schedule == "gpipe" and kind == "B":
        steps = range(micro_batches - 1, -1, -1)
    if virtual == time_chunks == 1:
        yield from ((0, micro) for micro in steps)
        return
    times = range(time_chunks) if kind == "F" else range(time_chunks - 1, -1, -1)
    for step in steps:
        chunk, micro = _turn(step, stages, virtual)
        for time in times:
            at = virtual - 1 - chunk if kind == "B" else chunk
            yield at, micro * time_chunks + time


def sender(slot: Slot, stages: int, stage: int, virtual: int = 1) -> tuple[int, Slot] | None:
    """The stage and slot whose result has to come before `slot` can begin on `stage`.

    None where nothing comes: W, F of the model's first chunk, B of its last.

    >>> sender(Slot("F", 1, 7), stages=4, stage=0, virtual=2)
    (3, Slot(kind='F', chunk=0, micro=7))
    """
    if slot.kind == "W":
        return None
    chunk = slot.chunk * stages + stage + (-1 if slot.kind == "F" else 1)
    if not 0 <= chunk < stages * virtual:
        return None
    return chunk % stages, slot._replace(chunk=chunk // stages)


def ahead(schedule: Schedule, stages: int, stage: int, micro_batches: int, virtual: int = 1) -> int:
    """Forward passes that a stage does before it takes forward and backward in turns."""
    if schedule == "gpipe":
        return micro_batches
    if schedule == "interleaved":
        return 2 * (stages - stage - 1) + (virtual - 1) * stages
    return stages - stage - 1


def in_flight(
    schedule: Schedule,
    stages: int,
    stage: int,
    micro_batches: int,
    virtual: int = 1,
    time_chunks: int = 1,
) -> int:
    """Most chunks of micro-batches whose activations a stage holds at once.

    From F to B, or to W where that is split off. 1f1b: min(micro-batches, stages - stage);
    zero-bubble keeps the activations of late weights' gradients too: min(micro-batches, stages).
    Where `time_chunks` cut a micro-batch, its parts are counted.

    >>> [in_flight("1f1b", 4, stage, 8) for stage in range(4)]
    [4, 3, 2, 1]
    """
    late = stage if schedule == "zero-bubble" else 0
    most = ahead(schedule, stages, stage, micro_batches, virtual) + 1 + late
    return min(micro_batches * virtual, most) * time_chunks


def _order(
    schedule: Schedule, stages: int, stage: int, micro_batches: int, virtual: int
) -> Iterator[Slot]:
    if schedule == "gpipe":
        for micro in range(micro_batches):
            yield Slot("F", 0, micro)
        for micro in reversed(range(micro_batches)):
            yield Slot("B", 0, micro)
        return
    slots = micro_batches * virtual
    first = ahead(schedule, stages, stage, micro_batches, virtual)
    if virtual == 1 and schedule == "1f1b":  # the plainest is the longest: nothing to work out
        yield from (Slot("F", 0, micro) for micro in range(min(first, slots)))
        for micro in range(slots):
            if micro + first < slots:
                yield Slot("F", 0, micro + first)
            yield Slot("B", 0, micro)
        return
    split, weights = schedule == "zero-bubble", 0
    for step in range(first + slots):
        if step < slots:
            chunk, micro = _turn(step, stages, virtual)
            yield Slot("F", chunk, micro)
        back = step - first
        if 0 <= back < slots:
            chunk, micro = _turn(back, stages, virtual)
            yield Slot("B", virtual - 1 - chunk, micro)
            if split and back >= stage:
                yield Slot("W", 0, weights)
                weights += 1
    if split:
        for micro in range(weights, slots):
            yield Slot("W", 0, micro)


def _turn(step: int, stages: int, virtual: int) -> tuple[int, int]:
    """Chunk and micro-batch of a stage's forward pass: `stages` micro-batches through each chunk.

    >>> [_turn(step, stages=2, virtual=2) for step in range(6)]
    [(0, 0), (0, 1), (1, 0), (1, 1), (0, 2), (0, 3)]
    """
    if virtual == 1:
        return 0, step
    turn, inside = divmod(step, stages * virtual)
    chunk, number = divmod(inside, stages)
    return chunk, turn * stages + number


def _cut(whole: Iterator[Slot], time_chunks: int) -> Iterator[Slot]:
    """Every slot in its time chunks: gradients go back through time."""
    for kind, chunk, micro in whole:
        times = range(micro * time_chunks, (micro + 1) * time_chunks)
        for time in times if kind == "F" else reversed(times):
            yield Slot(kind, chunk, time)
