"""The composition: parts, intervals, counts of steps, laws, and what better hardware does."""

import json
import math
from itertools import count
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.convergence import law as laws
from hwsim.convergence.law import Law
from hwsim.cost.calibration import load_for
from hwsim.cost.rates import offered
from hwsim.errors import InputError
from hwsim.estimation import estimate
from hwsim.graph import workload as workloads
from hwsim.hardware import catalog
from hwsim.overheads import PARTS as RUN_PARTS
from hwsim.overheads import Overheads
from hwsim.parallel.plan import Plan
from hwsim.parallel.price import code_of
from hwsim.software import catalog as profiles
from workloads.charlm import CharLM, CharLMSmall
from workloads.transformer import Transformer
from workloads.wordlm import WordLM

VOLTA = catalog.load("volta")
PARTS = {"compute", "memory", "launch", "communication", "bubble", "update"}
SYSTEMS = [entry.name for entry in catalog.shipped() if entry.kind == "system"]
MODELS = [CharLM(hidden=256), WordLM(hidden=256), Transformer(layers=2, sequence=128)]
STEPS = 1000.0


def toy(**setting):
    """A law measured in the setting of charlm-small, but for what is given."""
    return Law(
        name="toy",
        workload="charlm-small",
        target="within 1 % of the run's own minimum",
        parameters={
            name: {"value": value, "low": value, "high": value}
            for name, value in {"a": 1000.0, "k1": 0.5, "k2": 0.3, "b": 100.0}.items()
        },
        plateau="seen",
        center={"model": 1e4, "data": 1e4},
        range={"model": (1e3, 1e6), "data": (1e3, 1e6)},
        scatter=0.05,
        held_out={"power": 0.2, "power-plateau": 0.2},
        beyond={"model": 0.2, "data": 0.2},
        setting=CharLMSmall().setting() | setting,
        runs=20,
        censored=0,
        draws=tuple((math.log(1000.0 + 10 * i), 0.5, 0.3, 100.0) for i in range(-5, 6)),
        provenance={"command": "hwsim converge fit", "date": "2024-01-01"},
    )


# Laws are remembered by name for the life of the process: no two tests may share one.
NUMBERS = count()


@pytest.fixture
def with_law(monkeypatch):
    """A workload class like charlm-small whose steps follow the given law."""

    def make(law):
        monkeypatch.setattr(laws, "load", lambda _: law)

        class Toy(CharLMSmall):
            law: ClassVar[str | None] = f"toy-{next(NUMBERS)}"

        return Toy

    return make


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_shipped_system_answers_for_every_workload(name):
    system = catalog.load(name)
    for model in workloads.registered():
        workload = workloads.load(model)
        wide = Plan(dp=math.gcd(system.node.devices, workload.batch))
        if workload.dtype not in offered(system.device):
            with pytest.raises(InputError, match=r"workload\.dtype"):
                estimate(system, workload, wide, steps=STEPS)
            continue
        for plan in (Plan(), wide):
            found = estimate(system, workload, plan, steps=STEPS)
            step, total, memory = found.step, found.total, found.memory
            assert step.parts.keys() == PARTS
            assert sum(step.parts.values()) == pytest.approx(step.seconds, rel=1e-6)
            assert step.parts[step.bound] == max(step.parts.values())
            assert 0 < step.low <= step.seconds <= step.high < math.inf
            assert 0 < total.low <= total.seconds <= total.high < math.inf
            assert sum(memory.parts.values()) == pytest.approx(memory.bytes)


def test_the_record_has_exactly_the_stable_keys():
    record = estimate(VOLTA, CharLM(), Plan(dp=8), steps=STEPS).record()
    assert record["schema"] == "hwsim.estimate/1"
    assert list(record) == [
        "schema",
        "hardware",
        "workload",
        "plan",
        "software",
        "run",
        "site",
        "step",
        "convergence",
        "total",
        "memory",
        "energy",
        "cost",
        "assumptions",
        "warnings",
        "sources",
    ]
    assert {"name", "parameters", "flops_per_step"} <= record["workload"].keys()
    assert {"devices", "dp", "tp", "pp"} <= record["plan"].keys()
    assert record["step"].keys() == {"seconds", "low", "high", "parts", "bound"}
    assert record["step"]["parts"].keys() == PARTS
    assert record["step"]["bound"] in PARTS
    assert record["convergence"].keys() == {
        "target",
        "steps",
        "low",
        "high",
        "law",
        "extrapolated",
        "samples",
        "critical_batch",
        "efficiency",
    }
    assert record["total"].keys() == {"seconds", "low", "high", "parts"}
    assert record["memory"].keys() == {"bytes", "capacity", "fits", "parts", "stage", "host"}
    assert record["energy"].keys() == {"step", "total", "watts", "device_watts", "carbon"}
    assert record["cost"].keys() == {"step", "total", "way", "hour", "price"}
    assert record["cost"]["total"].keys() == {"value", "low", "high", "parts"}
    assert all(isinstance(text, str) for text in record["assumptions"] + record["sources"])
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_what_a_step_does_is_the_whole_batch():
    for dp in (1, 8):
        answer = estimate(VOLTA, CharLM(), Plan(dp=dp), steps=STEPS)
        assert answer.workload.flops_per_step == pytest.approx(CharLM().graph().matrix_flops)
        assert answer.workload.items_per_step == 128 * 150
        assert answer.workload.parameters == CharLM().graph().parameters
        assert answer.plan["devices"] == dp


