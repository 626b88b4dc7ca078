"""How an estimate is asked for: what counts the steps, which calibration, which engine."""

from __future__ import annotations

from typing import Annotated

import typer

from hwsim.cli import counting, planned
from hwsim.cost.calibration import Calibration
from hwsim.errors import InputError
from hwsim.estimation import Engine, Estimate, estimate
from hwsim.parallel.check import scaled
from hwsim.parallel.staged import Staged
from hwsim.simulate.step import prepared
from hwsim.study.subject import Subject

EngineName = Annotated[
    str, typer.Option("--engine", metavar="NAME", help="events (simulated), or closed (quick).")
]


class Asked:
    """How steps are counted, the calibration and the engine."""

    def __init__(
        self, counted: counting.Options, calibration: str | None, borrow: bool, engine: str
    ) -> None:
        if engine not in ("closed", "events"):
            raise InputError("--engine", f"found '{engine}'", "write closed or events")
        self._engine: Engine = "closed" if engine == "closed" else "events"
        self._calibration, self._borrow = calibration, borrow
        self._counted = counted

    def answer(self, subject: Subject) -> Estimate:
        """The estimate of a subject."""
        return estimate(
            subject.system,
            subject.workload,
            subject.plan,
            self._fitted(subject),
            steps=self._counted.of(scaled(subject.workload, subject.plan)),
            engine=self._engine,
            software=subject.software,
            overheads=subject.run,
            site=subject.site,
        )

    def step(self, subject: Subject) -> Staged:
        """Its step in stages, ready to be simulated."""
        return prepared(
            subject.system,
            subject.workload,
            subject.plan,
            self._fitted(subject),
            software=subject.software,
        )

    def _fitted(self, subject: Subject) -> Calibration:
        return planned.load_calibration(
            subject.system.device, self._calibration, borrow=self._borrow
        )
