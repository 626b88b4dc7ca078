"""What the simulation saw: spans of tasks, and where the time of the step went."""

from __future__ import annotations

from dataclasses import dataclass

from hwsim.parallel.lower import Task

PARTS = ("compute", "memory", "launch", "communication", "bubble", "update")


@dataclass(frozen=True, slots=True)
class Span:
    """One task from `begin` to `end`, in seconds from the start of the step."""

    task: Task
    begin: float
    end: float


@dataclass(frozen=True)
class Timeline:
    """All spans of one device, in the order in which they ended."""

    spans: tuple[Span, ...]

    @property
    def seconds(self) -> float:
        return max((span.end for span in self.spans), default=0.0)

    def on(self, stream: str) -> list[Span]:
        """Spans of one stream by their beginning; they don't overlap."""
        return sorted(
            (span for span in self.spans if span.task.stream == stream), key=lambda s: s.begin
        )

    def parts(self) -> dict[str, float]:
        """Seconds by part; they sum to `seconds`.

        Where the device computes, the task says to which part. Where it waits while the link is
        busy, that is exposed communication; where both are idle, a bubble.
        """
        parts = dict.fromkeys(PARTS, 0.0)
        computing = self.on("compute")
        for span in computing:
            parts[span.task.part] += span.end - span.begin
        busy = [(span.begin, span.end) for span in self.on("link")]
        at = 0.0
        gaps = []
        for span in computing:
            if span.begin > at:
                gaps.append((at, span.begin))
            at = max(at, span.end)
        if self.seconds > at:
            gaps.append((at, self.seconds))
        for begin, end in gaps:
            # A sum of spans that fill the gap may exceed it by a rounding.
            shared = sum(max(0.0, min(end, b) - max(begin, a)) for a, b in busy)
            covered = min(shared, end - begin)
            parts["communication"] += covered
            parts["bubble"] += end - begin - covered
        return parts
