"""A simulated step as JSON, and as tables and rows on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from rich.table import Table

from hwsim.cost.calibration import Calibration
from hwsim.graph.workload import Workload
from hwsim.parallel.fits import capacity, fits
from hwsim.parallel.memory import StageMemory, fullest
from hwsim.parallel.staged import Staged
from hwsim.report import timeline_text
from hwsim.report.console import make_console, plain_table
from hwsim.report.tracks import device_name, evenly, stage
from hwsim.simulate.expected import Expected
from hwsim.simulate.timeline import Timeline
from hwsim.units import bytes_text, seconds_text, si_text

SCHEMA = "hwsim.simulation/1"
BUSY = ("compute", "memory", "launch", "update")
MOST_STAGES = 16


@dataclass(frozen=True)
class Simulation:
    """One step: what was asked, its stages, their memory, its timeline, and what varied steps
    take."""

    workload: Workload
    calibration: Calibration
    step: Staged
    memory: Sequence[StageMemory]
    timeline: Timeline
    expected: Expected | None = None
    runs: int = 0

    @property
    def fits(self) -> bool:
        return fits(fullest(self.memory), self.step.plan, self.step.system)

    def layers(self, number: int) -> list[str]:
        """The layers of a stage, equal ones that follow each other as one: `block x 6`."""
        layers = [layer.name for chunk in self.step.on(number) for layer in chunk]
        counts = [(name, len(list(equal))) for name, equal in groupby(layers)]
        return [f"{name} x {count}" if count > 1 else name for name, count in counts]

    def of_stage(self, number: int) -> dict[str, float]:
        """Seconds by part, the mean of a stage's devices."""
        devices = [
            parts
            for device, parts in self.timeline.devices.items()
            if stage(device, self.step.plan) == number
        ]
        return {part: sum(d[part] for d in devices) / len(devices) for part in devices[0]}


def record(found: Simulation) -> dict[str, Any]:
    """Plain JSON values under stable keys; seconds and bytes are numbers, the rest shares."""
    step, timeline, plan = found.step, found.timeline, found.step.plan
    return {
        "schema": SCHEMA,
        "hardware": {
            "name": step.system.name,
            "device": step.system.device.name,
            "devices_per_node": step.system.node.devices,
            "calibration": found.calibration.name,
        },
        "workload": {"name": found.workload.name, "sizes": found.workload.model_dump(mode="json")},
        "plan": {"devices": plan.devices} | plan.model_dump(),
        "software": step.pricer.software.name if step.pricer.software else None,
        "seconds": timeline.seconds,
        "parts": timeline.parts(),
        "bubble": timeline.bubble,
        "critical_path": _critical(found),
        "expected": _expected(found),
        "stages": [
            {
                "stage": number,
                "layers": found.layers(number),
                "parts": found.of_stage(number),
                "memory": {"bytes": used.bytes, "host": used.host, "parts": used.parts},
            }
            for number, used in enumerate(found.memory)
        ],
        "devices": [
            {
                "device": device,
                "stage": stage(device, plan),
                "parts": dict(timeline.parts(device)),
                "busy": {
                    s.kind: busy for s, busy in timeline.streams.items() if s.device == device
                },
            }
            for device in timeline.devices
        ],
        "links": [
            {"device": link.device, "kind": link.kind, "utilization": share}
            for link, share in timeline.utilisation().items()
        ],
        "memory": {"capacity": capacity(step.system.device), "fits": found.fits},
    }


def _critical(found: Simulation) -> dict[str, Any] | None:
    timeline = found.timeline
    if timeline.spans is None:
        return None
    devices: dict[int, float] = {}
    path = timeline.critical_path()
    for span in path:
        device = span.stream.device
        devices[device] = devices.get(device, 0.0) + span.end - span.begin
    return {
        "tasks": len(path),
        "parts": timeline.critical_parts(),
        "devices": [{"device": d, "seconds": seconds} for d, seconds in devices.items()],
    }


def _expected(found: Simulation) -> dict[str, Any] | None:
    if found.expected is None:
        return None
    quantiles = {str(share): seconds for share, seconds in found.expected.quantiles.items()}
    return {"runs": found.runs} | found.expected._asdict() | {"quantiles": quantiles}


