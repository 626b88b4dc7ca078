"""Laws of a simulated step, whatever its workload, machine and plan."""

import math
from collections import Counter
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.cost.calibration import load_for
from hwsim.cost.roofline import kernel_cost
from hwsim.graph.ops import Linear, Pointwise
from hwsim.graph.step import Layer
from hwsim.graph.workload import Workload
from hwsim.hardware import catalog
from hwsim.parallel.plan import Plan
from hwsim.parallel.program import COMPUTE, Link, Program, Stream, Task, Work
from hwsim.simulate.engine import run
from hwsim.simulate.step import prepared, simulate
from hwsim.software import catalog as profiles
from workloads.wordlm import WordLM

few = settings(deadline=None, max_examples=25)
BUSY = ("compute", "memory", "launch")


def seconds(asked, **how):
    return simulate(*asked, trace=False, **how).seconds


def busy(parts):
    return sum(parts[part] for part in BUSY)


def ideal(system, calibration):
    """A system and a calibration whose links take no time."""
    at_once = {"bandwidth": 1e300, "latency": 0.0}
    links = {"link": system.node.link, "host_link": system.node.host_link}
    ways = {name: link.model_copy(update=at_once) for name, link in links.items() if link}
    node = system.node.model_copy(update=ways)
    network = tuple(tier.model_copy(update=at_once) for tier in system.network)
    return (
        system.model_copy(update={"node": node, "network": network}),
        calibration.model_copy(update={"links": calibration.links.ideal()}),
    )


class Blocks(Workload):
    """Equal layers of a product and what has no weights."""

    name: ClassVar[str] = "blocks"
    unit: ClassVar[str] = "rows"
    dataset: int = 1
    corpus: str = "none"
    layers: int = 8

    @property
    def items_per_sample(self):
        return 256

    def build(self, batch):
        size = 256 * batch * 512
        ops = (Linear("product", 256 * batch, 512, 512, bias=False), Pointwise("gelu", size))
        return (Layer("block", ops, self.layers, size),)


@given(st.data())
@few
def test_parts_sum_to_the_step(steps, data):
    asked = data.draw(steps())
    line = simulate(*asked, trace=False)
    for parts in (line.parts(), *(line.parts(device) for device in line.devices)):
        assert sum(parts.values()) == pytest.approx(line.seconds, rel=1e-9)
        assert min(parts.values()) >= -1e-12 * line.seconds
    assert 0 < line.seconds < math.inf


@given(st.data())
@few
def test_one_device_says_and_awaits_nothing(steps, data):
    alone = {"dp": 1, "tp": 1, "pp": 1, "cp": 1, "ep": 1, "schedule": "1f1b", "virtual": 1}
    parts = simulate(*data.draw(steps(**alone, offload="none")), trace=False).parts()
    assert (parts["communication"], parts["bubble"]) == (0.0, 0.0)


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_one_device_of_each_stage_stands_for_all_of_them(steps, data):
    asked = data.draw(steps())
    assert seconds(asked, everyone=True) == pytest.approx(seconds(asked), rel=1e-12)


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_detail_changes_no_time(steps, data):
    asked = data.draw(steps())
    assert seconds(asked, detail=True) == pytest.approx(seconds(asked), rel=1e-12)


@given(st.data())
@settings(deadline=None, max_examples=30)
def test_of_a_profile_neither_equals_nor_detail_change_the_time(profiled_steps, data):
    made = data.draw(profiled_steps())
    plain = seconds(made.asked, **made.how)
    assert seconds(made.asked, **made.how, everyone=True) == pytest.approx(plain, rel=1e-12)
    assert seconds(made.asked, **made.how, detail=True) == pytest.approx(plain, rel=1e-12)


@given(st.data())
@few
def test_a_profile_s_parts_sum_to_the_step(profiled_steps, data):
    made = data.draw(profiled_steps())
    line = simulate(*made.asked, **made.how, trace=False)
    assert sum(line.parts().values()) == pytest.approx(line.seconds, rel=1e-9)
    assert min(line.parts().values()) >= -1e-12 * line.seconds


