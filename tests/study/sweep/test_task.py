"""Every row of a sweep is what an estimate says of its point."""

import csv
import io
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.convergence.law import given as exact
from hwsim.convergence.law import interval
from hwsim.errors import InputError
from hwsim.estimation import estimate, step_luck
from hwsim.overheads import Overheads
from hwsim.parallel.check import scaled
from hwsim.study.sweep import scalar
from hwsim.study.sweep import task as tasks
from hwsim.study.sweep import totals as totaling
from hwsim.study.sweep.columns import SECONDS
from hwsim.study.sweep.digest import together
from hwsim.study.sweep.executor import Local
from hwsim.study.sweep.parse import Drawing
from hwsim.study.sweep.paths import COUNTS
from hwsim.study.sweep.run import at_random, confirm, run
from hwsim.study.sweep.totals import totals


class Kept:
    """Rows in memory."""

    def __init__(self, rows=0):
        self.rows, self.text = rows, b""

    def write(self, text, rows):
        assert text.count(b"\n") == rows
        self.text += text
        self.rows += rows


def rows_of(task):
    kept = Kept()
    run(task, kept, Local())
    text = (task.form.header(task.axes.paths) + kept.text).decode()
    if task.form.style == "jsonl":
        return [json.loads(line) for line in text.splitlines()]
    return list(csv.DictReader(io.StringIO(text)))


def told(task, number):
    """What an estimate says of a point, with "auto" by its closed form if it has one."""
    if task.engine != "auto":
        return asked(task, number, task.engine)
    try:
        return asked(task, number, "closed")
    except InputError as error:
        if "closed form" not in str(error):
            raise
    return asked(task, number, "events")


def asked(task, number, engine):
    fields = task.axes.settings(number)
    counts = {path: fields.pop(path) for path in COUNTS if path in fields}
    subject = task.subject.with_settings(fields)
    plan = subject.plan
    return estimate(
        subject.system,
        subject.workload,
        plan,
        steps=task.counted(counts).of(scaled(subject.workload, plan)),
        engine=engine,
        software=subject.software,
        overheads=subject.run,
        site=subject.site,
    )


def told_or_why(task, number):
    try:
        return told(task, number), ""
    except InputError as error:
        return None, " ".join(str(error).split())


def check(task, rel=1e-9):
    rows = rows_of(task)
    assert len(rows) == task.axes.size
    answered = 0
    for number, row in enumerate(rows):
        assert {path: row[path] for path in task.axes.paths} == task.axes.settings(number)
        one, why = told_or_why(task, number)
        if one is None:
            assert (row["seconds"], row["why"]) == ("", why)
            continue
        answered += 1
        near = {"seconds": one.step.seconds, "memory_bytes": one.memory.bytes}
        near |= dict(zip(SECONDS, one.step.parts.values(), strict=True))
        near |= {"steps": one.convergence.steps}
        near |= {"total_seconds": one.total.seconds}
        wide = {"low": one.step.low, "high": one.step.high}
        wide |= {"total_low": one.total.low, "total_high": one.total.high}
        if one.energy:
            near |= {"step_energy": one.energy.step.value}
            near |= {"total_energy": one.energy.total.value}
        if one.cost:
            near |= {"step_cost": one.cost.step.value}
        for name, value in near.items():
            assert float(row[name]) == pytest.approx(value, rel=rel, abs=1e-15), name
        for name, value in wide.items():
            assert float(row[name]) == pytest.approx(value, rel=1e-3), name
        assert (row["fits"], row["why"]) == (str(one.memory.fits).lower(), "")
    return answered


def test_sizes_plans_and_counts(sweep):
    task = sweep(
        "workload.hidden=16,32", "plan.dp=1,3,4", "steps=100,1e4", paired=["run.startup=1s,2s"]
    )
    assert check(task) == 2 * 2 * 2 * 2


