"""Two processes that measure together, and one that dies."""

import os
import signal

import pytest

pytest.importorskip("torch")

from calibration.measure import batches, place, team
from calibration.measure.batches import measure
from calibration.measure.place import Place
from calibration.measure.team import Team, TeamError
from calibration.measurement import Case
from calibration.shapes import Collective, Gemm, WorkloadStep
from hwsim.errors import InputError

HERE = Place("cpu", devices=2)
SPREAD = {"device": "local", "dtype": "fp32", "timing": "call", "devices": 2}
SPREAD |= {"devices_per_node": 2, "intra_link": "gloo"}


def case(shape):
    return Case(shape=shape, **SPREAD)


def step(batch):
    return case(WorkloadStep(workload="charlm-small", settings={"hidden": 8, "batch": batch}))


def test_collectives_and_steps_of_two_processes(monkeypatch):
    monkeypatch.setattr(batches, "rounds", lambda _: 2)
    names = ("all_reduce", "all_gather", "reduce_scatter")
    good = [*(case(Collective(collective=name, bytes=1024)) for name in names), step(4)]
    bad = [
        case(Collective(collective="broadcast", bytes=1024)),
        case(Collective(collective="all_reduce", bytes=1023)),
        step(5),
        case(Gemm(m=2, n=2, k=2)),
    ]
    found, skipped = [], {}
    said = place.provenance(HERE, "")
    measure([*good, *bad], HERE, said, found.append, skipped.__setitem__)
    assert {one.case for one in found} == set(good)
    assert all(0.0 < one.seconds < 10.0 for one in found)
    reasons = [skipped[one] for one in bad]
    words = ("broadcast", "multiple", "share 5", "several")
    assert [word in why for word, why in zip(words, reasons, strict=True)] == [True] * 4


def test_a_dead_process_ends_the_team_and_leaves_none_behind():
    together = Team(HERE, 2)
    with pytest.raises(InputError, match="several"):
        together.prepare(case(Gemm(m=2, n=2, k=2)))
    processes = [process for _, process in together._members]
    os.kill(processes[1].pid, signal.SIGKILL)
    processes[1].join()
    with pytest.raises(TeamError):
        together.clear()
    together.close()
    assert not any(process.is_alive() for process in processes)


def test_a_team_that_cannot_start_is_not_tried_again(monkeypatch):
    starts = []

    def refuse(*_):
        starts.append(1)
        raise TeamError("processes can't be started")

    monkeypatch.setattr(batches, "Team", refuse)
    found, skipped = [], {}
    said = place.provenance(HERE, "")
    measure([step(2), step(4)], HERE, said, found.append, skipped.__setitem__)
    assert (found, len(skipped), len(starts)) == ([], 2, 1)
    assert set(skipped.values()) == {"processes can't be started"}


def test_what_a_member_cannot_send_is_its_text():
    def fail():
        raise ZeroDivisionError("by zero\nand more")

    answer = team._answered(fail)
    assert (type(answer), str(answer)) == (RuntimeError, "by zero")
