"""The plan: how many devices share the work, and how."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from hwsim.graph.workload import MOST_SAMPLES
from hwsim.hardware.spec import System
from hwsim.units import Bytes

MOST_DEVICES = 10**7
Degree = Annotated[int, Field(strict=True, ge=1, le=MOST_DEVICES)]
Samples = Annotated[int, Field(strict=True, ge=1, le=MOST_SAMPLES)]
Stage = Annotated[int, Field(strict=True, ge=0, le=3)]
Flag = Annotated[bool, Field(strict=True)]
Placed = Literal["tp", "cp", "dp", "pp"]
Schedule = Literal["gpipe", "1f1b", "interleaved", "zero-bubble"]


class Plan(BaseModel):
    """Degrees of parallelism and how work and bytes are ordered; the default is one device.

    Degrees: `dp` data parallel (each replica takes batch / dp samples), `tp` tensor parallel (one
    operator on several devices; the paper's kernel parallelism), `pp` pipeline stages (the paper's
    model parallelism), `cp` context parallel (one sequence on several devices), `ep` expert
    parallel: a division of the dp x cp devices that hold the same share of a model, among which
    the experts are spread. dp tp pp cp devices in all; `placement` names the axes from the nearest
    devices to the farthest.

    `scaling`: "strong" keeps the workload's global batch, "weak" makes it the batch of a replica.
    `micro_batch`: samples that go through the model at a time (None: a replica's whole share);
    their gradients accumulate. `time_chunks`: parts of the sequence that travel on their own
    through a pipeline of recurrent layers, as a wavefront (one stage does them one by one, and
    gains nothing). `schedule` orders the micro-batches of a
    pipeline; `virtual` is the number of model chunks on each stage (interleaved). Stages get layers
    so that the slowest takes least (`balance` "cost"), or equal numbers of the layer that repeats
    most, as Megatron-LM deals them out ("layers"); embedding and head count as one each where only
    that makes numbers equal.

    `zero`: what is sharded over data parallel devices: 1 optimizer state, 2 gradients too, 3
    parameters too (FSDP). `sequence_parallel` splits along the sequence what tensor parallelism
    leaves whole. `dispatch`: tokens go to their experts in as many copies as experts were chosen,
    or each to a node once, where it is passed on. `context`: devices of a sequence gather all keys
    and values, or exchange heads for positions around attention's core. `convolutions`: what tensor
    parallelism splits in them. `recompute`: activations that are computed again in the backward
    pass: those of attention's core (selective) or all but each layer's input (full). `offload`:
    what waits in the host's memory.

    `bucket`: gradients are summed in groups of this many bytes, the first of `first_bucket` (25 MiB
    and 1 MiB are the defaults of PyTorch's DistributedDataParallel), while the backward pass goes
    on if `overlap`; with `prioritize` what kernels wait for (exchanges, messages) comes before them
    on a shared link. `tensor_overlap` cuts products and their exchanges in chunks that overlap.
    `master_weights`: below 32 bits an fp32 copy is kept; `loss_scaling`: gradients are unscaled
    and searched for overflow before the update.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dp: Degree = 1
    tp: Degree = 1
    pp: Degree = 1
    cp: Degree = 1
    ep: Degree = 1
    placement: tuple[Placed, ...] = ("tp", "cp", "dp", "pp")
    scaling: Literal["strong", "weak"] = "strong"
    micro_batch: Samples | None = None
    time_chunks: Degree = 1
    schedule: Schedule = "1f1b"
    virtual: Degree = 1
    balance: Literal["cost", "layers"] = "cost"
    zero: Stage = 0
    sequence_parallel: Flag = False
    dispatch: Literal["copies", "nodes"] = "copies"
    context: Literal["gather", "all-to-all"] = "gather"
    convolutions: Literal["channels", "space"] = "channels"
    recompute: Literal["none", "selective", "full"] = "none"
    offload: Literal["none", "optimizer", "activations"] = "none"
    bucket: Bytes = 25 * 2.0**20
    first_bucket: Bytes = 2.0**20
    overlap: Flag = True
    prioritize: Flag = False
    tensor_overlap: Flag = False
    master_weights: Flag = True
    loss_scaling: Flag = False

    @property
    def devices(self) -> int:
        return self.dp * self.tp * self.pp * self.cp

    def stride(self, axis: Placed) -> int:
        """Ranks between neighbors of a group along `axis`.

        >>> Plan(tp=8, dp=4, pp=2).stride("dp"), Plan(tp=8, dp=4, pp=2).stride("pp")
        (8, 32)
        """
        inner = 1
        for other in self.placement:
            if other == axis:
                break
            inner *= getattr(self, other)
        return inner


def available(system: System) -> int | None:
    """Devices of a system; None if there are as many as asked for."""
    per_node = system.node.devices
    if system.nodes is not None:
        return per_node * system.nodes
    if not system.network:
        return per_node
    reach = [tier.nodes for tier in system.network]
    if any(nodes is None for nodes in reach):
        return None
    return per_node * max(nodes for nodes in reach if nodes is not None)