def test_figures_of_the_machine(sweep):
    grid = ("device.memory.bandwidth=0.1:4TB/s:4", "node.link.bandwidth=1:300GB/s:3")
    assert check(sweep(*grid, "plan.dp=1,4")) == 24


def test_many_plans(sweep):
    grid = ("plan.dp=1,2,4", "plan.zero=0,1", "plan.pp=1,2", "plan.micro_batch=4,8")
    assert check(sweep(*grid, "workload.batch=32,64")) > 24


def test_plans_that_change_the_count(sweep):
    grid = ("plan.dp=1,2,4,8", "plan.scaling=strong,weak", "plan.micro_batch=4,8")
    task = sweep(*grid, counts={"critical_batch": 100.0})
    assert check(task) == 15  # of 8 samples on 8 devices none has 8


def test_the_events_of_points(sweep):
    assert check(sweep("plan.dp=1,2", "workload.hidden=16,24", engine="events")) == 4


def test_runs_that_spend_more_than_their_steps(sweep):
    grid = ("run.checkpoint_every=10,100", "run.mtbf=1h,1d")
    task = sweep(*grid, "run.checkpoint=2s", "run.restart=1min")
    assert check(task) == 4


@given(st.data())
@settings(deadline=None, max_examples=8)
def test_drawn_points(sweep, data):
    pool = ["workload.hidden=8:64", "plan.dp=1,2,4", "device.memory.bandwidth=0.1:4TB/s"]
    pool += [
        "device.multiprocessors=0.5x:2x",
        "node.link.bandwidth=1:300GB/s",
        "workload.dtype=fp32,fp16",
        "nodes=1,2",
    ]
    random = data.draw(st.lists(st.sampled_from(pool), min_size=1, max_size=4, unique=True))
    drawing = Drawing(6, data.draw(st.integers(0, 99)), data.draw(st.booleans()))
    assert check(sweep(random=random, drawing=drawing)) > 0


def test_an_engine_that_claims_nothing_leaves_the_rest_to_the_events(sweep):
    grid = ("plan.zero=2,3", "plan.dp=4", "plan.micro_batch=2,4")
    closed = rows_of(sweep(*grid, engine="closed"))
    assert all(row["why"].startswith("no closed form") and row["memory_bytes"] for row in closed)
    events = rows_of(sweep(*grid, engine="events"))
    assert rows_of(sweep(*grid, engine="auto")) == events
    assert all(row["seconds"] for row in events)


def test_json_lines_have_what_csv_has(sweep):
    grid = ("workload.hidden=16,32", "plan.dp=1,3", 'workload.corpus=a%d,"b')
    lines = rows_of(sweep(*grid, style="jsonl"))
    assert lines[0]["workload.hidden"] == 16
    for row, line in zip(rows_of(sweep(*grid)), lines, strict=True):
        assert row["workload.corpus"] == line["workload.corpus"]
        for name, text in row.items():
            if name in ("fits", "why", "workload.corpus"):
                continue
            assert (float(text) if text else None) == line[name]


def test_chosen_columns_alone(sweep):
    task = sweep("workload.hidden=16,32", chosen="fits,seconds")
    assert list(rows_of(task)[0]) == ["workload.hidden", "seconds", "fits"]


def test_rows_that_are_there_are_not_written_again(sweep):
    task = sweep("workload.hidden=8:64:20", "plan.dp=1,2,3")
    whole = Kept()
    run(task, whole, Local())
    for number in (1, 16, 17, 59):
        kept = Kept(number)
        run(task, kept, Local())
        assert kept.text.splitlines() == whole.text.splitlines()[number:]


def test_the_best_points_are_the_shortest_that_fit(sweep):
    task = sweep("workload.hidden=8:64:12", "plan.dp=1,2,3,4", best=5)
    found = run(task, Kept(), Local())
    times = sorted(float(row["total_seconds"]) for row in rows_of(task) if row["fits"] == "true")
    assert [one.seconds for one in found.digest.best] == pytest.approx(times[:5])
    assert (found.digest.points, found.digest.answered) == (48, 36)
    assert together([found.digest, found.digest], 3).points == 96


