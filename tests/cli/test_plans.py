"""Bad plans have one clear message, whichever plan is answered keeps to what is possible."""

import json
import math
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hwsim.hardware import catalog

HUGE = str(10**30)


class Bad(NamedTuple):
    """A plan of a model, as `--set plan.` takes it or with options of its own."""

    model: str
    plan: str
    fragments: tuple[str, ...]
    words: tuple[str, ...] = ()
    hw: str = "volta"


def bad(model, plan, *fragments, words=(), hw="volta"):
    return Bad(model, plan, fragments, tuple(words), hw)


def size(**fields):
    return [w for name, value in fields.items() for w in ("--set", f"workload.{name}={value}")]


COUNTS = [
    bad("charlm-small", f"{field}={text}", f"plan.{field}: ", *fragments)
    for field in ("dp", "tp", "pp", "cp", "ep", "micro_batch", "time_chunks", "virtual")
    for text, *fragments in (
        ("0", "found 0; write at least 1"),
        ("-1", "found -1; write at least 1"),
        (HUGE, HUGE, "at most 1000000000" if field == "micro_batch" else "at most 10000000"),
        ("many", '"many"', "whole number"),
        ("NaN", "NaN", "whole number"),
        ("2.5", "2.5", "whole number"),
        ("true", "true", "whole number"),
    )
]

FLAGS = [
    bad("charlm-small", f"{field}={text}", f"plan.{field}: ", text, "true or false")
    for field in (
        *("sequence_parallel", "overlap", "prioritize"),
        *("tensor_overlap", "master_weights", "loss_scaling"),
    )
    for text in ("1", "maybe", "null")
]

WORDS = [
    bad("charlm-small", f"{field}={text}", f"plan.{field}: ", f'"{text}"', f"'{near}'")
    for field, text, near in (
        ("scaling", "Strong", "strong"),
        ("schedule", "1f2b", "1f1b"),
        ("schedule", "zerobubble", "zero-bubble"),
        ("balance", "layer", "layers"),
        ("recompute", "selectiv", "selective"),
        ("offload", "activation", "activations"),
        ("convolutions", "5", "space"),
        ("dispatch", "node", "nodes"),
    )
]

FIELDS = [
    bad("charlm-small", "zero=4", "plan.zero: found 4; write at most 3"),
    bad("charlm-small", "zero=-1", "plan.zero: found -1; write at least 0"),
    bad("charlm-small", "placement=tp,cp,dp", "plan.placement: found tp, cp, dp;", "once"),
    bad("charlm-small", "placement=tp,cp,dp,dp", "plan.placement: found tp, cp, dp, dp;", "once"),
    bad("charlm-small", "placement=tp,cp,dp,ep", "plan.placement.3: ", '"ep"', "tp, cp, dp, pp"),
    bad("charlm-small", "bucket=25", "plan.bucket: ", "without a unit"),
    bad("charlm-small", "bucket=0 B", "plan.bucket: found '0 B'", "more than zero"),
    bad("charlm-small", "bucket=-1 MiB", "plan.bucket: found '-1 MiB'", "more than zero"),
    bad("charlm-small", "first_bucket=nan MiB", "plan.first_bucket: ", "not finite"),
]

TENSORS = [
    bad("transformer", "tp=5", "plan.tp: found 5, ", "12 heads of 'attention'", "write 4 or 6"),
    bad("transformer", "tp=24", "plan.tp: found 24, ", "12 heads", "write 12"),
    bad("wordlm", "tp=5", "plan.tp: found 5, ", "2004 units of 'lstm'", "write 4 or 6"),
    bad("charlm", "tp=4008", "plan.tp: found 4008, ", "2004 units of 'rhn'", "write 2004"),
    bad("speech", "tp=3", "plan.tp: found 3, ", "32 filters of 'conv.1'", "write 2 or 4"),
    bad(
        *("speech", "tp=500", "plan.tp: found 500", "81 rows", "write at most 81"),
        words=("--set", "plan.convolutions=space"),
    ),
    bad(
        *("wordlm", "sequence_parallel=true", "plan.sequence_parallel: ", "'lstm'", "write false"),
        words=("--tp", "2"),
    ),
    bad("charlm", "cp=2", "plan.cp: found 2, but 'rhn'", "whole sequence; write 1"),
    bad("speech", "cp=2", "plan.cp: found 2, but 'conv.1'", "whole sequence; write 1"),
    bad("transformer", "cp=2048", "plan.cp: found 2048, ", "1024 tokens", "write 1024"),
]

