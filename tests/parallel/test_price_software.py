"""Seconds of operators as a software profile runs them: each factor scales what it says."""

import pytest

from hwsim.cost.calibration import Code, load
from hwsim.cost.quantized import AHEAD, CURRENT
from hwsim.graph.ops import Attention, Linear
from hwsim.graph.step import StepGraph, state_bytes
from hwsim.hardware import catalog
from hwsim.hardware.spec import Launch
from hwsim.parallel.lower import lower
from hwsim.parallel.placement import group
from hwsim.parallel.plan import Plan
from hwsim.parallel.price import Pricer, code_of, recipe_of
from hwsim.parallel.staged import staged
from hwsim.software import catalog as profiles
from workloads.transformer import Transformer
from workloads.wordlm import WordLM

AMPERE = catalog.load("dgx-a100-80gb")
BARE = {"products": {}, "recurrences": {}, "convolutions": {}, "eager": {}, "software": {}}
BARE |= {"streams": None}
DEFAULT = load().model_copy(update=BARE)
FREE = Launch(kernel=0.0, dispatch=0.0)
# Kernels that cost their work alone.
PROMPT = AMPERE.model_copy(update={"device": AMPERE.device.model_copy(update={"launch": FREE})})
PROFILE = profiles.load("megatron-2022")
SIZES = {"layers": 4, "hidden": 256, "heads": 8, "sequence": 128, "vocabulary": 512, "batch": 8}
MODEL = Transformer(**SIZES, dtype="fp16", attention="eager")
FUSED = MODEL.model_copy(update={"attention": "fused"})
SPLIT = Plan(dp=2, tp=2, pp=2, micro_batch=2)


def coded(**fields):
    code = Code(**{"issue": 0.0, "spread": 0.1} | fields)
    return DEFAULT.model_copy(update={"software": {PROFILE.name: code}})


def pricer(calibration, plan=None, model=MODEL, software=PROFILE, micro_batches=1, system=PROMPT):
    return Pricer(model.graph(2), system, plan or Plan(), calibration, software, micro_batches)


def passes(priced):
    """Seconds of each way of each operator, by the operator's name, of a layer in the middle."""
    block = list(priced.layers())[2]
    found = {}
    for op in block.ops:
        for way, one in (("forward", op.forward), ("inputs", op.inputs), ("weights", op.weights)):
            found[op.name, way] = one
    return found


def changed(factor, model=MODEL, plan=None):
    """Operators' computing with a factor of 2 over that with 1, where there is any."""
    one, two = (passes(pricer(coded(**{factor: n}), plan, model)) for n in (1.0, 2.0))
    return {
        key: two[key].computed.total / one[key].computed.total
        for key in one
        if one[key].computed.total
    }


def kind(model, name):
    (op,) = (op for op in model.graph(2).layers[1].ops if op.name == name)
    return type(op)


def test_a_profile_without_a_code_prices_the_launches_that_it_makes():
    plain, none = (
        pricer(DEFAULT, software=software).layer(MODEL.graph(2).layers[1])
        for software in (PROFILE, None)
    )
    assert plain.seconds < none.seconds  # the mask is fused


def test_a_code_of_ones_that_issues_at_once_changes_nothing():
    assert passes(pricer(coded(spread=DEFAULT.spread))) == passes(pricer(DEFAULT))


def test_factors_scale_the_kernels_that_they_name():
    products, streams = changed("products"), changed("streams")
    for (name, way), ratio in products.items():
        if kind(MODEL, name) is Linear and way in ("forward", "inputs"):
            assert ratio == pytest.approx(2.0), (name, way)
        elif kind(MODEL, name) is not Linear:
            assert ratio == pytest.approx(1.0), (name, way)
            whole = kind(MODEL, name) is not Attention
            assert streams[name, way] == (pytest.approx(2.0) if whole else pytest.approx(1.5, 0.4))


def test_attention_s_products_have_a_factor_of_their_own():
    for model, own, other in ((MODEL, "scores", "attention"), (FUSED, "attention", "scores")):
        ratios = changed(own, model)
        for (name, way), ratio in ratios.items():
            core = kind(model, name) is Attention
            assert (ratio > 1.01) == core, (name, way)
        assert set(changed(other, model).values()) == {1.0}
    assert changed("attention", FUSED)["attention", "forward"] == pytest.approx(2.0)


