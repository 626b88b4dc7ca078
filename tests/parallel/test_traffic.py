"""What a device's streams carry beside its kernels."""

import pytest

from hwsim.cost.calibration import load_for
from hwsim.cost.offload import host_bandwidth
from hwsim.hardware import catalog
from hwsim.parallel.lower import lower
from hwsim.parallel.plan import Plan
from hwsim.parallel.program import Stream
from hwsim.parallel.staged import staged
from hwsim.simulate.engine import run
from workloads.transformer import Transformer

VOLTA = catalog.load("volta")
MODEL = Transformer(layers=6, sequence=128, batch=8)


def step(system=VOLTA, **plan):
    return staged(MODEL, system, Plan(**plan), load_for(system.device))


def seconds(**plan):
    return run(lower(step(**plan)), trace=False).seconds


def tasks(kind, device=0, **plan):
    return list(lower(step(**plan)).streams[Stream(device, kind)]())


def test_stages_send_every_micro_batch_on_and_back():
    plan = {"pp": 2, "micro_batch": 2}
    forward, back = tasks("forward", **plan), tasks("backward", device=1, **plan)
    assert [task.micro for task in forward] == [task.micro for task in back] == [0, 1, 2, 3]
    assert tasks("forward", device=1, **plan) == tasks("backward", **plan) == []


def test_parameters_of_two_layers_are_gathered_at_a_time():
    gathers = tasks("gather", dp=2, zero=3)
    waits = [task.takes for task in gathers]
    assert len(gathers) == 2 * 8  # layers, forward and backward
    assert waits[:2] == [(), ()]
    assert all(len(takes) == 1 for takes in waits[2:])


def test_activations_go_to_the_host_and_come_back_last_layer_first():
    out, back = (tasks(f"host.{way}", offload="activations") for way in ("out", "in"))
    assert len(out) == len(back) == 8
    assert [task.work.seconds for task in out] == [task.work.seconds for task in back[::-1]]
    saved = sum(layer.saved for layer in step().chunks[0])
    copied = sum(task.work.seconds for task in out)
    assert copied == pytest.approx(saved / host_bandwidth(VOLTA))


def test_copies_hide_behind_kernels_as_far_as_these_are_long():
    plain, kept = seconds(), seconds(offload="activations")
    copied = sum(layer.saved for layer in step().chunks[0]) / host_bandwidth(VOLTA)
    assert max(plain, 2 * copied) < kept < plain + 2 * copied


def test_recomputation_leaves_less_to_copy():
    times = [
        sum(task.work.seconds for task in tasks("host.out", offload="activations", recompute=how))
        for how in ("none", "full")
    ]
    assert times[1] < times[0] / 2


def test_a_fast_way_to_the_host_costs_nothing():
    device = VOLTA.device.model_copy(update={"pcie": "6.0 x1600000"})
    fast = VOLTA.model_copy(update={"device": device})
    kept = run(lower(step(fast, offload="activations", micro_batch=2)), trace=False).seconds
    assert kept == pytest.approx(seconds(micro_batch=2), rel=1e-3)


def test_exchanges_stand_apart_only_where_something_may_go_on_beside_them():
    assert "tp" not in {stream.kind for stream in lower(step(tp=2)).streams}
    detailed = lower(step(tp=2), detail=True)
    assert "tp" in {stream.kind for stream in detailed.streams}
    assert run(detailed).seconds == pytest.approx(seconds(tp=2), rel=1e-12)
