"""The closed form of a staged step against its events."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.cost.calibration import load_for
from hwsim.errors import InputError
from hwsim.hardware import catalog
from hwsim.parallel.closed import Declined
from hwsim.parallel.formula import CLAIM, attempt, formula
from hwsim.parallel.lower import lower
from hwsim.parallel.plan import Plan
from hwsim.parallel.staged import staged
from hwsim.simulate.engine import run
from workloads.transformer import Transformer
from workloads.wordlm import WordLM

VOLTA = catalog.load("volta")
SMALL = Transformer(layers=4, sequence=64, batch=16)


def step(plan, model=SMALL):
    return staged(model, VOLTA, plan, load_for(VOLTA.device))


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_where_it_claims_something_it_keeps_its_claim(steps, data):
    asked = data.draw(steps(offload="none", zero=data.draw(st.sampled_from([0, 0, 1]))))
    found = attempt(asked.staged)
    if isinstance(found, Declined):
        assert found.reason
        return
    simulated = run(lower(asked.staged), trace=False)
    assert found.seconds == pytest.approx(simulated.seconds, rel=CLAIM)
    assert sum(found.parts().values()) == pytest.approx(found.seconds, rel=1e-9)
    assert min(found.parts().values()) >= -1e-9 * found.seconds


@given(st.data())
@settings(deadline=None, max_examples=40)
def test_on_one_stage_it_is_exact(steps, data):
    zero = data.draw(st.sampled_from([0, 1]))
    asked = data.draw(steps(pp=1, tp=1, cp=1, ep=1, schedule="1f1b", virtual=1, zero=zero))
    found = attempt(asked.staged)
    if not isinstance(found, Declined):
        simulated = run(lower(asked.staged), trace=False)
        assert found.seconds == pytest.approx(simulated.seconds, rel=1e-12)
        for part, seconds in simulated.parts().items():
            assert found.parts()[part] == pytest.approx(seconds, rel=1e-6, abs=1e-12)


@given(st.data())
@settings(deadline=None, max_examples=30)
def test_under_a_profile_it_keeps_its_claim(profiled_steps, data):
    made = data.draw(profiled_steps(offload="none", zero=data.draw(st.sampled_from([0, 0, 1]))))
    found = attempt(made.staged)
    if not isinstance(found, Declined):
        simulated = run(lower(made.staged), trace=False)
        assert found.seconds == pytest.approx(simulated.seconds, rel=CLAIM)


@given(st.data())
@settings(deadline=None, max_examples=30)
def test_under_a_profile_it_is_exact_on_one_stage(profiled_steps, data):
    alone = {"pp": 1, "tp": 1, "cp": 1, "ep": 1, "schedule": "1f1b", "virtual": 1, "zero": 0}
    made = data.draw(profiled_steps(**alone))
    found = attempt(made.staged)
    if not isinstance(found, Declined):
        simulated = run(lower(made.staged), trace=False)
        assert found.seconds == pytest.approx(simulated.seconds, rel=1e-12)


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        (Plan(dp=2, zero=2), "ZeRO 2"),
        (Plan(dp=2, zero=3), "ZeRO 3"),
        (Plan(dp=2, pp=2, micro_batch=1, schedule="interleaved", virtual=2, zero=1), "gathered"),
        (Plan(offload="activations"), "host"),
    ],
)
def test_what_it_can_not_tell_is_declined_with_a_reason(plan, reason):
    assert reason in attempt(step(plan)).reason
    with pytest.raises(InputError, match=r"--engine closed: .*--engine events"):
        formula(step(plan))


def test_a_wave_has_a_closed_form_in_the_order_of_gpipe_alone():
    model = WordLM(hidden=64, sequence=20, batch=4, tied=False)
    plan = Plan(pp=2, time_chunks=4)
    assert "wavefront" in attempt(step(plan, model)).reason
    wave = step(plan.model_copy(update={"schedule": "gpipe"}), model)
    assert attempt(wave).seconds == pytest.approx(run(lower(wave)).seconds)