@given(st.floats(1e-3, 1e12))
@settings(deadline=None, max_examples=20)
def test_a_given_count_is_exact(steps):
    answer = estimate(VOLTA, MODELS[0], steps=steps)
    assert answer.convergence.steps == answer.convergence.low == answer.convergence.high == steps
    assert answer.total.seconds == steps * answer.step.seconds
    assert answer.total.low == pytest.approx(steps * answer.step.low)
    assert answer.total.high == pytest.approx(steps * answer.step.high)
    assert answer.warnings == []


def test_without_a_law_or_a_count_there_is_no_total():
    answer = estimate(VOLTA, Transformer(layers=2, sequence=128))
    assert answer.convergence is answer.total is None
    assert any("--steps" in warning for warning in answer.warnings)
    assert answer.step.seconds > 0


def test_the_same_question_has_the_same_answer():
    assert estimate(VOLTA, MODELS[0], steps=7) == estimate(VOLTA, MODELS[0], steps=7)


def test_a_step_that_does_not_fit_is_answered_all_the_same():
    answer = estimate(VOLTA, CharLM(hidden=65536), steps=STEPS)
    assert not answer.memory.fits
    assert answer.memory.bytes > answer.memory.capacity
    assert answer.total.seconds > 0


@pytest.mark.parametrize("steps", [1.7e308, math.inf])
def test_a_time_that_is_not_finite_is_refused(steps):
    with pytest.raises(InputError, match="not finite"):
        estimate(VOLTA, CharLM(), steps=steps)


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
@pytest.mark.parametrize("dp", [2, 4, 8])
def test_with_a_perfect_link_each_device_takes_its_share(model, dp):
    perfect = catalog.override(
        VOLTA, {"node.link.bandwidth": "1e300 B/s", "node.link.latency": "0 s"}
    )
    share = model.model_copy(update={"batch": model.batch // dp})
    shared = estimate(perfect, model, Plan(dp=dp), steps=STEPS).step
    alone = estimate(VOLTA, share, steps=STEPS).step
    calibration = load_for(perfect.device)
    code = code_of(None, calibration, model.name)
    call = calibration.links.nvlink.call * (code.gradients if code else 1.0)
    # The last bucket is seen; those that are hidden take a share of the compute meanwhile.
    assert 1 - 1e-9 <= (shared.seconds - alone.seconds) / call <= 1.5
    assert shared.parts["communication"] == pytest.approx(shared.seconds - alone.seconds, rel=1e-6)


def faster(system, field, factor):
    """The system with one figure `factor` times as good."""
    device, node = system.device, system.node
    if field == "memory":
        memory = device.memory.model_copy(update={"bandwidth": device.memory.bandwidth * factor})
        device = device.model_copy(update={"memory": memory})
    elif field in ("vector", "matrix"):
        peaks = getattr(device, field)
        known = {name: rate * factor for name, rate in peaks.model_dump().items() if rate}
        device = device.model_copy(update={field: peaks.model_copy(update=known)})
    elif field in ("kernel", "dispatch"):
        cost = {field: getattr(device.launch, field) / factor}
        device = device.model_copy(update={"launch": device.launch.model_copy(update=cost)})
    elif field == "bandwidth":
        link = node.link.model_copy(update={"bandwidth": node.link.bandwidth * factor})
        node = node.model_copy(update={"link": link})
    else:
        link = node.link.model_copy(update={"latency": node.link.latency / factor})
        node = node.model_copy(update={"link": link})
    return system.model_copy(update={"device": device, "node": node})


@pytest.mark.parametrize(
    "field", ["memory", "vector", "matrix", "kernel", "dispatch", "bandwidth", "latency"]
)
@given(
    model=st.sampled_from(MODELS),
    dtype=st.sampled_from(["fp32", "fp16"]),
    dp=st.sampled_from([1, 8]),
    factor=st.floats(1.0, 100.0),
)
@settings(deadline=None, max_examples=12)
def test_better_hardware_is_never_slower(field, model, dtype, dp, factor):
    workload = model.model_copy(update={"dtype": dtype})
    before, after = (
        estimate(system, workload, Plan(dp=dp), steps=STEPS).step.seconds
        for system in (VOLTA, faster(VOLTA, field, factor))
    )
    assert after <= before * (1 + 1e-9)


def test_a_law_gives_the_steps(with_law):
    workload = with_law(toy())()
    answer = estimate(VOLTA, workload)
    parameters, data = workload.graph().parameters, workload.dataset
    expected = 1000.0 * (data / 1e4) ** 0.5 / (parameters / 1e4) ** 0.3 + 100.0
    assert answer.convergence.steps == pytest.approx(expected)
    assert answer.convergence.low < answer.convergence.steps < answer.convergence.high
    assert not answer.convergence.extrapolated
    assert answer.convergence.law == "toy"
    assert answer.warnings == []
    assert answer.total.seconds == pytest.approx(expected * answer.step.seconds)


def test_a_total_is_wider_than_its_step(with_law):
    answer = estimate(VOLTA, with_law(toy(batch=3200))())
    step, total = answer.step, answer.total
    assert total.high / total.low > step.high / step.low


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"batch": 64}, "batch"),
        ({"depth": 4}, "depth"),
        ({"sequence": 60}, "sequence"),
        ({"optimizer": "sgd"}, "optimizer"),
        ({"learning_rate": 1e-2}, "learning_rate"),
        ({"corpus": "elsewhere"}, "corpus"),
        ({"hidden": 2048}, "model"),
        ({"dataset": 10_000_000}, "data"),
    ],
)
def test_each_mismatch_with_the_law_warns_and_widens(with_law, asked, named):
    kind = with_law(toy())
    inside, outside = estimate(VOLTA, kind()), estimate(VOLTA, kind(**asked))
    (warning,) = outside.warnings
    assert warning.startswith("steps: ")
    assert named in warning
    assert outside.convergence.extrapolated
    widths = [a.convergence.high / a.convergence.low for a in (inside, outside)]
    assert widths[1] > widths[0]


