"""What devices that share an operator say to each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Axis = Literal["tp", "cp", "ep", "dp", "pp"]
Collective = Literal["all_reduce", "all_gather", "reduce_scatter", "all_to_all", "halo"]


@dataclass(frozen=True, slots=True)
class Exchange:
    """A collective over the devices of `axis`, or `repeat` equal ones in a row.

    ``elements`` is the message as nccl-tests counts it: what one device holds before an all-reduce
    or an all-to-all, and the whole gathered buffer of an all-gather or a reduce-scatter; of a halo
    what one device sends to one neighbor. ``element_bytes`` is set where an element has not the
    workload's dtype. ``beside`` names the kernel with which it can overlap, if tensor-parallel
    overlap is asked for: the product whose operand it gathers or whose result it sums, or in the
    backward pass the other product, which needs neither. Of an all-to-all whose rows are there in
    ``copies`` for different devices, a node gets one.
    """

    name: str
    collective: Collective
    axis: Axis
    elements: float
    repeat: int = 1
    element_bytes: float | None = None
    beside: str | None = None
    copies: int = 1