@pytest.mark.parametrize("factor", ["products", "streams", "update", "issue", "step"])
@given(data=st.data())
@settings(deadline=None, max_examples=10)
def test_a_slower_code_is_never_faster_where_nothing_contends(profiled_steps, factor, data):
    made = data.draw(profiled_steps(dp=1, cp=1, ep=1, balance="layers"))
    name, fitted = made.software.name, made.asked.calibration
    code = fitted.software[name]
    slower = code.model_copy(update={factor: 2 * getattr(code, factor) + 1e-5})
    under = fitted.model_copy(update={"software": {name: slower}})
    later = seconds(made.asked._replace(calibration=under), **made.how)
    assert later >= seconds(made.asked, **made.how) * (1 - 1e-9)


@given(st.data())
@few
def test_links_that_take_no_time_leave_the_kernels(steps, data):
    asked = data.draw(steps(offload="none"))
    system, calibration = ideal(asked.system, asked.calibration)
    line = simulate(system, asked.workload, asked.plan, calibration, trace=False)
    parts = line.parts()
    assert parts["communication"] <= 1e-9 * line.seconds
    if asked.plan.pp == 1:
        computed = busy(parts) + parts["update"]
        assert line.seconds == pytest.approx(computed, rel=1e-9)


@given(st.data())
@few
def test_stages_and_micro_batches_share_all_kernels_of_a_replica(steps, data):
    whole = {"tp": 1, "cp": 1, "ep": 1, "recompute": "none", "time_chunks": 1}
    asked = data.draw(steps(**whole))
    step = prepared(*asked)
    graph = asked.workload.graph(asked.plan.micro_batch)
    kernels = Counter([*graph.forward(), *graph.backward()])
    launches = step.pricer.rates.launches
    one = sum(n * kernel_cost(*each).seconds for k, n in kernels.items() for each in launches(k))
    parts = simulate(*asked, trace=False).parts()
    assert asked.plan.pp * busy(parts) == pytest.approx(step.slots * one, rel=1e-9)


@given(st.data())
@few
def test_recomputation_adds_what_it_computes_again(steps, data):
    asked = data.draw(steps(recompute="none", time_chunks=1))
    again = asked._replace(plan=asked.plan.model_copy(update={"recompute": "full"}))
    plain, full = (busy(simulate(*one, trace=False).parts()) for one in (asked, again))
    layers = [layer for chunk in prepared(*asked).chunks for layer in chunk][:-1]
    forward = sum(busy(op.forward.computed._asdict()) for layer in layers for op in layer.ops)
    expected = prepared(*asked).slots * forward / asked.plan.pp
    assert full - plain == pytest.approx(expected, rel=1e-6)


def faster(asked, figure, factor):
    """The same with one figure `factor` times as good."""
    device, node = asked.system.device, asked.system.node
    if figure in ("bandwidth", "latency"):
        link = node.link
        value = link.bandwidth * factor if figure == "bandwidth" else link.latency / factor
        node = node.model_copy(update={"link": link.model_copy(update={figure: value})})
    elif figure == "memory":
        memory = device.memory
        better = memory.model_copy(update={"bandwidth": memory.bandwidth * factor})
        device = device.model_copy(update={"memory": better})
    else:
        peaks = getattr(device, figure)
        better = {name: rate * factor for name, rate in peaks.model_dump().items() if rate}
        device = device.model_copy(update={figure: peaks.model_copy(update=better)})
    system = asked.system.model_copy(update={"device": device, "node": node})
    return asked._replace(system=system)


@pytest.mark.parametrize("figure", ["bandwidth", "latency", "memory", "matrix", "vector"])
@given(data=st.data(), factor=st.sampled_from([1.01, 1.5, 4.0, 1000.0]))
@settings(deadline=None, max_examples=15)
def test_better_hardware_is_never_slower_where_order_is_fixed_and_nothing_contends(
    steps, figure, data, factor
):
    asked = data.draw(steps(dp=1, cp=1, ep=1, balance="layers"))
    better = seconds(faster(asked, figure, factor))
    assert better <= seconds(asked) * (1 + 1e-9)


