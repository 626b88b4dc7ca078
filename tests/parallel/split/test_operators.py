"""Every kind of operator divided, against arithmetic done by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.errors import InputError
from hwsim.graph.ops import (
    CTC,
    Attention,
    BatchNormalization,
    Convolution2d,
    CrossEntropy,
    Dropout,
    Embedding,
    Experts,
    LatentProjection,
    Linear,
    Normalization,
    Pointwise,
    Pooling,
    matrix_flops,
)
from hwsim.graph.recurrent import LSTM, RHN
from hwsim.graph.step import Layer
from hwsim.parallel.exchange import Exchange
from hwsim.parallel.plan import Plan
from hwsim.parallel.split import split
from workloads.resnet import ResNet
from workloads.transformer import Transformer

WAYS = st.sampled_from([2, 3, 4])
SIZE = st.integers(1, 6)


def divided(*ops, **plan):
    return split(Layer("layer", ops), Plan(**plan)).shards


def one(op, **plan):
    return divided(op, **plan)[0]


def total_of(ops, part):
    return sum(matrix_flops(getattr(op, part)()) for op in ops)


@given(tp=WAYS, rows=SIZE, inputs=SIZE, inner=SIZE, outputs=SIZE)
@settings(deadline=None, max_examples=20)
def test_two_products_are_split_by_columns_and_rows(tp, rows, inputs, inner, outputs):
    first, last = Linear("a", rows, inputs, tp * inner), Linear("b", rows, tp * inner, outputs)
    shards = divided(first, last, tp=tp)
    assert [shard.op for shard in shards] == [
        replace(first, outputs=inner),
        replace(last, inputs=inner),
    ]
    assert shards[0].forward == shards[1].backward == ()
    assert shards[0].backward == (
        Exchange("a.gradient", "all_reduce", "tp", rows * inputs, beside="a.wgrad"),
    )
    assert shards[1].forward == (
        Exchange("b.sum", "all_reduce", "tp", rows * outputs, beside="b.forward"),
    )
    assert [shard.replicated for shard in shards] == [0, outputs]


def test_a_first_product_sends_no_gradient():
    assert one(Linear("fc", 4, 8, 6, input_gradient=False), tp=2).backward == ()


def test_what_is_gathered_is_kept_in_parts_and_gathered_again():
    shard = one(Linear("fc", 4, 8, 6), tp=2, sequence_parallel=True)
    assert shard.op.saved == 4 * 8 / 2
    assert shard.op.forward() == Linear("fc", 4, 8, 3).forward()
    assert [e.name for e in shard.backward][-2:] == ["fc.saved", "fc.gradient"]


def test_a_bias_is_added_to_the_rows_that_are_scattered():
    ops = (Linear("a", 4, 8, 6), Linear("b", 4, 6, 8))
    for sequence_parallel, rows in ((False, 4), (True, 2)):
        last = divided(*ops, tp=2, sequence_parallel=sequence_parallel)[1]
        assert last.op.backward()[-1].flops == rows * 8


def test_vocabulary_is_split_and_padded():
    table = one(Embedding("table", 10, 97, 4), tp=4)
    assert table.op == Embedding("table", 10, 25, 4)
    assert table.forward == (Exchange("table.sum", "all_reduce", "tp", 40),)
    assert table.backward == ()
    head, loss = divided(Linear("head", 10, 4, 97, bias=False), CrossEntropy("loss", 10, 97), tp=4)
    assert (head.op.outputs, loss.op.classes) == (25, 25)
    assert [(e.collective, e.elements, e.element_bytes) for e in loss.forward] == 3 * [
        ("all_reduce", 10, 4.0)
    ]


def test_a_table_of_positions_stays_whole():
    table = Embedding("positions", 10, 10, 4, divided=False)
    shard = one(table, tp=2)
    assert (shard.op, shard.forward, shard.replicated) == (table, (), 40)
    rows = one(table, tp=2, sequence_parallel=True)
    assert (rows.op, rows.forward, rows.replicated) == (replace(table, tokens=5), (), 40)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize(("tp", "kv_heads"), [(2, 2), (4, 1), (8, 1)])
def test_attention_is_split_by_heads_and_few_key_heads_are_held_twice(tp, kv_heads, fused):
    whole = Attention("core", 2, 8, 4, 6, 3, fused=fused)
    qkv = Linear("qkv", 12, 24, (8 + 2 * 4) * 3)
    first, core = divided(qkv, whole, Linear("out", 12, 24, 24), tp=tp)[:2]
    assert core.op == replace(whole, heads=8 // tp, kv_heads=kv_heads)
    assert first.op.outputs == (8 // tp + 2 * kv_heads) * 3
    assert core.forward == core.backward == ()
    for part in ("forward", "backward"):
        assert tp * total_of([core.op], part) == total_of([whole], part)


def test_key_heads_that_neither_divide_nor_are_divided():
    ops = (Linear("qkv", 12, 36, 36 + 2 * 12), Attention("core", 2, 12, 4, 6, 3))
    with pytest.raises(InputError, match=r"found 6 for the 4 key heads of 'core'; write 4 or 12"):
        divided(*ops, tp=6)


@pytest.mark.parametrize(("kv_heads", "sent"), [(8, 8), (4, 4), (2, 4), (1, 4)])
def test_a_context_can_exchange_heads_for_positions(kv_heads, sent):
    whole = Attention("core", 2, 8, kv_heads, sequence=16, head_dim=4)
    found = one(whole, cp=4, context="all-to-all")
    assert found.op == replace(whole, heads=2, kv_heads=max(1, kv_heads // 4))
    assert 4 * matrix_flops(found.op.forward()) == matrix_flops(whole.forward())
    row = 2 * 16 // 4 * 4
    assert [(e.collective, e.axis, e.elements) for e in found.forward] == [
        ("all_to_all", "cp", row * heads) for heads in (8, sent, sent, 8)
    ]
    assert sorted(e.elements for e in found.backward) == sorted(e.elements for e in found.forward)
    assert one(whole, context="all-to-all").op == whole


def test_heads_that_a_context_exchanges_must_divide():
    with pytest.raises(InputError, match=r"plan\.cp: found 4, .* 6 heads of 'core'; write 3 or 6"):
        one(Attention("core", 2, 6, 6, 16, 4), cp=4, context="all-to-all")
    with pytest.raises(InputError, match=r"plan\.cp: found 4, .* key heads"):
        one(Attention("core", 2, 24, 6, 16, 4), cp=4, context="all-to-all")


def test_rows_and_heads_are_exchanged_beside_tensor_parallelism():
    model = Transformer(layers=2, hidden=64, heads=8, kv_heads=4, sequence=32, vocabulary=100)
    block = model.graph(2).layers[1]
    plan = Plan(tp=2, cp=2, sequence_parallel=True, context="all-to-all")
    shards = {shard.op.name: shard for shard in split(block, plan).shards}
    assert (shards["attention"].op.heads, shards["attention"].op.kv_heads) == (2, 1)
    assert {e.collective for e in shards["attention"].forward} == {"all_to_all"}
    shared = total_of([shard.op for shard in shards.values()], "forward")
    assert 4 * shared == total_of(block.ops, "forward")


@pytest.mark.parametrize("fused", [True, False])
def test_attention_of_a_context_has_some_queries_and_all_keys(fused):
    whole = Attention("core", 2, 4, 2, 12, 3, fused=fused)
    part = one(whole, cp=4).op
    assert 4 * part.saved == whole.saved
    for way in ("forward", "backward"):
        assert 4 * total_of([part], way) == total_of([whole], way)
    assert one(whole, cp=2).op.forward()[0].elements > whole.forward()[0].elements / 2


@given(tp=WAYS, batch=SIZE, steps=SIZE, inputs=SIZE, units=SIZE)
@settings(deadline=None, max_examples=20)
def test_lstm_gathers_its_state_at_every_step(tp, batch, steps, inputs, units):
    whole = LSTM("x", batch, steps, inputs, tp * units)
    shard = one(whole, tp=tp)
    hidden = tp * units
    assert tp * shard.op.parameters == whole.parameters
    for way in ("forward", "backward"):
        assert tp * total_of([shard.op], way) == total_of([whole], way)
    (state,) = shard.forward
    assert (state.collective, state.elements, state.repeat) == (
        "all_gather",
        batch * hidden,
        steps,
    )
    *chain, gradient = shard.backward
    assert [(e.collective, e.elements, e.repeat) for e in chain] == [
        ("reduce_scatter", batch * hidden, steps - 1)
    ] * (steps > 1)
    assert (gradient.collective, gradient.elements) == ("all_reduce", steps * batch * inputs)
    step = {k.name: k for k in shard.op.forward()}["x.step.forward"]
    assert step.shape == (1, batch, 4 * units, hidden)
    inputs_kept = steps * batch * inputs
    assert tp * (shard.op.saved - inputs_kept) == whole.saved - inputs_kept


def test_both_directions_gather():
    shard = one(LSTM("x", 2, 5, 3, 4, bidirectional=True), tp=2)
    assert [e.repeat for e in shard.forward] == [5, 5]
    assert [e.repeat for e in shard.backward] == [4, 4, 1]
    after = divided(LSTM("x", 2, 5, 3, 4, bidirectional=True), Linear("fc", 10, 8, 6), tp=2)[1]
    assert after.backward[0].elements == 10 * 8


def test_rhn_gathers_its_state_at_every_micro_layer():
    whole = RHN("x", batch=2, steps=3, inputs=5, hidden=8, depth=4)
    shard = one(whole, tp=2)
    assert [(e.collective, e.elements, e.repeat) for e in shard.forward] == [("all_gather", 16, 12)]
    assert [(e.collective, e.elements, e.repeat) for e in shard.backward] == [
        ("reduce_scatter", 16, 12),
        ("all_reduce", 30, 1),
    ]
    assert 2 * shard.op.parameters == whole.parameters
    for way in ("forward", "backward"):
        assert 2 * total_of([shard.op], way) == total_of([whole], way)


def test_a_recurrence_gathers_an_input_in_parts_and_scatters_its_gradient():
    shard = divided(Linear("fc", 6, 5, 4), LSTM("x", 2, 3, 4, 8), tp=2)[1]
    assert shard.forward[0] == Exchange("x.input", "all_gather", "tp", 24)
    assert shard.backward[-1].collective == "reduce_scatter"


def test_convolutions_are_split_by_filters_then_channels():
    first = Convolution2d("a", 2, 3, 8, 10, 4, (3, 3), padding=(1, 1))
    last = Convolution2d("b", 2, 4, 8, 10, 6, (3, 3), padding=(1, 1))
    shards = divided(first, Pointwise("clip", 2 * 4 * 80), last, tp=2)
    assert [shard.op for shard in shards] == [
        replace(first, filters=2),
        Pointwise("clip", 2 * 4 * 40),
        replace(last, channels=2),
    ]
    assert shards[0].backward == (
        Exchange("a.gradient", "all_reduce", "tp", 2 * 3 * 80, beside="a.wgrad"),
    )
    assert shards[2].forward == (
        Exchange("b.sum", "all_reduce", "tp", 2 * 6 * 80, beside="b.forward"),
    )
    assert (shards[0].replicated, shards[2].replicated) == (0, 6)


def test_convolutions_are_split_by_height():
    first = Convolution2d("a", 2, 3, 16, 10, 4, (5, 3), (2, 1), (2, 1), input_gradient=False)
    last = Convolution2d("b", 2, 4, 8, 10, 6, (5, 3), padding=(2, 1))
    shards = divided(first, last, tp=2, convolutions="space")
    assert [shard.op.output[0] for shard in shards] == [4, 4]
    for part in ("forward", "backward"):
        assert 2 * total_of([s.op for s in shards], part) == total_of([first, last], part)
    halo = Exchange("b.halo", "halo", "tp", 2 * 2 * 4 * 10)
    assert shards[0].forward == ()
    assert shards[0].backward == (Exchange("a.weights", "all_reduce", "tp", first.parameters),)
    assert shards[1].forward == (halo, Exchange("b.output", "all_gather", "tp", 2 * 6 * 80))
    assert shards[1].backward == (
        halo,
        Exchange("b.weights", "all_reduce", "tp", last.parameters),
    )
    assert [s.replicated for s in shards] == [first.parameters, last.parameters]


def test_a_filter_of_one_row_needs_no_neighbor():
    ops = [Convolution2d(name, 1, 4, 8, 8, 4, (1, 1)) for name in "ab"]
    assert divided(*ops, tp=2, convolutions="space")[1].forward[0].name == "b.output"


def test_ctc_needs_all_predictions():
    loss = CTC("loss", 2, 5, 2, 6)
    head, last = divided(Linear("head", 10, 4, 7), loss, tp=2)
    assert head.op.outputs == 4
    assert last.op == loss
    assert last.forward == (Exchange("loss.input", "all_gather", "tp", 60),)


def test_vector_work_is_that_of_what_is_there():
    ops = (Normalization("n", 8, 6), Dropout("d", 48), Pointwise("p", 48))
    whole, rows = divided(*ops, tp=2), divided(*ops, tp=2, sequence_parallel=True)
    assert [s.op for s in whole] == list(ops)
    assert [s.op for s in rows] == [Normalization("n", 4, 6), Dropout("d", 24), Pointwise("p", 24)]
    assert [s.replicated for s in rows] == [12, 0, 0]


def test_normalization_needs_all_features_of_a_row():
    norm = divided(Linear("fc", 4, 8, 6), Normalization("n", 4, 6), tp=2)[1]
    assert norm.op == Normalization("n", 4, 6)
    assert norm.forward == (Exchange("n.input", "all_gather", "tp", 24),)


def test_channels_of_images_are_normalized_and_pooled_where_they_are():
    first = Convolution2d("a", 2, 3, 8, 8, 4, (3, 3), padding=(1, 1), bias=False)
    norm, pool = BatchNormalization("n", 2 * 64, 4), Pooling("p", 2 * 4 * 64, 2 * 4 * 16, 4)
    shards = divided(first, norm, pool, tp=2)
    assert [shard.op for shard in shards[1:]] == [
        replace(norm, channels=2),
        replace(pool, inputs=2 * 2 * 64, outputs=2 * 2 * 16),
    ]
    assert [shard.forward for shard in shards[1:]] == [
        (),
        (Exchange("p.output", "all_gather", "tp", 2 * 4 * 16),),
    ]
    assert divided(norm, pool, tp=2)[0].replicated == norm.parameters


def test_statistics_need_whole_images():
    first = Convolution2d("a", 2, 3, 8, 8, 4, (3, 3), padding=(1, 1))
    with pytest.raises(InputError, match=r"plan\.convolutions: found space, but 'n' needs"):
        divided(first, BatchNormalization("n", 2 * 64, 4), tp=2, convolutions="space")


@pytest.mark.parametrize("tp", [2, 4])
def test_a_residual_network_is_split_by_channels(tp):
    for layer in ResNet(hidden=16, image=64).graph(2).layers:
        shards = split(layer, Plan(tp=tp)).shards
        assert sum(matrix_flops(s.op.forward()) for s in shards) == pytest.approx(
            sum(matrix_flops(op.forward()) for op in layer.ops) / tp
        )


EXPERTS = Experts("moe", tokens=12, hidden=6, ffn=8, experts=4, topk=3, shared=4, bias=False)


def test_experts_are_spread_and_every_token_is_sent_there_and_back():
    shard = one(EXPERTS, dp=2, ep=2)
    assert (shard.op.local, shard.op.rows, shard.op.routed) == (2, 18, 36)
    for part in ("forward", "backward"):
        assert total_of([shard.op], part) == total_of([EXPERTS], part)
    assert 2 * shard.op.expert_parameters == EXPERTS.expert_parameters
    own = EXPERTS.parameters - EXPERTS.expert_parameters
    assert shard.op.parameters - shard.op.expert_parameters == own
    for exchanges in (shard.forward, shard.backward):
        assert [(e.collective, e.axis, e.elements) for e in exchanges] == 2 * [
            ("all_to_all", "ep", 12 * 3 * 6)
        ]
    assert shard.replicated == 0


def test_experts_are_divided_in_width():
    shard = one(EXPERTS, tp=2)
    assert (shard.op.ffn, shard.op.shared, shard.replicated) == (4, 2, 6 * 4)
    owned = EXPERTS.parameters - shard.replicated
    assert 2 * (shard.op.parameters - shard.replicated) == owned
    assert [(e.collective, e.elements) for e in shard.forward] == [("all_reduce", 72)]
    assert [(e.collective, e.elements) for e in shard.backward] == [("all_reduce", 72)]


def test_experts_gather_the_rows_they_got_under_sequence_parallelism():
    shard = one(EXPERTS, tp=2, dp=2, ep=2, sequence_parallel=True)
    sent, rows, size = 6 * 3 * 6, 36 * 6, 72
    assert [(e.collective, e.axis, e.elements) for e in shard.forward] == [
        ("all_to_all", "ep", sent),
        ("all_gather", "tp", rows),
        ("reduce_scatter", "tp", rows),
        ("all_to_all", "ep", sent),
        ("all_gather", "tp", size),
        ("reduce_scatter", "tp", size),
    ]
    assert [e.collective for e in shard.backward] == [
        "all_gather",
        "all_gather",
        "reduce_scatter",
        "all_to_all",
        "all_gather",
        "reduce_scatter",
        "all_to_all",
    ]
    for part in ("forward", "backward"):
        assert 2 * total_of([shard.op], part) == total_of([EXPERTS], part)
    assert 2 * len(one(replace(EXPERTS, shared=0), tp=2, sequence_parallel=True).forward) == 4


def test_tokens_that_go_to_each_node_once():
    shard = one(EXPERTS, dp=2, ep=2, dispatch="nodes")
    assert {(e.collective, e.copies) for e in shard.forward} == {("all_to_all", 3)}
    assert "moe.sort.forward" not in [kernel.name for kernel in shard.op.forward()]
    plain = one(EXPERTS, dp=2, ep=2)
    assert {e.copies for e in plain.forward} == {1}
    assert "moe.sort.forward" in [kernel.name for kernel in plain.op.forward()]


LATENT = LatentProjection("qkv", 12, 16, 8, 6, 2, query_rank=10, kv_rank=4)


@pytest.mark.parametrize("tp", [2, 4, 8])
def test_latent_projections_lead_down_everywhere_and_up_to_their_heads(tp):
    core = Attention("core", 2, 8, 8, 6, 8, value_dim=6)
    first, second = divided(LATENT, core, Linear("out", 12, 48, 16), tp=tp)[:2]
    assert first.op == replace(LATENT, heads=8 // tp)
    own = LATENT.parameters - first.replicated
    assert tp * (first.op.parameters - first.replicated) == own
    assert first.replicated == 16 * 16 + 14
    assert [(e.collective, e.elements) for e in first.backward] == [("all_reduce", 12 * 16)]
    assert (first.forward, second.op.heads, second.forward) == ((), 8 // tp, ())


def test_latent_features_are_gathered_under_sequence_parallelism():
    shard = one(LATENT, tp=2, sequence_parallel=True)
    assert shard.op.saved == LATENT.saved / 2
    assert [(e.name, e.collective, e.elements) for e in shard.forward[:1]] == [
        ("qkv.latent", "all_gather", 12 * 16)
    ]
    assert [e.collective for e in shard.backward[-2:]] == ["all_gather", "reduce_scatter"]
    ways = dict.fromkeys(("forward", "backward"))
    for way in ways:
        assert 2 * total_of([shard.op], way) == total_of([LATENT], way)


def test_latent_projections_that_can_not_be_shared_so():
    with pytest.raises(InputError, match=r"plan\.tp: found 3, .* 8 heads of 'qkv'; write 2 or 4"):
        one(LATENT, tp=3)
    with pytest.raises(InputError, match=r"plan\.cp: found 5, .* 12 rows of 'qkv'; write 4 or 6"):
        one(LATENT, cp=5)


def test_uneven_experts_send_more():
    shard = one(replace(EXPERTS, imbalance=1.5), dp=2, ep=2)
    assert (shard.op.rows, shard.forward[0].elements) == (27, 1.5 * 216)


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({"dp": 3, "ep": 3}, r"plan\.ep: found 3, .* 4 experts of 'moe'; write 2 or 4"),
        ({"tp": 3}, r"plan\.tp: found 3, .* 8 units of 'moe'; write 2 or 4"),
        ({"tp": 8}, r"plan\.tp: found 8, .* 4 shared units of 'moe'; write 4"),
        ({"cp": 5}, r"plan\.cp: found 5, .* 12 tokens of 'moe'; write 4 or 6"),
    ],
)
def test_experts_that_can_not_be_shared_so(plan, message):
    with pytest.raises(InputError, match=message):
        one(EXPERTS, **plan)


@given(tp=st.sampled_from([2, 4, 8]), batch=SIZE, dim=SIZE, sequence=st.sampled_from([8, 16]))
@settings(deadline=None, max_examples=10)
def test_bytes_that_a_device_keeps_of_a_block(tp, batch, dim, sequence):
    # Korthikanti et al. 2022, equations 2 and 4, at 16 bits with dropout:
    # s b h (10 + 24 / t + 5 a s / (h t)), and s b h / t (34 + 5 a s / h) by sequence parallelism;
    # selective recomputation drops the addend with 5 a s / h (equation 6).
    heads, hidden = 8, 8 * dim
    workload = Transformer(
        hidden=hidden,
        heads=heads,
        sequence=sequence,
        dropout=True,
        attention="eager",
        layers=1,
        dtype="fp16",
    )
    layer = workload.graph(batch).layers[1]
    size, scores = sequence * batch * hidden, 5 * heads * sequence**2 * batch
    whole = split(layer, Plan(tp=tp)).saved_bytes("fp16")
    assert whole == pytest.approx(size * (10 + 24 / tp) + scores / tp, rel=1e-12)
    spread = split(layer, Plan(tp=tp, sequence_parallel=True))
    assert spread.saved_bytes("fp16") == pytest.approx((34 * size + scores) / tp, rel=1e-12)
    core = [shard.op for shard in spread.shards if shard.op.core]
    dropped = sum(2 * op.recomputable + op.masks for op in core)
    assert spread.saved_bytes("fp16") - dropped == pytest.approx(34 * size / tp, rel=1e-12)