def test_the_closed_form_is_compared_with_events(sweep):
    task = sweep("plan.dp=1,2,3,4", "workload.hidden=16,32")
    gap = confirm(task, at_random(task, 4), 4)
    assert gap.points == len(gap.every) == 4
    assert 0 <= gap.median <= gap.most <= 0.01
    assert gap.most == max(one.off for one in gap.every)


def test_chosen_points_are_simulated_whatever_comes_of_them(sweep):
    task = sweep("plan.dp=1,3,4", "plan.zero=0,3")  # in rows 2 and 3 3 doesn't divide the batch
    gap = confirm(task, [4, 5, 2])
    assert [one.number for one in gap.every] == [4, 5, 2]
    assert gap.points == 1
    held, open_, refused = gap.every
    assert held.off <= 0.01
    assert (math.isnan(open_.closed), open_.events > 0, open_.why) == (True, True, "")
    assert "divide" in refused.why


@given(st.lists(st.floats(0.05, 0.6), min_size=1, max_size=200), st.floats(1e-3, 1e3))
@settings(deadline=None, max_examples=20)
def test_intervals_of_totals_are_those_of_their_draws(spreads, step):
    spread = np.array(spreads)
    found = totals(np.full(len(spread), step), spread, exact(50.0), Overheads(), 1)
    for place in range(0, len(spread), 40):
        low, high = interval(50.0 * step * step_luck(spreads[place]))
        assert found.low[place] == pytest.approx(low, rel=1e-3)
        assert found.high[place] == pytest.approx(high, rel=1e-3)
        assert found.low[place] <= found.seconds[place] <= found.high[place]


def test_more_spreads_than_nodes_are_interpolated():
    spread = np.linspace(0.05, 0.6, totaling.NODES + 30)
    found = totals(np.ones(len(spread)), spread, exact(7.0), Overheads(), 1)
    for place in (0, 31, len(spread) - 1):
        low, high = interval(7.0 * step_luck(float(spread[place])))
        assert (found.low[place], found.high[place]) == pytest.approx((low, high), rel=1e-3)


def test_what_is_not_known_stays_so():
    found = totals(np.array([math.nan, 1.0]), np.array([math.nan, 0.1]), exact(7.0), Overheads(), 1)
    assert np.isnan(found.seconds[0])
    assert np.isnan(found.low[0])
    assert found.seconds[1] == 7.0


def test_steps_are_answered_once_for_all_that_they_do_not_see(sweep, monkeypatch):
    asked = []
    answer = scalar.answer
    monkeypatch.setattr(scalar, "answer", lambda *more: asked.append(1) or answer(*more))
    site = "site.electricity=0.1 USD/kWh,0.2 USD/kWh"
    task = sweep("workload.hidden=16,32", "steps=10,20,30", site)
    assert check(task) == 12
    assert len(asked) == 2


@pytest.mark.parametrize("engine", ["auto", "events"])
def test_a_block_ends_where_events_take_long(sweep, monkeypatch, engine):
    task = sweep("plan.zero=0,3", "plan.dp=1,2,4", "plan.bucket=1MiB,25MiB", engine=engine)
    whole = task.run(0, task.axes.size)
    assert whole.end == task.axes.size
    monkeypatch.setattr(tasks, "PATIENCE", -1.0)
    kept, ends = Kept(), []
    found = run(task, kept, Local(), lambda summary: ends.append(summary.digest.points))
    assert kept.text == whole.text
    assert len(ends) > 4
    assert found.digest == whole.digest


@pytest.mark.parametrize("first", [1, 5, 11])
def test_a_sweep_goes_on_anywhere(sweep, first):
    task = sweep("workload.hidden=8,16", "plan.zero=0,3", "plan.dp=1,2,4")
    whole, kept = task.run(0, task.axes.size), Kept(first)
    run(task, kept, Local())
    assert kept.text.splitlines() == whole.text.splitlines()[first:]