STAGES = [
    bad("charlm", "pp=4", "plan.pp: found 4 stages", "3 layers; write at most 3"),
    bad(
        *("transformer", "virtual=5", "plan.virtual: found 4 stages of 5 chunks", "14 layers"),
        *("write virtual 3 or less",),
        words=("--pp", "4", "--schedule", "interleaved", "--micro-batch", "8"),
    ),
    bad(
        *("charlm", "virtual=2", "plan.pp: found 2 stages of 2 chunks", "3 layers", "at most 1"),
        words=("--pp", "2", "--schedule", "interleaved", "--micro-batch", "8"),
    ),
    bad("transformer", "virtual=2", "plan.virtual: found 2", "schedule interleaved"),
    bad("transformer", "schedule=interleaved", "plan.schedule: ", "single stage", "plan.pp"),
    bad(
        *("transformer", "schedule=interleaved", "plan.virtual: found one", "write virtual 2"),
        words=("--pp", "4"),
    ),
    bad(
        *("transformer", "schedule=interleaved", "plan.micro_batch: found 2", "multiple of 4"),
        words=("--pp", "4", "--micro-batch", "64", "--set", "plan.virtual=2"),
    ),
    bad("charlm", "micro_batch=5", "plan.micro_batch: found 5, ", "128 samples; write 4 or 8"),
    bad("charlm", "micro_batch=64", "a replica's share of 32", "at most 32", words=("--dp", "4")),
]

EXPERTS = [
    bad("transformer", "ep=2", "plan.ep: found 2, but", "no experts; write 1", words=("--dp", "4")),
    bad("charlm", "ep=3", "plan.ep: found 3, ", "dp x cp = 4; write 2 or 4", words=("--dp", "4")),
    bad(
        *("transformer", "ep=4", "plan.ep: found 4, ", "6 experts", "write 3 or 6"),
        words=("--dp", "4", *size(experts=6)),
    ),
    bad("transformer", "ep=2", "plan.ep: ", "dp x cp = 1", words=size(experts=6)),
]

CHUNKS = [
    bad("transformer", "time_chunks=2", "plan.time_chunks: found chunks of 512 tokens", "cp"),
    bad("speech", "time_chunks=2", "plan.time_chunks: found chunks", "both directions"),
    bad("wordlm", "time_chunks=3", "plan.time_chunks: found 3, ", "80 words; write 2 or 4"),
    bad("wordlm", "time_chunks=160", "plan.time_chunks: found 160, ", "write 80"),
    bad(
        *("charlm", "time_chunks=150", "plan.micro_batch: found 1 ", "2 stages", "multiple of 2"),
        *("fewer time_chunks",),
        words=("--pp", "2"),
    ),
    *(
        bad(
            *("charlm", "time_chunks=150", f"plan.schedule: found {schedule}", "write 1f1b"),
            words=("--pp", "2", "--micro-batch", "64", "--schedule", schedule, *more),
        )
        for schedule, more in (
            ("gpipe", ()),
            ("zero-bubble", ()),
            ("interleaved", ("--set", "plan.virtual=2")),
        )
    ),
]

MACHINES = [
    bad("charlm", "tp=2", "plan: found 2 devices", "l4 has 1; write at most 1", hw="l4"),
    bad(
        *("charlm", "tp=12", "plan: found 12 devices", "volta has 8; write at most 8"),
        words=("--set", "network.0.nodes=1"),
    ),
    bad("charlm", "dp=32", "plan.dp: found 32", "at most 16", words=("--set", "nodes=2")),
    bad(
        *("charlm", "offload=optimizer", "device.pcie: found nothing", "plan.offload=none"),
        words=size(dtype="bf16"),
        hw="tpu-v5e",
    ),
    bad(
        *("charlm", "offload=activations", "device.pcie: found '9.0 x16'", '"5.0 x16"'),
        words=("--set", "device.pcie=9.0 x16"),
    ),
]

