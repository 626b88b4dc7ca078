"""Layers on pipeline stages, and what can't be put there."""

import pytest

from hwsim.cost.calibration import load_for
from hwsim.errors import InputError
from hwsim.hardware import catalog
from hwsim.parallel.plan import Plan
from hwsim.parallel.staged import MOST_LAYERS, staged
from workloads.charlm import CharLM
from workloads.transformer import Transformer

VOLTA = catalog.load("volta")
DEEP = Transformer(layers=6, sequence=64, batch=8)
RING = CharLM(hidden=64, depth=4, sequence=6, batch=8)


def step(model, **plan):
    return staged(model, VOLTA, Plan(**plan), load_for(VOLTA.device))


def test_stages_hold_all_layers_in_order():
    made = step(DEEP, pp=2, virtual=2, schedule="interleaved", micro_batch=1)
    names = [layer.name for chunk in made.chunks for layer in chunk]
    assert names == ["embedding", *["block"] * 6, "output"]
    assert [begin for begin, _ in made.cuts[1:]] == [end for _, end in made.cuts[:-1]]
    assert made.on(1) == (made.chunks[1], made.chunks[3])
    assert made.slots == 8


def test_stages_are_balanced_by_cost_or_by_layers():
    heavy = DEEP.model_copy(update={"vocabulary": 400_000})
    by_cost = [len(chunk) for chunk in step(heavy, pp=2).chunks]
    by_number = [len(chunk) for chunk in step(heavy, pp=2, balance="layers").chunks]
    assert by_cost[0] > by_number[0] == by_number[1] == 4


def test_dense_layers_of_a_mixture_count_as_those_of_experts():
    mixture = DEEP.model_copy(update={"layers": 13, "experts": 4, "dense_layers": 3})
    plan = {"pp": 2, "virtual": 2, "schedule": "interleaved", "micro_batch": 1}
    made = step(mixture, **plan, balance="layers")
    blocks = [sum(layer.name in ("block", "experts") for layer in chunk) for chunk in made.chunks]
    assert (sum(blocks), max(blocks)) == (13, 4)


def test_the_update_is_that_of_a_share_where_state_is_sharded():
    whole, shared = (step(DEEP, dp=4, zero=zero).update(0).seconds for zero in (0, 1))
    assert shared < whole
    assert step(DEEP, dp=4, pp=2).parameters(0)[0] < step(DEEP, dp=4).parameters(0)[0]


def test_a_message_is_what_a_stage_puts_out():
    made = step(DEEP, pp=2, micro_batch=2)
    assert made.chunks[0][-1].sent == 4.0 * 2 * DEEP.sequence * DEEP.hidden
    assert len(made.hops) == 1
    assert made.hops[0].seconds > 0


def test_a_recurrence_cut_inside_its_time_step_is_a_ring():
    ring = step(RING, pp=2, time_chunks=6, micro_batch=2)
    assert (ring.ring, ring.rounds, ring.slots, ring.times) == (True, 6, 4, 1)
    assert len(ring.hops) == 2
    assert not step(RING, pp=2, time_chunks=3, micro_batch=2).ring


@pytest.mark.parametrize(
    ("model", "plan", "where", "instead"),
    [
        (RING, {"time_chunks": 6, "schedule": "gpipe"}, "plan.schedule", "write 1f1b"),
        (
            RING,
            {"time_chunks": 6, "virtual": 2, "schedule": "interleaved"},
            "plan.schedule",
            "write 1f1b",
        ),
        (RING, {"time_chunks": 6, "micro_batch": 8}, "plan.micro_batch", "a multiple of 2"),
        (RING, {"time_chunks": 4}, "plan.time_chunks", "write 3 or 6"),
        (DEEP, {"time_chunks": 4}, "plan.time_chunks", "time_chunks 1"),
        (DEEP, {"dp": 2, "ep": 2}, "plan.ep", "write 1"),
        (DEEP, {"pp": 9}, "plan.pp", "write at most 8"),
        (DEEP.model_copy(update={"layers": MOST_LAYERS}), {}, "workload", "write fewer"),
    ],
)
def test_what_can_not_be_staged_is_refused(model, plan, where, instead):
    with pytest.raises(InputError) as error:
        step(model, **{"pp": 2, **plan})
    assert error.value.where == where
    assert instead in error.value.instead
