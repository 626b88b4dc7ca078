"""Measures cases at a place, batch by batch, and tells of each as soon as it is known."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import groupby
from types import TracebackType

import torch

from calibration.measure.clock import LEAST, Sample, Timing, timed
from calibration.measure.design import expected, rounds
from calibration.measure.kernels import parts_of, work_of
from calibration.measure.place import Place, set_precision, settled
from calibration.measure.steps import step_of
from calibration.measure.team import Team, TeamError
from calibration.measure.work import graph_sample, host_sample
from calibration.measurement import Case, Measurement, Provenance
from calibration.shapes import WorkloadStep
from hwsim.errors import InputError

# So long a batch is at least, if enough cases belong to it: what disturbs for a few seconds then
# hits some rounds of each alone. Its cases stay in memory together.
BATCH_SECONDS = 15.0
# Several processes leave a barrier at slightly different times.
LEAST_TOGETHER = 5 * LEAST
# Digits that are kept of a time.
DIGITS = 4

Skipped = Callable[[Case, str], None]
Done = Callable[[Measurement], None]
Sampled = Callable[[Sequence[Case]], None]


def measure(
    cases: Iterable[Case],
    place: Place,
    provenance: Provenance,
    done: Done,
    skipped: Skipped,
    sampled: Sampled = lambda _: None,
) -> None:
    """Calls `done` for every case, or `skipped` with the reason why it can't be measured here.

    `sampled` is called after each round of samples, with its cases.
    """
    with settled(place), Bench(place) as bench:
        for _, group in groupby(sorted(cases, key=_together), key=_together):
            waiting = deque(group)
            while waiting:
                batch = _batch(waiting, bench, skipped)
                for case, timing in _timings(batch, skipped, sampled):
                    done(_measured(case, timing, provenance))
                batch.clear()
                bench.clear()


def _together(case: Case) -> tuple[bool, int, str, str]:
    """Cases that can share a batch have this in common; a stable order of the rest is kept."""
    step = isinstance(case.shape, WorkloadStep)
    return step, case.devices or 1, case.dtype or "", case.timing or ""


def _batch(waiting: deque[Case], bench: Bench, skipped: Skipped) -> list[tuple[Case, Sample]]:
    """The next cases, ready to be sampled: as many as a batch is to have and memory holds."""
    batch: list[tuple[Case, Sample]] = []
    seconds = 0.0
    while waiting and seconds < BATCH_SECONDS:
        case = waiting[0]
        try:
            sample = bench.prepare(case)
        except torch.OutOfMemoryError:
            if batch:
                break
            bench.clear()
            skipped(case, "it does not fit in the device's memory")
        except (InputError, RuntimeError, TypeError, ValueError) as error:
            skipped(case, str(error).partition("\n")[0])
        else:
            batch.append((case, sample))
            seconds += expected(case, bench.place)
        waiting.popleft()
    return batch


def _timings(
    batch: list[tuple[Case, Sample]], skipped: Skipped, sampled: Sampled
) -> list[tuple[Case, Timing]]:
    if not batch:
        return []
    cases, samples = zip(*batch, strict=True)
    least = LEAST_TOGETHER if (cases[0].devices or 1) > 1 else LEAST
    try:
        timings = timed(samples, rounds(cases[0]), least, partial(sampled, cases))
        return list(zip(cases, timings, strict=True))
    except RuntimeError as error:
        for case in cases:
            skipped(case, str(error).partition("\n")[0])
        return []


def _measured(case: Case, timing: Timing, provenance: Provenance) -> Measurement:
    return Measurement(
        **{name: getattr(case, name) for name in Case.model_fields},
        seconds=float(f"{timing.seconds / parts_of(case.shape):.{DIGITS}g}"),
        spread=round(timing.spread, DIGITS),
        provenance=provenance,
    )


class Bench:
    """Where cases are prepared: in this process, or in a team of them where they are spread.

    A context manager that ends the team, which starts with the first case that needs it.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self._team: Team | None = None
        self._failed = ""

    def __enter__(self) -> Bench:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._team is not None:
            self._team.close()

    def prepare(self, case: Case) -> Sample:
        """Ready to be sampled, and run once. Raises InputError, or what torch raises."""
        self._belongs_here(case)
        if (case.devices or 1) > 1:
            return self._spread(case)
        place = self.place
        set_precision(place, case.dtype)
        if isinstance(case.shape, WorkloadStep):
            work = step_of(case, case.shape, place.device)
        else:
            work = work_of(case, place.device)
        if case.timing == "kernel" and place.cuda:
            sample = graph_sample(work)
        else:
            sample = host_sample(work, cuda=place.cuda)
        sample(1)
        return sample

    def clear(self) -> None:
        """Frees what was prepared and is no longer held."""
        if self.place.cuda:
            torch.cuda.empty_cache()
        if self._team is not None:
            try:
                self._team.clear()
            except TeamError as error:
                self._give_up(error)

    def _belongs_here(self, case: Case) -> None:
        place, devices = self.place, case.devices or 1
        if case.device != place.name:
            raise InputError("device", f"found {case.device}, but this is {place.name}")
        if case.timing == "kernel" and not place.cuda:
            raise InputError("timing", "a CPU has framework calls alone", "write call")
        if devices not in (1, place.devices):
            raise InputError("devices", f"found {devices}, but here it is 1 or {place.devices}")

    def _spread(self, case: Case) -> Sample:
        if self._failed:
            raise TeamError(self._failed)
        try:
            if self._team is None:
                self._team = Team(self.place, self.place.devices)
            return self._team.prepare(case)
        except TeamError as error:
            self._give_up(error)
            raise

    def _give_up(self, error: TeamError) -> None:
        """No second try: what hung once would hang again for every case."""
        self._failed = str(error)
        if self._team is not None:
            self._team.close()
            self._team = None
