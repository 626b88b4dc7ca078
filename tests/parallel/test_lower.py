"""A staged step as streams of tasks: order, gradient buckets, overlap."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.cost.calibration import load as load_calibration
from hwsim.errors import InputError
from hwsim.hardware import catalog
from hwsim.parallel.lower import lower
from hwsim.parallel.plan import Plan
from hwsim.parallel.program import COMPUTE, Stream
from hwsim.parallel.staged import MOST_LAYERS, staged
from hwsim.simulate.engine import run
from workloads.charlm import CharLM
from workloads.transformer import Transformer
from workloads.wordlm import WordLM

DEFAULT = load_calibration().model_copy(update={"software": {}})  # kernels alone
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


def lowered(model, plan, calibration=DEFAULT, system=PROMPT, **how):
    return lower(staged(model, system, plan, calibration), **how)


def tasks(program, kind, device=0):
    make = program.streams.get(Stream(device, kind))
    return list(make()) if make else []


def free(program):
    """The program with transfers that take nothing of the compute beside them."""

    def bare(made):
        return (task._replace(work=task.work._replace(taken=0.0)) for task in made())

    streams = {stream: (lambda made=made: bare(made)) for stream, made in program.streams.items()}
    return type(program)(streams, program.devices, program.alike)


def bytes_summed(program, dp):
    seconds = sum(task.work.seconds for task in tasks(program, "sum"))
    return seconds * LINK.bandwidth * dp / (2 * (dp - 1))


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
def test_one_device_sums_nothing(model):
    program = lowered(model, Plan())
    assert list(program.streams) == [Stream(0, COMPUTE)]
    assert (program.devices, program.alike) == (1, 1)
    parts = {part for task in tasks(program, COMPUTE) for part, _ in task.work.parts}
    assert parts <= {"compute", "memory", "launch", "update"}


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
def test_tasks_are_the_operators_in_order(model):
    program = lowered(model, Plan(dp=8), detail=True)
    ops = [op for layer in model.graph(16).layers for op in layer.repeat * layer.ops]
    names = [task.name for task in tasks(program, COMPUTE) if task.work.seconds]
    forward = [name for name in names if name.startswith("forward ")]
    backward = list(dict.fromkeys(name for name in names if name.startswith("backward ")))
    assert forward == [f"forward {op.name}" for op in ops]
    assert names == [*forward, *names[len(forward) : -1], "update"]
    assert backward == list(dict.fromkeys(f"backward {op.name}" for op in ops[::-1]))


@pytest.mark.parametrize("plan", [Plan(dp=8), Plan(tp=2, pp=2, dp=2, micro_batch=16)])
@pytest.mark.parametrize("everyone", [False, True])
def test_a_token_is_given_once_and_taken_once(plan, everyone):
    program = lowered(MODELS[2], plan, everyone=everyone)
    made = [task for make in program.streams.values() for task in make()]
    given = [token for task in made for token in task.gives]
    taken = [token for task in made for token in task.takes]
    assert len(set(given)) == len(given)
    assert sorted(map(str, given)) == sorted(map(str, taken))


def test_one_device_of_each_stage_stands_for_its_equals():
    plan = Plan(tp=2, pp=2, dp=2, micro_batch=16)
    one, every = (lowered(MODELS[2], plan, everyone=everyone) for everyone in (False, True))
    assert (one.devices, one.alike, every.devices, every.alike) == (2, 4, 8, 1)
    assert {stream.device for stream in one.streams} == {0, 4}
    assert {stream.device for stream in every.streams} == set(range(8))


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
@given(bucket=buckets, first=buckets, dp=st.sampled_from([2, 4, 8]), overlap=st.booleans())
@settings(deadline=None, max_examples=10)
def test_buckets_hold_every_gradient_once(model, bucket, first, dp, overlap):
    plan = Plan(dp=dp, bucket=bucket, first_bucket=first, overlap=overlap)
    program = lowered(model, plan, IDEAL)
    assert bytes_summed(program, dp) == pytest.approx(4.0 * model.graph().parameters)


@pytest.mark.parametrize("dtype", ["bf16", "fp32"])
def test_gradients_travel_in_single_precision(dtype):
    model = Transformer(layers=2, sequence=64, dtype=dtype)
    program = lowered(model, Plan(dp=8), IDEAL)
    assert bytes_summed(program, 8) == pytest.approx(4.0 * model.graph().parameters)


@pytest.mark.parametrize("count", [1, 4])
def test_gradients_are_summed_after_the_last_micro_batch_alone(count):
    plan = Plan(dp=2, micro_batch=64 // count)
    sums = tasks(lowered(MODELS[2], plan), "sum")
    assert len(sums) > 1
    assert {task.micro for task in sums} == {count - 1}


def test_the_update_waits_for_every_sum():
    program = lowered(MODELS[2], Plan(dp=8))
    *_, last = tasks(program, "sum")
    *_, update = tasks(program, COMPUTE)
    assert update.takes == last.gives != ()
    assert [part for part, _ in update.work.parts] == ["update"]


def test_without_overlap_there_is_one_sum_after_the_backward_pass():
    program = lowered(MODELS[2], Plan(dp=8, overlap=False))
    (only,) = tasks(program, "sum")
    *_, backward, update = tasks(program, COMPUTE)
    assert only.takes == backward.gives
    assert update.takes == only.gives


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
@given(bucket=buckets, dp=st.sampled_from([2, 8]))
@settings(deadline=None, max_examples=10)
def test_overlap_is_never_slower_where_a_bucket_costs_only_its_bytes(model, bucket, dp):
    hidden, shown = (
        run(free(lowered(model, Plan(dp=dp, bucket=bucket, overlap=overlap), IDEAL))).seconds
        for overlap in (True, False)
    )
    assert hidden <= shown * (1 + 1e-9)


@pytest.mark.parametrize("name", ["volta", "ampere", "hopper"])
@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
def test_overlap_costs_at_most_what_buckets_take_and_take_longer(name, model):
    system = catalog.load(name)
    together, apart = (
        lowered(model, Plan(dp=8, overlap=overlap), system=system) for overlap in (False, True)
    )
    (whole,), buckets = tasks(together, "sum"), tasks(apart, "sum")
    more = sum(task.work.seconds for task in buckets) - whole.work.seconds
    # While a bucket travels, its device computes with what is left.
    taken = sum(task.work.seconds * task.work.taken for task in buckets)
    limit = run(together).seconds + max(more, 0.0) + taken
    assert run(apart).seconds <= limit * (1 + 1e-9)


def test_more_layers_and_devices_than_can_be_simulated_are_refused():
    with pytest.raises(InputError, match="layers"):
        lowered(Transformer(layers=MOST_LAYERS), Plan())
    with pytest.raises(InputError, match=r"plan: found 8,192 devices .* at most 4,096"):
        lowered(CharLM(batch=8192), Plan(dp=8192), everyone=True)
