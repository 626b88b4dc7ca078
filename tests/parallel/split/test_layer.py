"""A layer divided: what a transformer block exchanges and keeps, and what shares add up to."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.errors import InputError
from hwsim.graph.ops import Linear, Op, Pointwise, matrix_flops
from hwsim.graph.step import Layer
from hwsim.parallel.plan import Plan
from hwsim.parallel.split import split
from workloads.charlm import CharLM
from workloads.speech import Speech
from workloads.transformer import Transformer
from workloads.wordlm import WordLM

SIZES = {"hidden": 64, "heads": 8, "layers": 3, "sequence": 16, "vocabulary": 80}
GATED = {"gated": True, "ffn": 96, "norm": "rmsnorm", "positions": "rotary", "kv_heads": 4}
WORKLOADS = [
    Transformer(**SIZES),
    Transformer(**SIZES, **GATED, attention="eager"),
    Transformer(**SIZES, **GATED, experts=4, moe_ffn=32, shared_experts=1, dropout=True),
    WordLM(hidden=24, sequence=5, vocabulary=80),
    CharLM(hidden=24, depth=3, sequence=4, vocabulary=80),
    Speech(hidden=16, layers=2, frames=40, labels=5, bins=65, characters=32),
]
every_workload = pytest.mark.parametrize("workload", WORKLOADS, ids=lambda w: w.name)


def shares(workload, batch=2, **degrees):
    plan = Plan(**degrees)
    return [split(layer, plan) for layer in workload.graph(batch).layers]


def exchanged(layer, way):
    """Collectives of one repeat by kind: how often, and elements of all."""
    found = {}
    for shard in layer.shards:
        for one in getattr(shard, way):
            count, size = found.get(one.collective, (0, 0))
            found[one.collective] = (count + one.repeat, size + one.repeat * one.elements)
    return found


def routing(layer):
    """FLOPs of a router, which every device computes."""
    kernels = (kernel for op in layer.ops for kernel in op.forward() if "router" in kernel.name)
    return layer.repeat * matrix_flops(kernels)


@every_workload
@pytest.mark.parametrize("degrees", [{}, {"dp": 4, "pp": 2, "sequence_parallel": True}])
def test_one_device_has_the_layer_as_it_is(workload, degrees):
    for whole, share in zip(workload.graph(2).layers, shares(workload, **degrees), strict=True):
        assert share.layer == whole
        assert not any(shard.forward or shard.backward for shard in share.shards)
        assert share.replicated_parameters == 0


@every_workload
@pytest.mark.parametrize("tp", [2, 4])
def test_shares_add_up_to_the_layer(workload, tp):
    for whole, share in zip(workload.graph(2).layers, shares(workload, tp=tp), strict=True):
        one = share.layer
        again = (tp - 1) * routing(whole)
        assert tp * one.forward_flops == whole.forward_flops + again
        assert tp * one.backward_flops == whole.backward_flops + 2 * again
        replicated = share.replicated_parameters
        assert tp * (one.parameters - replicated) + replicated == whole.parameters


@pytest.mark.parametrize("workload", WORKLOADS[:3], ids=["gpt", "llama", "experts"])
@pytest.mark.parametrize("cp", [2, 4])
def test_context_parallelism_divides_all_but_the_parameters(workload, cp):
    for whole, share in zip(workload.graph(2).layers, shares(workload, cp=cp), strict=True):
        one = share.layer
        assert cp * one.forward_flops == whole.forward_flops
        assert cp * one.backward_flops == whole.backward_flops
        assert one.parameters == whole.parameters
        assert cp * share.output == whole.output
    block = shares(workload, cp=cp)[1]
    keys = 2 * 2 * workload.sequence * workload.kv_width
    assert exchanged(block, "forward") == {"all_gather": (1, keys)}
    assert exchanged(block, "backward") == {"all_gather": (1, keys), "reduce_scatter": (1, keys)}


@given(tp=st.sampled_from([2, 4, 8]), batch=st.integers(1, 4))
@settings(deadline=None, max_examples=10)
def test_a_block_sums_twice_each_way(tp, batch):
    # Shoeybi et al. 2019: two all-reduces of s b h forward, two backward.
    whole = batch * 16 * 64
    block = shares(WORKLOADS[0], batch, tp=tp)[1]
    assert exchanged(block, "forward") == {"all_reduce": (2, 2 * whole)}
    assert exchanged(block, "backward") == {"all_reduce": (2, 2 * whole)}
    assert block.output == whole


@given(tp=st.sampled_from([2, 4, 8]), batch=st.integers(1, 4))
@settings(deadline=None, max_examples=10)
def test_a_block_gathers_and_scatters_under_sequence_parallelism(tp, batch):
    # Korthikanti et al. 2022: each all-reduce becomes both of its halves, and what was gathered
    # for two products is gathered again in the backward pass.
    whole = batch * 16 * 64
    block = shares(WORKLOADS[0], batch, tp=tp, sequence_parallel=True)[1]
    assert exchanged(block, "forward") == {
        "all_gather": (2, 2 * whole),
        "reduce_scatter": (2, 2 * whole),
    }
    assert exchanged(block, "backward") == {
        "all_gather": (4, 4 * whole),
        "reduce_scatter": (2, 2 * whole),
    }
    assert tp * block.output == whole


def test_what_every_device_holds_of_a_block():
    # Two normalizations with gain and shift, and the biases of both row splits.
    for sequence_parallel in (False, True):
        block = shares(WORKLOADS[0], tp=4, sequence_parallel=sequence_parallel)[1]
        assert block.replicated_parameters == 3 * (4 * 64 + 2 * 64)


@every_workload
def test_exchanges_have_names_of_their_own_and_go_beside_kernels_there_are(workload):
    plans = [{"tp": 2}, {"tp": 2, "convolutions": "space"}]
    if isinstance(workload, Transformer):
        plans += [{"tp": 2, "cp": 2, "sequence_parallel": True}]
    for plan in plans:
        for layer in shares(workload, **plan):
            for shard in layer.shards:
                for exchanges, kernels in (
                    (shard.forward, shard.op.forward()),
                    (shard.backward, shard.op.backward()),
                ):
                    names = [e.name for e in exchanges]
                    assert len(set(names)) == len(names)
                    assert {e.beside for e in exchanges} <= {None, *(k.name for k in kernels)}
                    assert all(e.elements > 0 for e in exchanges)


def test_activations_that_end_in_parts_are_gathered():
    layer = Layer("one", (Linear("fc", 4, 8, 6), Pointwise("clip", 24)), output=24)
    share = split(layer, Plan(tp=2))
    assert exchanged(share, "forward") == {"all_gather": (1, 24)}
    assert exchanged(share, "backward") == {"all_reduce": (1, 32)}
    assert [shard.op for shard in share.shards] == [Linear("fc", 4, 8, 3), Pointwise("clip", 12)]
    rows = split(layer, Plan(tp=2, sequence_parallel=True))
    assert exchanged(rows, "forward") == {"all_gather": (2, 32 + 24)}
    assert exchanged(rows, "backward") == {"all_gather": (2, 24 + 32), "reduce_scatter": (1, 32)}


@dataclass(frozen=True, slots=True)
class Unheard(Op):
    name: str = "new"

    @property
    def parameters(self):
        return 0

    @property
    def saved(self):
        return 0

    def forward(self):
        return ()

    def backward(self):
        return ()


def test_an_operator_without_a_rule_is_named():
    layer = Layer("layer", (Unheard(),))
    assert split(layer, Plan(dp=2)).shards[0].op == Unheard()
    message = r"file: plan\.tp: found 2 for 'new', .*splits a Unheard; write 1, or register a rule"
    with pytest.raises(InputError, match=message):
        split(layer, Plan(tp=2), "file: plan")
    with pytest.raises(InputError, match=r"plan\.cp: found 2, but 'new' \(Unheard\) needs"):
        split(layer, Plan(cp=2))


@pytest.mark.parametrize(
    ("workload", "plan", "message"),
    [
        (WORKLOADS[0], {"tp": 3}, r"plan\.tp: found 3, .* 8 heads of 'attention'; write 2 or 4"),
        (WORKLOADS[0], {"tp": 16}, r"plan\.tp: found 16, .* 8 heads of 'attention'; write 8"),
        (WORKLOADS[0], {"cp": 3}, r"plan\.cp: found 3, .* 32 tokens of 'embedding'; write 2 or 4"),
        (WORKLOADS[3], {"tp": 5}, r"plan\.tp: found 5, .* 24 units of 'lstm'; write 4 or 6"),
        (WORKLOADS[4], {"tp": 7}, r"plan\.tp: found 7, .* 24 units of 'rhn'; write 6 or 8"),
        (WORKLOADS[3], {"cp": 2}, r"plan\.cp: found 2, but 'lstm' \(LSTM\) needs the whole seq"),
        (WORKLOADS[5], {"cp": 2}, r"plan\.cp: found 2, but 'conv\.1' \(Convolution2d\) needs"),
        (WORKLOADS[5], {"tp": 3}, r"plan\.tp: found 3, .* 32 filters of 'conv\.1'; write 2 or 4"),
        (
            WORKLOADS[4],
            {"tp": 2, "sequence_parallel": True},
            r"plan\.sequence_parallel: found true, but 'rhn' .*; write false",
        ),
        (
            WORKLOADS[5],
            {"tp": 4, "convolutions": "space"},
            r"plan\.tp: found 4 for the 33 rows of 'conv\.2', .* needs 10 .*write at most 3",
        ),
    ],
)
def test_plans_that_can_not_be(workload, plan, message):
    with pytest.raises(InputError, match=message):
        shares(workload, **plan)


def test_matrix_flops_of_a_padded_vocabulary_are_those_of_the_largest_share():
    head = shares(Transformer(**{**SIZES, "vocabulary": 81}), tp=2)[2].shards[1].op
    assert matrix_flops(head.forward()) == 2 * 32 * 64 * 41