def show(found: Simulation, *, width: int | None) -> None:
    """What was asked, where the time went, what bounds it, the stages, and rows of the timeline."""
    console = make_console()
    step, timeline, plan = found.step, found.timeline, found.step.plan
    sizes = found.workload
    console.print(
        f"{sizes.name} (batch {sizes.batch}, {step.graph.dtype}) on {step.system.name}: "
        f"{plan.devices} x {step.system.device.name}, {len(timeline.devices)} simulated\n"
    )
    console.print(f"time per step: {seconds_text(timeline.seconds)}", style="bold")
    if found.expected is not None:
        low, *_, high = found.expected.quantiles.items()
        console.print(
            f"over {found.runs} runs: mean {seconds_text(found.expected.mean)}, standard deviation "
            f"{seconds_text(found.expected.deviation)}, {low[0]:.0%} to {high[0]:.0%} quantile "
            f"{seconds_text(low[1])} .. {seconds_text(high[1])}"
        )
    console.print()
    console.print(_parts(found))
    console.print()
    for line in _findings(found):
        console.print(line)
    if plan.pp > 1:
        console.print()
        console.print(_stages(found))
    if timeline.spans is not None:
        console.print()
        lines = timeline_text.picture(timeline, plan, width or _columns(console.width))
        for row in lines:
            console.print(row, soft_wrap=True)


def _columns(width: int) -> int:
    """The terminal's, or what fits into most of them."""
    return width if width < timeline_text.MOST_COLUMNS else 100


def _parts(found: Simulation) -> Table:
    timeline = found.timeline
    parts = timeline.parts()
    critical = timeline.critical_parts() if timeline.spans is not None else None
    headings = ("seconds", "share", *(("critical path",) if critical else ()))
    table = plain_table("part of a step", right=headings)
    whole = timeline.seconds or 1.0
    for name, seconds in parts.items():
        if seconds or (critical and critical[name]):
            row = [seconds_text(seconds), f"{seconds / whole:.1%}"]
            table.add_row(name, *row, *([f"{critical[name] / whole:.1%}"] if critical else []))
    return table


def _findings(found: Simulation) -> Iterator[str]:
    """The critical path, links and memory, a line each."""
    timeline, plan = found.timeline, found.step.plan
    critical = _critical(found)
    if critical and critical["tasks"]:
        parts = critical["parts"]
        bound = max(parts, key=lambda part: parts[part])
        text = f"critical path: {critical['tasks']:,} tasks, most of it {bound}"
        if len(critical["devices"]) > 1:
            most = max(critical["devices"], key=lambda one: one["seconds"])
            share = most["seconds"] / timeline.seconds
            text += f"; {share:.1%} of it on {device_name(most['device'], plan)}"
        yield text
    used: dict[str, list[tuple[float, int]]] = {}
    for link, share in timeline.utilisation().items():
        used.setdefault(link.kind, []).append((share, link.device))
    for kind, shares in used.items():
        share, device = max(shares)
        text = f"links of kind {kind}: {share:.1%} used"
        if len(shares) > 1:
            mean = sum(one for one, _ in shares) / len(shares)
            text = f"links of kind {kind}: {mean:.1%} used on average, {share:.1%} at most "
            text += f"({device_name(device, plan)})"
        yield text
    memory = fullest(found.memory)
    sizes = ", ".join(f"{name} {bytes_text(size)}" for name, size in memory.parts.items() if size)
    where = f" of stage {memory.stage}" if plan.pp > 1 else ""
    room = bytes_text(capacity(found.step.system.device))
    yield f"memory per device{where}: {bytes_text(memory.bytes)} of {room} ({sizes})"


def _stages(found: Simulation) -> Table:
    table = plain_table("stage", right=("busy", "communication", "bubble", "memory", "parameters"))
    table.add_column("layers")
    whole = found.timeline.seconds or 1.0
    for number in evenly(found.step.plan.pp, MOST_STAGES):
        parts = found.of_stage(number)
        table.add_row(
            str(number),
            f"{sum(parts[part] for part in BUSY) / whole:.1%}",
            f"{parts['communication'] / whole:.1%}",
            f"{parts['bubble'] / whole:.1%}",
            bytes_text(found.memory[number].bytes),
            si_text(sum(found.step.parameters(number)), ""),
            ", ".join(found.layers(number)),
        )
    return table