def test_two_mismatches_warn_twice_and_widen_more(with_law):
    kind = with_law(toy())
    one, two = (estimate(VOLTA, kind(**a)) for a in ({"batch": 64}, {"batch": 64, "depth": 4}))
    assert (len(one.warnings), len(two.warnings)) == (1, 2)
    widths = [a.convergence.high / a.convergence.low for a in (one, two)]
    assert widths[1] > widths[0]


RUN = Overheads(
    startup=300.0,
    evaluation=5.0,
    evaluation_every=100,
    checkpoint=20.0,
    checkpoint_every=200,
    device_mtbf=1e5,
    restart=60.0,
)


def test_the_parts_of_a_total_sum_to_it(with_law):
    kind = with_law(toy())
    for overheads in (None, RUN):
        answer = estimate(VOLTA, kind(), Plan(dp=8), overheads=overheads)
        assert tuple(answer.total.parts) == RUN_PARTS
        assert sum(answer.total.parts.values()) == pytest.approx(answer.total.seconds, rel=1e-6)
        steps = answer.convergence.steps * answer.step.seconds
        assert answer.total.parts["steps"] == pytest.approx(steps)
    assert min(answer.total.parts.values()) > 0
    assert answer.total.parts["startup"] == 300.0


def test_without_overheads_a_total_is_its_steps_alone(with_law):
    kind = with_law(toy())
    assert estimate(VOLTA, kind()) == estimate(VOLTA, kind(), overheads=Overheads())
    total = estimate(VOLTA, kind()).total
    assert total.parts["steps"] == total.seconds


def test_what_a_run_spends_widens_with_its_steps(with_law):
    kind = with_law(toy())
    bare, beside = (estimate(VOLTA, kind(), overheads=o).total for o in (None, RUN))
    assert beside.low - RUN.startup > bare.low
    assert beside.high - RUN.startup > bare.high


def test_luck_is_no_part_of_the_record(with_law):
    answer = estimate(VOLTA, with_law(toy())())
    assert "luck" not in answer.record()
    draws = answer.total.seconds * answer.luck.draws
    assert [answer.total.low, answer.total.high] == pytest.approx(laws.interval(draws))


def test_a_given_count_needs_no_law(with_law):
    answer = estimate(VOLTA, with_law(toy(batch=999))(), steps=10)
    assert answer.convergence.law == "given"
    assert answer.warnings == []


def test_what_is_free_is_said():
    free = "free: evaluation, checkpoints, start-up, restarts"
    assert free in estimate(VOLTA, MODELS[0], steps=1).assumptions
    some = Overheads(startup=60.0, mtbf=1e5)
    assumptions = estimate(VOLTA, MODELS[0], steps=1, overheads=some).assumptions
    assert "free: evaluation, checkpoints" in assumptions
    assert any("since the start of the run" in text for text in assumptions)
    assumptions = estimate(VOLTA, MODELS[0], steps=1, overheads=RUN).assumptions
    assert not any(text.startswith("free:") for text in assumptions)
    assert any("200 steps apart" in text for text in assumptions)


