"""Whether a step fits, and the advice where it does not."""

import re

import pytest

from hwsim.errors import DoesNotFit, InputError
from hwsim.hardware import catalog
from hwsim.parallel.fits import capacity, does_not_fit, fits, what_fits
from hwsim.parallel.memory import LayerMemory, StageMemory, footprint, fullest
from hwsim.parallel.plan import Plan

GIB = 2**30
VOLTA = catalog.load("volta")  # 8 devices of 16 GiB
BATCH = 128


def needs_of(parameters=0.0, saved=0.0, core=0.0, layers=4, heads=8):
    """A workload of equal layers; GiB of parameters and of activations per sample, each layer."""

    def needs(plan):
        if heads % plan.tp or layers % plan.pp or BATCH % plan.dp:
            raise InputError("plan", "found what does not divide")
        micro = plan.micro_batch or BATCH // plan.dp
        count, rest = divmod(BATCH // plan.dp, micro)
        if rest or not count:
            raise InputError("plan.micro_batch", "found what does not divide")
        scale = GIB * micro / plan.tp
        layer = LayerMemory(
            parameters * GIB / 4 / plan.tp, saved * scale, saved * scale / 100, core=core * scale
        )
        size = layers // plan.pp
        cuts = [(size * stage, size * (stage + 1)) for stage in range(plan.pp)]
        return fullest(footprint([layer] * layers, cuts, plan, "fp32", "adam", count))

    return needs


def changed(plan, advice):
    """The plan with the changes that an advice names."""
    found = re.findall(r"--set plan\.(\w+)=(\w+)|--([a-z-]+) (?!plan)(\w+)", advice)
    values = {(a or c).replace("-", "_"): b or d for a, b, c, d in found}
    return Plan.model_validate(
        plan.model_dump()
        | {k: int(v) if v.isdigit() else {"true": True}.get(v, v) for k, v in values.items()}
    )


CASES = [
    # Activations alone are too many: a smaller micro-batch is the cheapest.
    (Plan(), {"saved": 1.0}, "--micro-batch 2 would fit"),
    # A single sample is too much; attention's core is most of it.
    (Plan(micro_batch=1), {"saved": 5.0, "core": 4.0}, "--recompute selective would fit"),
    # Three times the parameters are state.
    (Plan(dp=8), {"parameters": 1.2}, "--zero 1 would fit"),
    (Plan(dp=8), {"parameters": 2.4}, "--zero 2 would fit"),
    (Plan(dp=8), {"parameters": 3.0}, "--zero 3 would fit"),
    (Plan(micro_batch=1), {"saved": 5.0}, "--recompute full would fit"),
    (Plan(), {"parameters": 1.5}, "--tp 2 would fit"),
    (Plan(), {"parameters": 1.5, "heads": 1}, "--pp 2 would fit"),
]


@pytest.mark.parametrize(("plan", "model", "advice"), CASES)
def test_the_cheapest_change_is_advised(plan, model, advice):
    needs = needs_of(**model)
    assert not fits(needs(plan), plan, VOLTA)
    found = what_fits(plan, VOLTA, BATCH, needs)
    assert found == advice
    better = changed(plan, found)
    assert fits(needs(better), better, VOLTA)


def test_two_changes_are_advised_where_none_is_enough():
    plan, needs = Plan(dp=8), needs_of(parameters=4.0, saved=2.0, layers=1, heads=1)
    found = what_fits(plan, VOLTA, BATCH, needs)
    better = changed(plan, found)
    assert found == "--micro-batch 4 --zero 2 would fit"
    for alone in ({"micro_batch": 4}, {"zero": 2}):
        assert not fits(needs(plan.model_copy(update=alone)), plan, VOLTA)
    assert fits(needs(better), better, VOLTA)


def test_devices_that_are_not_there_are_not_advised_as_if_they_were():
    host = catalog.override(catalog.load("l4"), {"node.host_memory": "1 GiB"})
    found = what_fits(Plan(), host, BATCH, needs_of(parameters=2.0))
    assert found == "--pp 2 would fit (on a larger system: l4 has 1)"


def test_what_never_fits_is_said_so():
    found = what_fits(Plan(), VOLTA, BATCH, needs_of(parameters=1000.0))
    assert "smaller workload" in found


def test_a_change_that_the_workload_refuses_is_not_advised():
    found = what_fits(Plan(), VOLTA, BATCH, needs_of(parameters=1.5, heads=1, layers=3))
    assert found == "--pp 3 would fit"


def test_what_the_driver_reports_is_the_capacity():
    assert capacity(catalog.load("v100-sxm2-16gb").device) == 16 * 2**30
    told = catalog.override(catalog.load("l4"), {"device.memory.reported": "22 GiB"})
    assert capacity(told.device) == 22 * 2**30


def test_the_hosts_memory_is_shared_by_the_devices_of_a_node():
    host = catalog.override(VOLTA, {"node.host_memory": "64 GiB"})
    memory = StageMemory({"activations": 1.0}, host=10 * GIB)
    assert fits(memory, Plan(dp=6), host)
    assert not fits(memory, Plan(dp=16), host)
    error = does_not_fit(memory, Plan(dp=16), host, "x")
    for fragment in ("host memory of volta", "10 GiB of each device", "64 GiB for 8"):
        assert fragment in str(error)


def test_the_fault_names_bytes_by_part():
    l4 = catalog.load("l4")
    memory = StageMemory({"parameters": 30e9, "activations": 2e9, "communication": 0.0})
    error = does_not_fit(memory, Plan(), l4, "x")
    assert isinstance(error, DoesNotFit)
    for fragment in ("29.8 GiB", "parameters 27.9 GiB", "activations 1.86 GiB", "24 GiB", "l4"):
        assert fragment in str(error)
    assert "communication" not in str(error)
    assert "stage" not in str(error)
    assert "pipeline stage 0" in str(does_not_fit(memory, Plan(pp=2), l4, "x"))
