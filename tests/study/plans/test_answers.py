"""Answers for columns of plans against the same plans one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.cost.calibration import load_for
from hwsim.errors import InputError
from hwsim.estimation import estimate
from hwsim.hardware import catalog
from hwsim.parallel.lower import lower
from hwsim.parallel.plan import Plan
from hwsim.simulate.engine import run
from hwsim.simulate.step import prepared
from hwsim.software import catalog as profiles
from hwsim.study.plans import NO_FORM, Plans, answers, bound
from hwsim.study.plans.rows import Column
from hwsim.study.subject import Subject
from workloads.charlm import CharLM
from workloads.speech import Speech
from workloads.transformer import Transformer
from workloads.wordlm import WordLM

SIZES = {"hidden": 64, "heads": 4, "sequence": 16, "vocabulary": 96, "batch": 48}
MODELS = (
    Transformer(layers=9, dtype="fp16", **SIZES),
    Transformer(layers=4, tied=False, experts=4, moe_ffn=32, attention="eager", **SIZES),
    WordLM(layers=4, hidden=32, sequence=12, vocabulary=40, batch=48),
    CharLM(depth=3, hidden=32, sequence=12, vocabulary=40, batch=48),
    Speech(hidden=32, layers=2, frames=40, labels=8, bins=32, batch=48),
)
FIELDS = {
    "dp": (1, 2, 4),
    "tp": (1, 2),
    "pp": (1, 2, 3),
    "cp": (1, 1, 2),
    "ep": (1, 1, 2),
    "placement": (("tp", "cp", "dp", "pp"), ("dp", "pp", "tp", "cp")),
    "scaling": ("strong", "strong", "weak"),
    "micro_batch": (None, 1, 2, 4),
    "time_chunks": (1, 1, 3, 12),
    "schedule": ("gpipe", "1f1b", "1f1b", "interleaved", "zero-bubble"),
    "virtual": (1, 1, 2),
    "balance": ("cost", "layers"),
    "zero": (0, 0, 1, 2, 3),
    "sequence_parallel": (False, True),
    "dispatch": ("copies", "nodes"),
    "recompute": ("none", "selective", "full"),
    "offload": ("none", "none", "optimizer", "activations"),
    "bucket": (1e3, 3e4, 1e6),
    "first_bucket": (1e3, 1e5),
    "overlap": (True, False),
    "tensor_overlap": (True, False),
    "master_weights": (True, False),
    "loss_scaling": (True, False),
    "workload.batch": (48, 96),
}
SYSTEMS = ("volta", "dgx-a100-80gb", "cpu-epyc-2", "pascal", "dgx-h100")
PLANS = 60


@st.composite
def asked(draw):
    """A subject and columns of some fields of its plans."""
    names = draw(st.lists(st.sampled_from(sorted(FIELDS)), unique=True, max_size=12))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    names = {*names, "dp", "pp", "micro_batch", "schedule", "virtual"}
    columns = {
        name: [FIELDS[name][i] for i in random.integers(0, len(FIELDS[name]), PLANS)]
        for name in sorted(names)
    }
    software = draw(st.sampled_from([None, None, "megatron-2021"]))
    system = catalog.load(draw(st.sampled_from(SYSTEMS)))
    profile = profiles.load(software) if software else None
    model = draw(st.sampled_from(MODELS))
    return Subject(system, model, Plan(), profile).with_settings({}), columns


def rows(columns):
    """Plans one by one: fields, and the batch."""
    for values in zip(*columns.values(), strict=True):
        fields = dict(zip(columns, values, strict=True))
        yield fields.pop("workload.batch", None), fields


def one_by_one(subject, columns, engine):
    for batch, fields in rows(columns):
        workload = subject.workload
        if batch is not None:
            workload = workload.model_copy(update={"batch": batch})
        plan = subject.plan.model_copy(update=fields)
        try:
            yield engine(subject, workload, plan)
        except InputError as error:
            yield str(error)


def by_formula(subject, workload, plan):
    found = estimate(
        subject.system, workload, plan, steps=1, engine="closed", software=subject.software
    )
    return found.step, found.memory


@given(asked())
@settings(deadline=None, max_examples=25)
def test_they_are_what_estimates_say_one_by_one(case):
    subject, columns = case
    found = answers(subject, columns)
    for i, one in enumerate(one_by_one(subject, columns, by_formula)):
        if isinstance(one, str):
            assert found.why[i].removeprefix(NO_FORM) in one
            assert np.isnan(found.seconds[i])
            continue
        step, memory = one
        assert found.why[i] == ""
        told = [found.seconds[i], found.low[i], found.high[i], found.bytes[i]]
        assert told == pytest.approx([step.seconds, step.low, step.high, memory.bytes], rel=1e-9)
        assert found.fits[i] == memory.fits
        for part, seconds in step.parts.items():
            assert found.parts[part][i] == pytest.approx(seconds, abs=1e-9 * step.seconds)


def by_events(subject, workload, plan):
    kernels = load_for(subject.system.device)
    step = prepared(subject.system, workload, plan, kernels, software=subject.software)
    return run(lower(step), trace=False).seconds


@given(asked())
@settings(deadline=None, max_examples=12)
def test_no_step_is_shorter_than_its_bound(case):
    subject, columns = case
    columns = {name: values[:20] for name, values in columns.items()}
    least = bound(subject, columns)
    for i, one in enumerate(one_by_one(subject, columns, by_events)):
        if isinstance(one, str):
            assert least.why[i] == one
        else:
            assert 0 < least.seconds[i] <= one * (1 + 1e-9)


@given(asked())
@settings(deadline=None, max_examples=10)
def test_bounds_are_below_closed_forms_and_have_the_same_memory(case):
    subject, columns = case
    plans = Plans(subject)
    found, least = plans.answers(columns), plans.bound(columns)
    known = ~np.isnan(found.seconds)
    assert np.all(least.seconds[known] <= found.seconds[known] * (1 + 1e-9))
    assert np.array_equal(least.bytes, found.bytes, equal_nan=True)
    assert np.array_equal(least.fits, found.fits)


A100 = Subject(catalog.load("dgx-a100-80gb"), MODELS[0])


def test_plans_without_closed_form_have_their_memory_and_the_reason():
    found = answers(A100, {"dp": [2, 2, 5], "zero": [0, 3, 0]})
    assert found.why[0] == ""
    assert found.why[1].startswith(NO_FORM)
    assert "ZeRO 3" in found.why[1]
    assert "doesn't divide" in found.why[2]
    assert np.isnan(found.seconds).tolist() == [False, True, True]
    assert np.isnan(found.bytes).tolist() == [False, False, True]
    assert found.bytes[1] < found.bytes[0]


def test_columns_arrays_codes_and_rows_are_the_same_plans():
    columns = {"dp": [1, 2, 4, 2], "overlap": [True, False, True, False]}
    plans = Plans(A100)
    first = plans.answers(columns).seconds
    codes = {
        "dp": Column((1, 2, 4), np.array([0, 1, 2, 1])),
        "overlap": np.array(columns["overlap"]),
    }
    assert np.array_equal(plans.answers(codes).seconds, first)
    several = [{"dp": dp, "overlap": over} for dp, over in zip(*columns.values(), strict=True)]
    assert np.array_equal(plans.answers(several).seconds, first)
    assert first[1] == first[3] != first[0]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"dq": [1]}, "plan.dq"),
        ({"dp": [0]}, "plan.dp"),
        ({"schedule": ["fast"]}, "plan.schedule"),
        ({"workload.batch": [0]}, "workload.batch"),
        ({"dp": [1], "tp": [1, 2]}, "one length"),
        ([{"dp": 1}, {"tp": 1}], "different fields"),
    ],
)
def test_what_is_no_plan_is_refused_at_the_door(columns, message):
    with pytest.raises(InputError, match=message):
        answers(A100, columns)


def test_no_plans_have_no_answers():
    assert len(answers(A100, {"dp": []}).seconds) == 0
