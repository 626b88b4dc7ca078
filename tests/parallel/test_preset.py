"""What a software profile decides where the user set nothing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.errors import InputError
from hwsim.parallel.plan import Plan
from hwsim.parallel.preset import plan_under, workload_under
from hwsim.software import catalog
from workloads.charlm import CharLM
from workloads.transformer import Transformer

FSDP, MEGATRON = catalog.load("fsdp-2023"), catalog.load("megatron-2021")


def test_what_was_set_stays():
    plan = plan_under(Plan(dp=8, zero=1, overlap=True), MEGATRON)
    assert (plan.dp, plan.zero, plan.overlap, plan.loss_scaling) == (8, 1, True, True)


@given(st.sampled_from(catalog.names()), st.sampled_from(catalog.names()), st.integers(0, 3))
@settings(deadline=None, max_examples=20)
def test_another_profile_decides_anew(one, other, zero):
    for plan in (Plan(dp=4), Plan(dp=4, zero=zero)):
        first, second = catalog.load(one), catalog.load(other)
        under = plan_under(plan_under(plan, first), second)
        assert under == plan_under(plan, second)
        assert under.model_fields_set == plan.model_fields_set
        assert plan_under(under, None) == plan


@pytest.mark.parametrize(
    ("plan", "fragments"),
    [
        ({"zeroo": 3}, ["software mine", "plan.zeroo", "zero"]),
        ({"dp": 4}, ["software mine", "plan.dp", "4", "leave it out"]),
        ({"zero": 4}, ["software mine", "plan.zero", "4", "at most 3"]),
        ({"bucket": "25"}, ["software mine", "plan.bucket", "without a unit"]),
    ],
)
def test_a_plan_that_is_none_is_refused(plan, fragments):
    mine = FSDP.model_copy(update={"name": "mine", "plan": plan})
    with pytest.raises(InputError) as error:
        plan_under(Plan(), mine)
    for fragment in fragments:
        assert fragment in str(error.value)


def test_attention_is_the_profiles_unless_set():
    assert workload_under(Transformer(layers=4), MEGATRON).attention == "eager"
    assert workload_under(Transformer(attention="fused"), MEGATRON).attention == "fused"
    back = workload_under(workload_under(Transformer(layers=4), MEGATRON), None)
    assert back == Transformer(layers=4)


def test_a_workload_without_attention_is_untouched():
    assert workload_under(CharLM(), MEGATRON) == CharLM()
