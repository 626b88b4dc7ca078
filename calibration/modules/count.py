"""The independent count: a twin run on the meta device under torch's FlopCounterMode.

`python -m calibration.modules.count` prints the table of docs/workloads.md.
"""

from __future__ import annotations

from typing import NamedTuple

from torch.utils.flop_counter import FlopCounterMode

from calibration.modules import twin
from hwsim.graph.workload import Workload, load, registered


class Counts(NamedTuple):
    """Trained parameters, and matrix FLOPs of one step forward and backward."""

    parameters: int
    forward: float
    backward: float


def counted(workload: Workload, batch: int) -> Counts:
    """What torch counts for `batch` samples; nothing is computed."""
    module = twin(workload)
    model = module.build(workload, "meta")
    samples = module.example(workload, batch, "meta")
    with FlopCounterMode(display=False) as forward:
        loss = model(*samples)
    with FlopCounterMode(display=False) as backward:
        loss.backward()
    parameters = sum(p.numel() for p in model.parameters())
    return Counts(parameters, forward.get_total_flops(), backward.get_total_flops())


def graphed(workload: Workload, batch: int) -> Counts:
    """What the workload's graph says for the same."""
    graph = workload.graph(batch)
    return Counts(graph.parameters, graph.forward_flops, graph.backward_flops)


def table() -> str:
    """Every registered workload at its defaults, as Markdown."""
    lines = [
        "| workload | batch | count | graph | FlopCounterMode | difference |",
        "|---|---|---|---|---|---|",
    ]
    for name in sorted(registered()):
        workload = load(name)
        ours, theirs = graphed(workload, workload.batch), counted(workload, workload.batch)
        for what, a, b in zip(Counts._fields, ours, theirs, strict=True):
            label = what if what == "parameters" else f"{what} FLOPs"
            lines.append(f"| {name} | {workload.batch} | {label} | {a:,} | {b:,} | {a - b:,} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