def test_what_is_assumed_is_said():
    assumptions = estimate(VOLTA, CharLM(hidden=64), steps=1).assumptions
    assert any("calibration 'volta'" in text for text in assumptions)
    assert any("workload.vocabulary = 98" in text for text in assumptions)
    assert not any(text.startswith(("node.", "network.")) for text in assumptions)
    assert any("device.launch.kernel" in text for text in assumptions)
    assert any("recurrent" in text for text in assumptions)
    others = estimate(VOLTA, MODELS[2], steps=1).assumptions
    assert not any("recurrent" in text for text in others)


@pytest.mark.parametrize(
    ("plan", "text"),
    [
        (Plan(dp=8), "summed over 8 devices, buckets"),
        (Plan(dp=8, overlap=False), "summed over 8 devices, at once"),
        (Plan(dp=8, zero=1), "summed in shares over 8 devices"),
        (Plan(cp=4), "summed over 4 devices"),
        (Plan(cp=4), "equal shares of a causal mask"),
        (Plan(pp=2), "dealt out to stages by their time"),
        (Plan(tp=4, tensor_overlap=True), "in chunks beside products"),
        (Plan(recompute="full"), "computed again"),
        (Plan(offload="optimizer"), "80% of its link"),
    ],
)
def test_what_a_plan_takes_for_granted_is_said(plan, text):
    assumptions = estimate(VOLTA, MODELS[2], plan, steps=1).assumptions
    assert any(text in line for line in assumptions)
    assert not any(text in line for line in estimate(VOLTA, MODELS[2], steps=1).assumptions)


def test_weak_scaling_trains_on_a_larger_batch(with_law):
    kind = with_law(toy(batch=32))
    alone, strong, weak = (
        estimate(VOLTA, kind(), plan) for plan in (Plan(), Plan(dp=8), Plan(dp=8, scaling="weak"))
    )
    assert weak.workload.sizes["batch"] == 8 * strong.workload.sizes["batch"] == 8 * 32
    assert weak.workload.items_per_step == 8 * alone.workload.items_per_step
    assert weak.workload.flops_per_step == pytest.approx(8 * alone.workload.flops_per_step)
    assert weak.step.seconds >= alone.step.seconds
    (warning,) = weak.warnings
    assert "batch" in warning
    assert alone.warnings == strong.warnings == []


def test_micro_batches_repeat_forward_and_backward_alone():
    one, two, three = (
        estimate(VOLTA, MODELS[2], Plan(dp=8, micro_batch=16 // n), steps=1).step.parts
        for n in (1, 2, 4)
    )
    assert one["update"] == two["update"] == three["update"]
    kernels = [part["compute"] + part["memory"] + part["launch"] for part in (one, two, three)]
    assert kernels == sorted(kernels)


def test_engines_agree():
    plan = Plan(dp=2, pp=2, micro_batch=16)
    closed, events = (
        estimate(VOLTA, MODELS[2], plan, steps=STEPS, engine=engine)
        for engine in ("closed", "events")
    )
    assert closed.step.seconds == pytest.approx(events.step.seconds, rel=0.01)
    assert any("closed form" in text for text in closed.assumptions)
    assert closed.memory == events.memory


def test_software_decides_what_was_not_set_and_is_echoed():
    model = Transformer(layers=2, sequence=128)
    megatron = profiles.load("megatron-2021")
    answer = estimate(VOLTA, model, Plan(dp=8, loss_scaling=False), steps=1, software=megatron)
    assert answer.software == "megatron-2021"
    assert (answer.plan["overlap"], answer.plan["loss_scaling"]) == (False, False)
    assert answer.workload.sizes["attention"] == "eager"
    facts = [line for line in answer.sources if line.startswith("software.")]
    assert len(facts) == 7 + len(megatron.plan)
    assert estimate(VOLTA, model, steps=1).software is None


@pytest.mark.parametrize(
    ("model", "software", "told"),
    [
        (Transformer(batch=8, layers=2), None, "the mean of all profiles"),
        (Transformer(batch=8, layers=2), "megatron-2021", "fitted to megatron-2021"),
        (WordLM(batch=8), None, "no steps were fitted to"),
    ],
)
def test_it_says_which_code_runs_its_kernels(model, software, told):
    profile = profiles.load(software) if software else None
    found = estimate(catalog.load("dgx-a100-80gb"), model, software=profile)
    assert any(told in line for line in found.assumptions)