def test_a_format_s_factor_is_for_its_products_alone():
    blackwell = catalog.load("dgx-b200")
    model = MODEL.model_copy(update={"dtype": "fp8"})

    def found(**formats):
        return passes(pricer(coded(formats=formats), model=model, system=blackwell))

    plain, slower, elsewhere = found(), found(fp8=2.0), found(fp4=2.0)
    assert elsewhere == plain
    for key, one in plain.items():
        linear = kind(model, key[0]) is Linear
        assert (slower[key].computed.total > one.computed.total) == linear


def test_the_update_has_its_factor_and_the_seconds_around_a_step():
    one = pricer(coded()).update(1e9)
    assert pricer(coded(update=2.0)).update(1e9).seconds == pytest.approx(2 * one.seconds)
    assert pricer(coded(step=3e-3)).update(1e9).seconds == pytest.approx(one.seconds + 3e-3)
    others = dict.fromkeys(("products", "streams", "exchange", "gradients", "hop"), 2.0)
    assert pricer(coded(**others)).update(1e9) == one


def test_the_seconds_around_a_step_hide_behind_no_copy_of_the_optimizer_s_state():
    plan = Plan(offload="optimizer")
    alone = pricer(coded(), plan).update(1e9)
    assert pricer(coded(update=2.0), plan).update(1e9) == alone
    assert pricer(coded(step=0.5), plan).update(1e9).seconds == pytest.approx(alone.seconds + 0.5)


@pytest.mark.parametrize("factor", ["exchange", "gradients", "hop"])
def test_what_is_carried_has_the_factor_of_its_kind(factor):
    plain, slower = (pricer(coded(**{factor: n}), SPLIT) for n in (1.0, 2.0))
    among = group(SPLIT, "tp", PROMPT)
    for what in ("exchange", "gradients", "hop"):
        one, two = (each.transfer("all_reduce", 1e6, among, what) for each in (plain, slower))
        times = 2.0 if what == factor else 1.0
        assert two.seconds == pytest.approx(times * one.seconds)
        assert two.fixed == pytest.approx(times * one.fixed)
        assert sum(seconds for _, seconds in two.parts) == pytest.approx(two.seconds)
        assert all(0 < load <= 1 for _, load in two.loads)


@pytest.mark.parametrize("factor", ["exchange", "gradients", "hop"])
def test_of_a_step_only_what_is_named_takes_longer(factor):
    streams = {"exchange": {"tp"}, "gradients": {"sum"}, "hop": {"forward", "backward"}}

    def tasks(number):
        step = staged(MODEL, PROMPT, SPLIT, coded(**{factor: number}), software=PROFILE)
        return {stream: list(make()) for stream, make in lower(step, detail=True).streams.items()}

    one, two = tasks(1.0), tasks(2.0)
    assert one.keys() == two.keys()
    seen = set()
    for stream, many in one.items():
        for task, other in zip(many, two[stream], strict=True):
            parts, slower = dict(task.work.parts), dict(other.work.parts)
            if parts != slower:
                seen.add(stream.kind)
                assert slower.pop("communication") == pytest.approx(2 * parts.pop("communication"))
            assert slower == parts
    assert seen == streams[factor]


def test_exchanges_are_scaled_where_operators_say_them():
    one, two = (passes(pricer(coded(exchange=n), SPLIT)) for n in (1.0, 2.0))
    said = 0.0
    for key, way in one.items():
        other = two[key]
        assert other.computed == way.computed
        for here, there in zip(way.said, other.said, strict=True):
            assert there.seen.total == pytest.approx(2 * here.seen.total)
            said += here.seen.total
    assert said > 0


@pytest.mark.parametrize("backward", [1.0, 3.0])
def test_a_host_s_seconds_of_issue_go_by_launches(backward):
    found = passes(pricer(coded(issue=1e-5, backward=backward)))
    graph = {op.name: op for op in MODEL.graph(2).layers[1].ops}
    for name, op in graph.items():
        if isinstance(op, Attention):  # whose mask is fused
            continue
        ahead = sum(kernel.launches for kernel in op.forward())
        after = sum(kernel.launches for kernel in op.backward())
        assert found[name, "forward"].issue == pytest.approx(1e-5 * ahead)
        back = found[name, "inputs"].issue + found[name, "weights"].issue
        assert back == pytest.approx(backward * 1e-5 * after)


def test_a_layer_is_never_faster_than_its_host():
    for layer in pricer(coded(issue=1e-2)).layers():
        issue = sum(op.forward.issue for op in layer.ops)
        assert layer.forward.total == pytest.approx(issue)
        back = sum(op.inputs.issue + op.weights.issue for op in layer.ops)
        assert layer.inputs.total + layer.weights.total == pytest.approx(back)


