"""A device while it is simulated: where its time goes, and how fast its compute stream goes on."""

from __future__ import annotations

import simpy

from hwsim.parallel.program import PARTS

LEAST = 0.1  # of the compute rate is left, whatever transfers take


class Device:
    """Books a device's seconds while they pass, and slows its compute stream down.

    While the compute stream is `resting`, time in which transfers are `moving` is exposed
    communication, and the other time bubble; a device without a compute stream rests all along.
    Transfers also take their share of compute (M. Isaev et al., Calculon, SC 2023: 15 % over
    NVLink, 2 % over a network card): `rate` is what is left, `process` who is told of its changes.
    The next task of the compute stream can begin at once and at full rate if the way is `clear`.
    """

    def __init__(self, environment: simpy.Environment) -> None:
        self.environment = environment
        self.process: simpy.Process | None = None
        self.parts = dict.fromkeys(PARTS, 0.0)
        self.resting, self.clear = True, False
        self.rate = 1.0
        self.moving = 0
        self._taken: list[float] = []
        self._booked = self._exposed = self._bubble = 0.0

    def rest(self, now: float) -> None:
        """The compute stream begins to wait."""
        self.resting, self.clear = True, False
        self._booked = now

    def resume(self, now: float) -> None:
        """The compute stream goes on."""
        self._book(now)
        self.resting = False

    def depart(self, now: float, taken: float) -> None:
        """A transfer begins."""
        if self.resting:
            self._book(now)
        self.moving += 1
        if taken > 0:
            self._taken.append(taken)
            self._change()

    def arrive(self, now: float, taken: float) -> None:
        """A transfer ends."""
        if self.resting:
            self._book(now)
        self.moving -= 1
        if taken > 0:
            self._taken.remove(taken)
            self._change()

    def total(self, seconds: float) -> dict[str, float]:
        """Seconds by part of a step that took `seconds`; the end of it was rest."""
        self._book(seconds)
        told = {"communication": self._exposed, "bubble": self._bubble}
        return {part: booked + told.get(part, 0.0) for part, booked in self.parts.items()}

    def _book(self, now: float) -> None:
        if self.moving:
            self._exposed += now - self._booked
        else:
            self._bubble += now - self._booked
        self._booked = now

    def _change(self) -> None:
        self.rate, self.clear = max(1.0 - sum(self._taken), LEAST), False
        at_work = not self.resting and self.process is not self.environment.active_process
        if self.process is not None and at_work:
            self.process.interrupt()