def anomaly(computing):
    """A kernel of so many seconds, then a sum of its gradients, beside a gather on the same link
    that the next kernel waits for."""
    link = Link(0, "node")

    def moves(name, takes=(), gives=()):
        work = Work(2.0, (("communication", 2.0),), loads=((link, 1.0),))
        return Task(name, work, takes, gives)

    def computes(name, length, takes=(), gives=()):
        return Task(name, Work(length, (("compute", length),)), takes, gives)

    streams = {
        COMPUTE: [
            computes("first", computing, gives=("ready",)),
            computes("second", 10.0, takes=("gathered",)),
        ],
        "gather": [moves("gather", gives=("gathered",))],
        "sum": [moves("sum", takes=("ready",))],
    }
    made = {Stream(0, kind): (lambda tasks=tasks: iter(tasks)) for kind, tasks in streams.items()}
    return run(Program(made, devices=1)).seconds


def test_a_faster_kernel_can_make_a_step_slower_where_links_are_shared():
    assert (anomaly(computing=2.0), anomaly(computing=0.5)) == (12.0, 13.5)


@pytest.fixture
def pipeline():
    """A step of equal layers on stages whose messages take no time, and its layer's seconds."""
    system = catalog.load("dgx-a100-80gb")
    system, calibration = ideal(system, load_for(system.device))

    def make(stages, count, **plan):
        asked = (system, Blocks(batch=count), Plan(pp=stages, micro_batch=1, **plan), calibration)
        layer = prepared(*asked).chunks[0][0]
        number = asked[1].layers / stages
        passes = (layer.forward, layer.inputs, layer.weights)
        return simulate(*asked), [number * one.total for one in passes]

    return make


@pytest.mark.parametrize(
    ("schedule", "virtual"), [("gpipe", 1), ("1f1b", 1), ("interleaved", 2), ("zero-bubble", 1)]
)
@pytest.mark.parametrize(("stages", "count"), [(2, 4), (4, 4), (4, 8)])
def test_bubbles_of_equal_layers_are_the_published_ones(pipeline, schedule, virtual, stages, count):
    line, (forward, backward, weights) = pipeline(stages, count, schedule=schedule, virtual=virtual)
    whole = forward + backward + weights
    each = {"interleaved": whole / virtual, "zero-bubble": forward + backward - weights}
    parts = line.parts()
    assert weights <= backward
    assert parts["bubble"] == pytest.approx((stages - 1) * each.get(schedule, whole), rel=1e-9)
    assert busy(parts) == pytest.approx(count * whole, rel=1e-9)


@pytest.mark.parametrize("schedule", ["gpipe", "1f1b", "zero-bubble"])
def test_more_micro_batches_leave_a_smaller_bubble(pipeline, schedule):
    shares = [pipeline(4, count, schedule=schedule)[0].bubble for count in (4, 8, 16, 32)]
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] < shares[0] / 4


def test_time_chunks_make_a_wave():
    system, plan = catalog.load("dgx-a100-80gb"), {"pp": 2, "micro_batch": 8}
    model = WordLM(hidden=256, layers=4, sequence=40, vocabulary=500, batch=8)
    whole, cut = (
        simulate(system, model, Plan(**plan, time_chunks=chunks), load_for(system.device))
        for chunks in (1, 8)
    )
    assert cut.seconds < whole.seconds
    assert cut.parts()["bubble"] < whole.parts()["bubble"] / 2


def test_a_step_carries_the_software_and_what_it_decides():
    system = catalog.load("volta")
    fsdp = profiles.load("fsdp-2023")
    step = prepared(system, WordLM(), Plan(dp=8), load_for(system.device), software=fsdp)
    assert step.pricer.software is fsdp
    assert (step.plan.dp, step.plan.zero) == (8, 3)
    bare = prepared(system, WordLM(), Plan(dp=8, zero=3), load_for(system.device))
    assert bare.pricer.software is None
    assert bare.plan == step.plan