@pytest.mark.parametrize("moved", [0, 6, 12])
@pytest.mark.parametrize("count", [1, 2, 8])
def test_gradients_are_added_to_those_of_earlier_micro_batches(moved, count):
    software = PROFILE.model_copy(update={"accumulate": moved})
    plain, added = (
        passes(pricer(coded(), software=one, micro_batches=count)) for one in (PROFILE, software)
    )
    rate = pricer(coded()).rates.plain.memory
    graph = {op.name: op for op in MODEL.graph(2).layers[1].ops}
    for (name, way), one in plain.items():
        more = added[name, way].computed.total - one.computed.total
        adds = way == "weights" and count > 1
        expected = moved * graph[name].parameters / rate if adds else 0.0
        assert more == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("zero", [1, 2])
def test_sharded_gradients_of_experts_are_added_by_the_fewer_that_have_them(zero):
    software = PROFILE.model_copy(update={"accumulate": 6})
    model = Transformer(**SIZES, dtype="fp16", experts=4)
    plan = Plan(dp=4, ep=2, zero=zero)
    plain, added = (
        passes(pricer(coded(), plan, model, one, micro_batches=2)) for one in (PROFILE, software)
    )
    own = next(op for op in model.graph(2).layers[1].ops if op.expert_parameters)
    experts = own.expert_parameters / plan.ep
    router = own.parameters - own.expert_parameters
    size = experts / 2 + router / 4 if zero == 2 else experts + router
    more = added["experts", "weights"].computed.total - plain["experts", "weights"].computed.total
    assert more == pytest.approx(6 * size / pricer(coded()).rates.plain.memory)


@pytest.mark.parametrize(
    ("dtype", "stated", "size"),
    [("fp16", 2, 2), ("fp16", 4, 4), ("tf32", 2, 4), ("fp32", 2, 4), ("fp64", 4, 8)],
)
def test_gradients_are_summed_in_the_profile_s_bytes(dtype, stated, size):
    model = MODEL.model_copy(update={"dtype": dtype})
    software = PROFILE.model_copy(update={"gradients": stated})
    assert pricer(DEFAULT, model=model, software=software).gradient_bytes == size
    alone = pricer(DEFAULT, model=model, software=None)
    assert alone.gradient_bytes == state_bytes(dtype)


def test_the_nearest_kin_s_code_is_taken_then_the_mean_of_the_family():
    codes = {
        name: Code(issue=float(number), spread=0.1)
        for number, name in enumerate(("megatron-2021", "megatron-2022", "transformer"))
    }
    child = profiles.load("nemo-2024")
    fitted = DEFAULT.model_copy(update={"software": codes})
    assert code_of(child, fitted, "transformer") == codes["megatron-2022"]
    assert code_of(profiles.load("megatron-2021"), fitted, "transformer") == codes["megatron-2021"]
    assert code_of(profiles.load("fsdp-2023"), fitted, "transformer") == codes["transformer"]
    assert code_of(None, fitted, "transformer") == codes["transformer"]
    assert code_of(None, fitted, "wordlm") is None
    assert code_of(child, DEFAULT, "transformer") is None


def test_a_captured_step_waits_for_no_host():
    captured = PROFILE.model_copy(update={"captured": True})
    found = code_of(captured, coded(issue=1.0, step=2.0, products=3.0), "transformer")
    assert (found.issue, found.step, found.products) == (0.0, 0.0, 3.0)


def test_another_family_without_a_profile_is_priced_as_ever():
    shared = DEFAULT.model_copy(
        update={"software": {"transformer": Code(issue=1.0, streams=9.0, spread=0.1)}}
    )
    model = WordLM(hidden=64, vocabulary=500, batch=4)
    ours, theirs = (pricer(one, model=model, software=None) for one in (shared, DEFAULT))
    assert list(ours.layers()) == list(theirs.layers())
    assert ours.update(1e6) == theirs.update(1e6)


def test_casts_that_are_part_of_the_kernel_before_read_nothing():
    assert recipe_of(None) is None
    assert recipe_of(PROFILE) == AHEAD._replace(read=0.0)
    assert recipe_of(PROFILE.model_copy(update={"unfused_quantization": True})) is None


def test_a_recipe_that_is_asked_for_goes_over_the_profile_s():
    graph = StepGraph((), "fp8", "adam", 1, 1)
    system = catalog.load("dgx-b200")
    own, asked = (
        Pricer(graph, system, Plan(), DEFAULT, PROFILE, recipe=recipe).rates.recipe
        for recipe in (None, CURRENT)
    )
    assert (own, asked) == (recipe_of(PROFILE), CURRENT)
