"""A step graph and a plan as tasks: order, gradient buckets, overlap."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.cost.calibration import load as load_calibration
from hwsim.errors import InputError
from hwsim.hardware import catalog
from hwsim.parallel.lower import lower
from hwsim.parallel.plan import Plan
from hwsim.simulate.engine import run
from workloads.charlm import CharLM
from workloads.transformer import Transformer
from workloads.wordlm import WordLM

DEFAULT = load_calibration()
IDEAL = DEFAULT.model_copy(update={"links": DEFAULT.links.ideal()})
SWITCH = catalog.load("dgx-a100-80gb")
LINK = SWITCH.node.link
# Without latency a ring's time is its bytes: 2 (n - 1) / n x bytes / bandwidth.
PROMPT = SWITCH.model_copy(
    update={
        "node": SWITCH.node.model_copy(update={"link": LINK.model_copy(update={"latency": 0.0})})
    }
)
MODELS = [WordLM(hidden=256), CharLM(hidden=256), Transformer(layers=4, sequence=128)]
buckets = st.floats(1e3, 1e9)


def links(tasks):
    return [task for task in tasks if task.stream == "link"]


def bytes_summed(tasks, dp):
    return sum(task.seconds for task in links(tasks)) * LINK.bandwidth * dp / (2 * (dp - 1))


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
def test_one_device_sums_nothing(model):
    tasks = lower(model.graph(), PROMPT, Plan(), DEFAULT)
    assert links(tasks) == []
    assert {task.part for task in tasks} <= {"compute", "memory", "launch", "update"}


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
def test_tasks_are_the_kernels_in_order(model):
    graph = model.graph(16)
    tasks = [t for t in lower(graph, PROMPT, Plan(dp=8), DEFAULT) if t.stream == "compute"]
    kernels = [*graph.forward(), *graph.backward(), *graph.update()]
    assert [task.name for task in tasks] == [kernel.name for kernel in kernels]


@pytest.mark.parametrize("dp", [1, 8])
def test_tasks_wait_for_earlier_ones_only(dp):
    tasks = lower(MODELS[2].graph(16), PROMPT, Plan(dp=dp), DEFAULT)
    for number, task in enumerate(tasks):
        assert all(earlier < number for earlier in task.after)
    computing = [number for number, task in enumerate(tasks) if task.stream == "compute"]
    assert all(before in tasks[after].after for before, after in pairwise(computing))


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
@given(bucket=buckets, first=buckets, dp=st.sampled_from([2, 4, 8]), overlap=st.booleans())
@settings(deadline=None, max_examples=10)
def test_buckets_hold_every_gradient_once(model, bucket, first, dp, overlap):
    graph = model.graph(model.batch // dp)
    plan = Plan(dp=dp, bucket=bucket, first_bucket=first, overlap=overlap)
    tasks = lower(graph, PROMPT, plan, IDEAL)
    assert bytes_summed(tasks, dp) == pytest.approx(4.0 * graph.parameters)


@pytest.mark.parametrize("dtype", ["bf16", "fp32"])
def test_gradients_travel_in_single_precision(dtype):
    graph = Transformer(layers=2, sequence=64, dtype=dtype).graph(16)
    tasks = lower(graph, PROMPT, Plan(dp=8), IDEAL)
    assert bytes_summed(tasks, 8) == pytest.approx(4.0 * graph.parameters)


def test_the_update_waits_for_every_sum():
    tasks = lower(MODELS[2].graph(16), PROMPT, Plan(dp=8), DEFAULT)
    sums = {number for number, task in enumerate(tasks) if task.stream == "link"}
    assert len(sums) > 1
    assert sums <= set(tasks[-1].after)
    assert tasks[-1].part == "update"


def test_without_overlap_there_is_one_sum_after_the_backward_pass():
    tasks = lower(MODELS[2].graph(16), PROMPT, Plan(dp=8, overlap=False), DEFAULT)
    (only,) = links(tasks)
    (before,) = only.after
    assert tasks[before + 1] is only
    assert tasks[before + 2].part == "update"


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
@given(bucket=buckets, dp=st.sampled_from([2, 8]))
@settings(deadline=None, max_examples=10)
def test_overlap_is_never_slower_where_a_bucket_costs_only_its_bytes(model, bucket, dp):
    graph = model.graph(model.batch // dp)
    hidden, shown = (
        run(lower(graph, PROMPT, Plan(dp=dp, bucket=bucket, overlap=overlap), IDEAL)).seconds
        for overlap in (True, False)
    )
    assert hidden <= shown * (1 + 1e-9)


@pytest.mark.parametrize("name", ["volta", "ampere", "hopper"])
@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
def test_overlap_costs_at_most_what_buckets_take_longer_than_one_sum(name, model):
    graph, system = model.graph(model.batch // 8), catalog.load(name)
    together = lower(graph, system, Plan(dp=8, overlap=False), DEFAULT)
    apart = lower(graph, system, Plan(dp=8), DEFAULT)
    more = sum(t.seconds for t in links(apart)) - sum(t.seconds for t in links(together))
    assert run(apart).seconds <= (run(together).seconds + more) * (1 + 1e-9)


def test_more_operators_than_can_be_simulated_are_refused():
    with pytest.raises(InputError, match="operators"):
        lower(Transformer(layers=10**9).graph(1), SWITCH, Plan(), DEFAULT)
