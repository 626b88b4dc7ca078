"""The designs: what they hold, at which sizes."""

from collections import Counter

import pytest

pytest.importorskip("torch")

from calibration.measure.design import KINDS, cases, expected, seconds
from calibration.measure.place import Place
from hwsim.graph.workload import registered

CPU = Place("cpu", devices=2)
GPU = Place("cuda:0", "a100-sxm-40gb", tensor_cores=True)
FULL = cases(CPU, ["fp32"], KINDS)
QUICK = cases(CPU, ["fp32"], KINDS, quick=True)
LARGE = cases(GPU, ["fp32", "tf32", "bf16"], KINDS)

# Those of published runs alone are not.
MEASURED = set(registered()) - {"bert", "resnet", "wordlm-small", "speech-small"}


def kinds(design):
    return {case.shape.kind for case in design}


def steps(design, devices=1):
    return [c for c in design if c.shape.kind == "workload-step" and c.devices == devices]


@pytest.mark.parametrize("design", [FULL, QUICK, LARGE], ids=["full", "quick", "large"])
def test_no_case_comes_twice(design):
    assert len(set(design)) == len(design)


def test_quick_is_a_part_of_full_with_every_kind_and_workload():
    assert kinds(QUICK) == kinds(FULL) == set(KINDS)
    assert set(QUICK) < set(FULL)
    assert {case.shape.workload for case in steps(QUICK)} == MEASURED
    assert steps(QUICK, 2)


def test_every_workload_has_eight_sizes_that_a_cpu_does_in_time():
    counts = Counter(case.shape.workload for case in steps(FULL))
    assert set(counts) == MEASURED
    assert min(counts.values()) >= 8
    assert max(seconds(case, CPU) for case in steps(FULL)) < 1.5
    assert {case.shape.workload for case in steps(FULL, 2)} == MEASURED


def test_the_plan_keeps_the_times_that_are_promised():
    assert sum(expected(case, CPU) for case in QUICK) < 100.0
    assert sum(expected(case, CPU) for case in FULL) < 600.0


def test_streams_reach_beyond_every_cache():
    moved = [c.shape.bytes_moved for c in FULL if c.shape.kind == "pointwise"]
    assert min(moved) <= 8192
    assert max(moved) >= 128 * 2**20


def test_a_cpu_has_calls_alone_and_a_gpu_both():
    assert {case.timing for case in FULL} == {"call"}
    for kind in ("gemm", "recurrent", "pointwise", "attention", "update"):
        assert {c.timing for c in LARGE if c.shape.kind == kind} == {"kernel", "call"}
    modes = {(c.shape.mode, c.timing) for c in LARGE if c.shape.kind == "launch"}
    assert modes == {("eager", "call"), ("training", "call"), ("graph", "kernel")}
    assert {c.timing for c in steps(LARGE)} == {"call"}


def test_one_gpu_has_no_collectives_and_several_have():
    assert "collective" not in kinds(LARGE)
    eight = Place("cuda:0", "a100-sxm-40gb", devices=8, tensor_cores=True)
    spread = [c for c in cases(eight, ["fp32"], KINDS) if c.devices > 1]
    assert kinds(spread) == {"collective", "workload-step"}
    assert {(c.devices, c.devices_per_node) for c in spread} == {(8, 8)}


def test_formats_go_where_they_differ():
    formats = {kind: {c.dtype for c in LARGE if c.shape.kind == kind} for kind in kinds(LARGE)}
    assert formats["gemm"] == formats["workload-step"] == {"fp32", "tf32", "bf16"}
    assert formats["pointwise"] == {"fp32", "bf16"}
    assert formats["update"] == formats["launch"] == {"fp32"}
    engines = {(c.dtype, c.engine) for c in LARGE if c.shape.kind == "gemm"}
    assert engines == {("fp32", "vector"), ("tf32", "matrix"), ("bf16", "matrix")}


def test_a_part_of_the_kinds_can_be_chosen():
    assert kinds(cases(CPU, ["fp32"], ["launch", "update"])) == {"launch", "update"}