TOO_MUCH = [
    bad(
        *("charlm", "scaling=weak", "plan.dp: found 10000000", "1,280,000,000", "at most 7812500"),
        words=("--dp", "10000000"),
    ),
    bad(
        *("charlm", "dp=1000000", "plan: found 2,004,000,000 devices", "at most 10,000,000"),
        words=("--tp", "2004", *size(batch=1_000_000)),
    ),
    bad(
        *("charlm", "micro_batch=1", "plan.micro_batch: found 1,000,000 passes", "write more"),
        words=size(batch=1_000_000),
    ),
    bad(
        *("wordlm", "time_chunks=1000000", "plan.time_chunks: found 1,000,000 ", "write less"),
        words=size(sequence=1_000_000, batch=1),
    ),
    bad("charlm", "pp=10000000", "plan.pp: found 10,000,000 passes", "write less"),
    bad(
        *("transformer", "zero=3", "plan: found about ", "at most 2,000,000"),
        words=("--dp", "2", "--pp", "64", "--micro-batch", "1", *size(layers=640, batch=8192)),
    ),
    bad(
        *("transformer", "pp=4500", "plan.pp: found 9,002 unequal layers", "fewer of either"),
        words=size(layers=9_000, hidden=12, vocabulary=10**8),
    ),
    bad(
        *("transformer", "cp=3", "plan.cp: found 3, ", "write 1"),
        words=size(batch=999_999_937, sequence=999_999_937),
    ),
]

BAD = [
    *(COUNTS + FLAGS + WORDS + FIELDS),
    *(TENSORS + STAGES + EXPERTS + CHUNKS + MACHINES + TOO_MUCH),
]


def refused(result, fragments):
    """One line that holds all fragments, and nothing beside it."""
    code, out, err = result
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1
    assert "; " in err
    assert len(err) < 500
    assert [text for text in fragments if text not in err] == []


@pytest.mark.parametrize("one", BAD, ids=lambda one: f"{one.model}-{one.plan[:24]}")
def test_a_bad_plan_has_one_clear_message(hwsim, one):
    words = ("--hw", one.hw, "--model", one.model, "--set", f"plan.{one.plan}", *one.words)
    refused(hwsim("estimate", *words, "--steps", "1"), one.fragments)


@pytest.mark.parametrize(
    "one", TENSORS + STAGES + EXPERTS + CHUNKS, ids=lambda one: f"{one.model}-{one.plan}"
)
def test_a_simulation_refuses_it_too(hwsim, one):
    words = ("--hw", one.hw, "--model", one.model, "--set", f"plan.{one.plan}", *one.words)
    refused(hwsim("simulate", *words), one.fragments)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("charlm", "--dp", "2", "--zero", "2"), "ZeRO 2"),
        (("charlm", "--dp", "2", "--zero", "3"), "ZeRO 3"),
        (("charlm", "--set", "plan.offload=activations"), "host's link"),
        (("wordlm", "--pp", "2", "--set", "plan.time_chunks=4"), "wavefront"),
        (
            ("charlm", "--pp", "2", "--micro-batch", "64", "--set", "plan.time_chunks=150"),
            "inside its time step",
        ),
    ],
)
def test_what_has_no_closed_form_is_left_to_the_simulation(hwsim, words, reason):
    command = ("estimate", "--hw", "volta", "--steps", "1", "--engine", "closed", "--model", *words)
    refused(hwsim(*command), ("--engine closed: ", reason, "--engine events"))


@pytest.mark.parametrize(
    ("words", "fragments"),
    [
        (("--dp", "8", "--straggler", "8=2"), ("--straggler: ", "'8=2'", "0 to 7")),
        (("--dp", "8", "--slow-link", "1=0"), ("--slow-link: ", "'1=0'", "above 0")),
        (
            ("--dp", "8192", *size(batch=8192), "--jitter", "0.1"),
            ("plan: found 8,192 devices", "4,096"),
        ),
        (
            ("--dp=4096", "--micro-batch=1", *size(batch=4096 * 500), "--everyone", "--no-trace"),
            ("plan: found about ", "at most 2,000,000"),
        ),
    ],
)
def test_devices_that_are_not_there_or_too_many_are_refused(hwsim, words, fragments):
    refused(hwsim("simulate", "--hw", "volta", "--model", "charlm-small", *words), fragments)


