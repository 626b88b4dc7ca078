"""How far measuring is: a live bar with the time left on a terminal, else a line now and then."""

from __future__ import annotations

import time
from collections.abc import Sequence

from calibration.measure.design import expected, rounds
from calibration.measure.place import Place
from calibration.measurement import Case
from hwsim.report.console import make_console
from hwsim.report.progress import make_bar

PAUSE = 20.0  # seconds between two plain lines


class MeasuringProgress:
    """A context manager that is told how far it is; everything goes to stderr."""

    def __init__(self, cases: Sequence[Case], place: Place) -> None:
        self.console = make_console(stderr=True)
        self.bar = make_bar(self.console)
        self.weights = {case: expected(case, place) for case in cases}
        self.total, self.measured, self.skipped = len(self.weights), 0, 0
        self.told = time.monotonic()
        self.task = self.bar.add_task("starting", total=sum(self.weights.values()))

    def __enter__(self) -> MeasuringProgress:
        self.bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.bar.stop()

    def done(self) -> None:
        """One is measured and written."""
        self.measured += 1

    def skip(self, case: Case, why: str) -> None:
        """It can't be measured here."""
        self.skipped += 1
        self.console.print(f"skipped {case.describe()}: {why}")
        self._advance(self.weights[case])

    def sampled(self, cases: Sequence[Case]) -> None:
        """One round of these is taken."""
        self._advance(sum(self.weights[case] / rounds(case) for case in cases))

    def _advance(self, weight: float) -> None:
        count = f"{self.measured + self.skipped} of {self.total} cases"
        self.bar.update(self.task, description=count, advance=weight)
        if not self.console.is_terminal and time.monotonic() - self.told >= PAUSE:
            self.told = time.monotonic()
            self.console.print(count)
