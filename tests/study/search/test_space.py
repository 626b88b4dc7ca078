"""Which plans a space has, and which of them are the same."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hwsim.errors import InputError
from hwsim.estimation import estimate
from hwsim.hardware import catalog
from hwsim.parallel.plan import Plan
from hwsim.study.search.fields import DEFAULTS, space
from hwsim.study.subject import Subject
from workloads.charlm import CharLM
from workloads.transformer import Transformer

MODEL = Transformer(layers=4, hidden=64, heads=4, sequence=16, vocabulary=96, batch=8)
VOLTA = Subject(catalog.load("volta"), MODEL)


def test_every_combination_is_counted():
    found = space(VOLTA, (8,), {})
    assert len(found.shapes) == 20
    assert found.rows == 4 * 5 * 3 * 4 * 2 * 2 * 2 * 3 * 2
    assert found.size == 20 * found.rows
    assert found.columns["order"] == (
        ("1f1b", 1),
        ("gpipe", 1),
        ("interleaved", 2),
        ("interleaved", 3),
        ("zero-bubble", 1),
    )


def test_experts_are_spread_where_there_are_some():
    mixture = MODEL.model_copy(update={"experts": 4})
    assert max(one.ep for one in space(Subject(VOLTA.system, mixture), (8,), {}).shapes) == 8
    assert {one.ep for one in space(VOLTA, (8,), {}).shapes} == {1}


def test_what_is_set_stays_and_what_is_named_is_tried():
    subject = VOLTA.with_settings({"plan.tp": "2", "plan.zero": "1", "software": "megatron-2022"})
    found = space(subject, (4, 8), {"pp": (1, 2), "bucket": (1e6, 2e6)})
    assert {one.tp for one in found.shapes} == {2}
    assert {one.pp for one in found.shapes} == {1, 2}
    assert {one.devices for one in found.shapes} == {4, 8}
    assert found.columns["zero"] == (1,)
    assert found.columns["bucket"] == (1e6, 2e6)
    for name in set(subject.software.plan) & set(DEFAULTS) - {"schedule", "virtual"}:
        assert len(found.columns[name]) == 1


def test_too_many_at_once_are_refused():
    with pytest.raises(InputError, match="combinations"):
        space(VOLTA, (8,), {"bucket": tuple(float(n) for n in range(10_000))})


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_what_counts_as_equal_is_the_same_step(data):
    model = data.draw(
        st.sampled_from([MODEL, CharLM(hidden=32, sequence=12, vocabulary=40, batch=8)])
    )
    subject = Subject(catalog.load(data.draw(st.sampled_from(["volta", "cpu-epyc-2"]))), model)
    found = space(subject, (2,), {"bucket": (1e3, 1e6), "first_bucket": (1e3, 1e5)})
    shape = data.draw(st.sampled_from(found.shapes))
    rows = found.look(shape)
    equal = (rows.possible & ~rows.kept).nonzero()[0]
    assume(len(equal))
    row = int(data.draw(st.sampled_from(list(equal[:: max(len(equal) // 50, 1)]))))
    stands = int(found.stands_for(shape)[row])
    assert rows.kept[stands]
    answers = []
    for one in (row, stands):
        try:
            told = estimate(subject.system, model, found.plan(shape, one))
        except InputError:
            answers.append(None)
        else:
            answers.append((told.step.seconds, told.memory.bytes))
    assert (answers[0] is None) == (answers[1] is None)
    if answers[0]:
        assert answers[0] == pytest.approx(answers[1], rel=1e-9)


def test_a_plan_has_its_row_and_the_rest_of_the_subjects():
    subject = VOLTA.with_settings({"plan.prioritize": "true"})
    found = space(subject, (8,), {})
    shape = found.shapes[3]
    plan = found.plan(shape, found.rows - 1)
    assert plan.prioritize
    assert plan == Plan(**plan.model_dump())
    assert (plan.dp, plan.tp, plan.pp, plan.cp) == shape[:4]
    assert (plan.zero, plan.balance, plan.schedule) == (3, "layers", "zero-bubble")