SMALL = {  # sizes, and what a plan may have of each axis besides 1; some of it is wrong
    "charlm-small": ((), {"tp": (2, 8, 3), "pp": (2, 3, 4), "time_chunks": (5, 30, 7)}),
    "wordlm": (
        size(hidden=64, layers=4, sequence=20, vocabulary=500, batch=32),
        {"tp": (2, 4, 3), "pp": (2, 3, 6), "time_chunks": (2, 20, 3), "cp": (2,)},
    ),
    "speech": (
        size(hidden=64, frames=100, batch=32),
        {"tp": (2, 8, 3), "pp": (2, 4, 7), "time_chunks": (2,)},
    ),
    "transformer": (
        size(hidden=64, layers=6, heads=4, sequence=64, vocabulary=500, batch=32, experts=4),
        {"tp": (2, 4, 8), "pp": (2, 4, 8), "cp": (2, 4, 3), "ep": (2, 4, 3)},
    ),
}
USUAL = ("volta", "dgx-a100-80gb", "dgx-2", "l4")


def mostly(usual, *others):
    """The usual value in two of three draws."""
    return st.one_of(st.just(usual), st.just(usual), st.sampled_from(others))


@st.composite
def commands(draw):
    """The command line of an estimate of some plan, mostly a possible one."""
    model = draw(st.sampled_from(sorted(SMALL)))
    sizes, axes = SMALL[model]
    pp = draw(mostly(1, *axes["pp"]))
    schedules = ("gpipe", "zero-bubble", "interleaved") if pp > 1 else ("gpipe",)
    plan = {
        "pp": pp,
        "dp": draw(mostly(1, 2, 4, 16, 5)),
        **{name: draw(mostly(1, *axes[name])) for name in axes if name != "pp"},
        "micro_batch": draw(mostly("null", 1, 2, 4, 6)),
        "schedule": draw(mostly("1f1b", *schedules)),
        "scaling": draw(mostly("strong", "weak")),
        "balance": draw(mostly("cost", "layers")),
        "zero": draw(st.integers(0, 3)),
        "recompute": draw(mostly("none", "selective", "full")),
        "offload": draw(mostly("none", "optimizer", "activations")),
        "convolutions": draw(mostly("channels", "space")),
        "placement": draw(mostly("tp,cp,dp,pp", "dp,tp,cp,pp", "pp,dp,cp,tp")),
        "bucket": draw(mostly("25 MiB", "1 B", "64 KiB", "1 TiB")),
        "sequence_parallel": draw(mostly("false", "true")),
    }
    plan["virtual"] = draw(mostly(2, 3, 9)) if plan["schedule"] == "interleaved" else 1
    for flag in ("overlap", "prioritize", "tensor_overlap", "master_weights", "loss_scaling"):
        plan[flag] = draw(st.sampled_from(("true", "false")))
    words = [w for name, value in plan.items() for w in ("--set", f"plan.{name}={value}")]
    if draw(mostly(False, True)):
        words += ["--set", "device.memory.reported=4 MiB"]
    hw = draw(st.sampled_from(USUAL))
    return ("estimate", "--hw", hw, "--model", model, "--steps", "1", "--json", *sizes, *words)


def one_line(err):
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1


def check_answer(found, hw):
    """What holds of every estimate, whether it fits or not."""
    step, memory, plan = found["step"], found["memory"], found["plan"]
    parts = step["parts"]
    assert 0 < step["low"] <= step["seconds"] <= step["high"] < math.inf
    assert sum(parts.values()) == pytest.approx(step["seconds"], rel=1e-6)
    assert min(parts.values()) >= -1e-12
    device = catalog.load(hw).device
    peaks = (*device.matrix.model_dump().values(), *device.vector.model_dump().values())
    peak = plan["devices"] * max(rate for rate in peaks if rate)
    assert step["seconds"] >= found["workload"]["flops_per_step"] / peak
    assert min(memory["parts"].values()) >= 0
    assert memory["host"] >= 0
    assert sum(memory["parts"].values()) == pytest.approx(memory["bytes"])


@given(commands())
@settings(
    deadline=None,
    max_examples=100,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_plan_is_answered_or_refused(hwsim, words):
    code, out, err = hwsim(*words)
    assert code in (0, 2, 3)
    if code == 2:
        one_line(err)
        assert out == ""
        return
    found = json.loads(out, parse_constant=pytest.fail)
    check_answer(found, words[2])
    assert found["memory"]["fits"] is (code == 0)
    if code == 3:
        one_line(err)
    else:
        assert err == ""
