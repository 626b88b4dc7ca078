"""`hwsim search`: what it prints, its JSON, what it refuses, and nothing feasible."""

import json

import pytest

from hwsim.estimation import estimate
from hwsim.hardware import catalog
from hwsim.parallel.plan import Plan
from hwsim.study.search import best
from hwsim.units import money_text
from workloads.charlm import CharLM

BASE = ("search", "--hw", "volta", "--model", "charlm", "--set", "workload.hidden=64")
QUICK = (*BASE, "--devices", "2", "--over", "plan.micro_batch=32,64", "--fix", "plan.offload=none")


def told(hwsim, *words, code=0):
    found, out, err = hwsim(*words, "--json")
    assert found == code, err
    return json.loads(out)


def test_a_table_by_default(hwsim):
    code, out, err = hwsim(*QUICK)
    assert (code, err) == (0, "")
    for word in ("ways to share 2 devices", "configurations", "equal to another one", "certain"):
        assert word in out
    assert "\x1b" not in out


def test_the_best_has_the_value_that_an_estimate_has(hwsim):
    found = told(hwsim, *QUICK, "--certain", "3")
    assert found["complete"]
    assert found["certain"] >= 3
    assert sum(found["counts"].values()) == found["configurations"]
    values = [one["value"] for one in found["best"]]
    assert values == sorted(values)
    first = found["best"][0]
    plan = Plan(**first["plan"])
    answer = estimate(catalog.load("volta"), CharLM(hidden=64), plan)
    assert first["events"] == pytest.approx(answer.step.seconds, rel=1e-9)
    assert sum(first["step"]["parts"].values()) == pytest.approx(first["value"], rel=1e-6)
    assert set(first["loses"].values()) == {0.0}


def test_the_size_of_the_model_is_searched_with_its_plan(hwsim):
    sizes = ("--vary", "workload.hidden=64,256", "--for", "total")
    both = told(hwsim, *QUICK[:5], *QUICK[7:], *sizes)
    each = [
        told(hwsim, *BASE[:5], *QUICK[7:], "--for", "total", "--set", f"workload.hidden={hidden}")
        for hidden in (64, 256)
    ]
    values = [one["best"][0]["value"] for one in each]
    assert both["best"][0]["value"] == pytest.approx(min(values), rel=1e-9)
    assert both["configurations"] == sum(one["configurations"] for one in each)
    assert both["best"][0]["settings"]["workload.hidden"] in ("64", "256")


def test_cost_and_energy_are_sought(hwsim):
    priced = ("--set", "site.hour=2USD", "--steps", "100")
    for aim in ("cost", "energy"):
        found = told(hwsim, *QUICK, *priced, "--for", aim)
        assert found["best"][0]["value"] > 0


def test_an_interrupt_prints_the_best_so_far(hwsim, monkeypatch):
    monkeypatch.setattr(best, "TICK", -1.0)

    def stop(_, state):
        if state.best is not None:
            raise KeyboardInterrupt

    monkeypatch.setattr("hwsim.report.searching.Progress.show", stop)
    code, out, _ = hwsim(*QUICK)
    assert code == 130
    assert "interrupted: the best of the space is at most" in out
    assert "left open by the interrupt" in out


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--set", "device.memory.capacity=1MiB"), "memory"),
        (("--deadline", "1 us", "--steps", "10"), "--deadline"),
        (("--power", "1 W"), "--power"),
        (("--budget", "1e-9 USD", "--set", "site.hour=2USD", "--steps", "10"), "--budget"),
        (("--set", "workload.batch=127"), "--devices"),
    ],
)
def test_nothing_feasible_tells_the_nearest(hwsim, words, named):
    code, out, err = hwsim(*QUICK, *words)
    assert code == 3
    assert err.startswith(f"error: {named}: none of ")
    assert "nothing is feasible" in out


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--for", "fame"), "--for"),
        (("--keep", "0"), "--keep"),
        (("--certain", "0"), "--certain"),
        (("--devices", "0"), "--devices"),
        (("--devices", "99999999"), "--devices"),
        (("--fix", "tp=8"), "--fix"),
        (("--over", "plan.nothing=1"), "--over"),
        (("--over", "plan.tp=many"), "plan.tp"),
        (("--fix", "plan.schedul=1f1b"), "--fix plan.schedul: found no such field"),
        (("--fix", "plan.cp=1", "--over", "plan.cp=1,2"), "plan.cp: found in --fix and in --over"),
        (("--over", "plan.time_chunks=1,2"), "--over"),
        (("--over", "plan.tp=1", "--over", "plan.tp=2"), "--over plan.tp"),
        (("--vary", "plan.tp=1,2"), "--vary"),
        (("--vary", "workload.depth=1,2", "--vary", "workload.depth=1,2"), "--vary"),
        (("--deadline", "soon"), "--deadline"),
        (("--deadline", "0 s"), "--deadline"),
        (("--hw", "cpu-epyc-2", "--for", "cost"), "--for cost"),
        (("--hw", "cpu-epyc-2", "--budget", "1 USD"), "--budget"),
    ],
)
def test_what_is_wrong_is_named(hwsim, words, named):
    code, out, err = hwsim(*BASE, "--devices", "2", *words)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {named}")


def test_the_best_plans_are_drawn(hwsim, tmp_path):
    words = ("search", "--hw", "volta", "--model", "charlm", "--devices", "2", "--keep", "2")
    done = hwsim(*words, "--fix", "plan.offload=none", "--plot", str(tmp_path / "a.svg"))
    assert done.code == 0
    drawn = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert "compute" in drawn
    assert "zero" in drawn


def test_a_degree_that_does_not_divide_is_named(hwsim):
    code, _, err = hwsim(*BASE, "--devices", "8", "--over", "plan.dp=3")
    assert code == 3
    assert "with plan.dp=3" in err


def test_the_nearest_miss_is_the_best_there_is(hwsim):
    cost = json.loads(hwsim(*QUICK, "--for", "cost", "--json").out)["best"][0]["value"]
    code, _, err = hwsim(*QUICK, "--budget", f"{cost / 2} USD")
    assert code == 3
    assert f"the nearest takes {money_text(cost)}" in err
    power = hwsim(*QUICK, "--power", "1 W").err
    assert "even at rest" in power
    assert "fewer devices" in power


def test_nothing_left_out_is_below_the_bound(hwsim):
    few, many = (json.loads(hwsim(*QUICK, "--keep", n, "--json").out) for n in ("1", "5"))
    assert few["bound"] <= min(one["value"] for one in many["best"][1:])
