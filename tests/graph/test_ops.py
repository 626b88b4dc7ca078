"""Counts of the single operators against arithmetic done by hand, and their invariants."""

from __future__ import annotations

from collections.abc import Callable
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
    Op,
    Pointwise,
    Pooling,
    matrix_flops,
    vector_flops,
)
from hwsim.graph.recurrent import LSTM, RHN

SIZE = st.integers(1, 50)

OF_BATCH: dict[str, Callable[[int], Op]] = {
    "linear": lambda b: Linear("x", b, 3, 5),
    "embedding": lambda b: Embedding("x", b, 3, 5),
    "convolution": lambda b: Convolution2d("x", b, 3, 9, 9, 5, (3, 3), (2, 2), (1, 1)),
    "fused attention": lambda b: Attention("x", b, 4, 2, 6, 3),
    "eager attention": lambda b: Attention("x", b, 4, 2, 6, 3, fused=False),
    "narrow values": lambda b: Attention("x", b, 4, 2, 6, 3, value_dim=2),
    "narrow values, eager": lambda b: Attention("x", b, 4, 2, 6, 3, fused=False, value_dim=2),
    "latent projection": lambda b: LatentProjection("x", b, 8, 4, 3, 2, 5, 6),
    "normalization": lambda b: Normalization("x", b, 8),
    "eager attention, dropout": lambda b: Attention("x", b, 4, 2, 6, 3, fused=False, dropout=True),
    "experts": lambda b: Experts("x", 4 * b, 5, 6, 4, 3, shared=7),
    "gated experts": lambda b: Experts("x", 4 * b, 5, 6, 4, 3, True, False),
    "batch normalization": lambda b: BatchNormalization("x", 4 * b, 8),
    "batch normalization, fused": lambda b: BatchNormalization("x", 4 * b, 8, True, 1),
    "pooling": lambda b: Pooling("x", 36 * b, 9 * b, 9),
    "dropout": lambda b: Dropout("x", b),
    "pointwise": lambda b: Pointwise("x", b, 2, 1, 3),
    "cross-entropy": lambda b: CrossEntropy("x", b, 7),
    "ctc": lambda b: CTC("x", b, 9, 3, 7),
    "lstm": lambda b: LSTM("x", b, 4, 5, 6),
    "bidirectional lstm": lambda b: LSTM("x", b, 4, 5, 6, bidirectional=True),
    "rhn": lambda b: RHN("x", b, 4, 5, 6, 3),
}
every_op = pytest.mark.parametrize("make", OF_BATCH.values(), ids=OF_BATCH.keys())


@every_op
@given(batch=SIZE, factor=st.integers(2, 5))
@settings(deadline=None, max_examples=10)
def test_work_is_linear_in_the_batch(make, batch, factor):
    one, many = make(batch), make(factor * batch)
    for kernels in ("forward", "backward"):
        assert matrix_flops(getattr(many, kernels)()) == factor * matrix_flops(
            getattr(one, kernels)()
        )
        assert vector_flops(getattr(many, kernels)()) == pytest.approx(
            factor * vector_flops(getattr(one, kernels)())
        )
    assert many.saved == factor * one.saved
    assert many.parameters == one.parameters


@every_op
@given(batch=SIZE)
@settings(deadline=None, max_examples=10)
def test_kernels_are_well_formed(make, batch):
    op = make(batch)
    kernels = (*op.forward(), *op.backward())
    assert len({k.name for k in kernels}) == len(kernels)
    assert op.saved >= 0
    for kernel in kernels:
        assert kernel.name.startswith("x.")
        assert kernel.elements > 0
        assert kernel.repeat >= 1
        assert kernel.weights < kernel.elements
        assert (kernel.engine == "matrix") == (kernel.shape is not None)
        if kernel.shape is not None:
            count, m, n, k = kernel.shape
            assert kernel.flops == 2 * count * m * n * k


@given(rows=SIZE, inputs=SIZE, outputs=SIZE)
@settings(deadline=None, max_examples=20)
def test_backward_of_a_product_is_twice_its_forward(rows, inputs, outputs):
    op = Linear("x", rows, inputs, outputs)
    assert matrix_flops(op.backward()) == 2 * matrix_flops(op.forward())
    first = Linear("x", rows, inputs, outputs, input_gradient=False)
    assert matrix_flops(first.backward()) == matrix_flops(first.forward())


@given(rows=SIZE, heads=st.integers(1, 5), rank=st.integers(1, 9))
@settings(deadline=None, max_examples=20)
def test_a_latent_projection_is_three_products_and_two_norms(rows, heads, rank):
    op = LatentProjection("x", rows, 16, heads, 6, 2, query_rank=rank, kv_rank=4)
    weights = [16 * (rank + 4 + 2), rank * heads * 8, 4 * heads * 12]
    assert op.parameters == sum(weights) + rank + 4
    assert matrix_flops(op.forward()) == 2 * rows * sum(weights)
    assert matrix_flops(op.backward()) == 2 * matrix_flops(op.forward())
    assert op.outputs == heads * (8 + 12)


def test_narrow_values_cost_what_their_products_take():
    sizes = {"batch": 2, "heads": 3, "kv_heads": 3, "sequence": 8, "head_dim": 6}
    for fused, backward in ((True, 3 * 6 + 2 * 4), (False, 2 * 6 + 2 * 4)):
        op = Attention("x", **sizes, fused=fused, value_dim=4)
        scores = 2 * 3 * 8 * 8
        assert matrix_flops(op.forward()) == 2 * scores * (6 + 4)
        assert matrix_flops(op.backward()) == 2 * scores * backward
        assert op.keys_values == 2 * 3 * 8 * (6 + 4)


def test_products_of_experts_are_one_launch_or_one_for_each():
    grouped = Experts("x", 12, 5, 6, 4, 3)
    looped = replace(grouped, grouped=False)
    for way in ("forward", "backward"):
        pairs = zip(getattr(grouped, way)(), getattr(looped, way)(), strict=True)
        for one, many in pairs:
            if one.shape and one.shape[0] == 4:
                assert (many.repeat, many.shape) == (4, (1, *one.shape[1:]))
                assert many.total_flops == one.total_flops
            else:
                assert many == one


def test_rows_of_other_devices_are_sorted_once_more():
    experts = Experts("x", 12, 5, 6, 4, 3, ep=2)
    plain = replace(experts, sorted=True)
    for way in ("forward", "backward"):
        kernels, fewer = getattr(experts, way)(), getattr(plain, way)()
        more = [kernel for kernel in kernels if kernel not in fewer]
        assert [kernel.elements for kernel in more] == 2 * [2 * experts.routed * 5]
    alone = replace(experts, ep=4)  # one expert a device: its rows are in order
    assert alone.forward() == replace(alone, sorted=True).forward()


def test_a_tied_product_owns_its_bias_alone():
    assert Linear("x", 2, 3, 5, tied=True).parameters == 5
    assert Linear("x", 2, 3, 5, tied=True, bias=False).parameters == 0


def test_embedding_clears_a_gradient_of_the_whole_table():
    clear, scatter = Embedding("x", tokens=4, vocabulary=100, width=8).backward()
    assert clear.elements == 800
    assert scatter.elements == 3 * 4 * 8 + 4


def test_convolution_is_an_implicit_product():
    op = Convolution2d("x", 2, 3, 8, 10, 5, (3, 3), (2, 1), (1, 1))
    (forward,) = op.forward()
    assert op.output == (4, 10)
    assert forward.shape == (1, 2 * 4 * 10, 5, 27)
    assert forward.elements == 2 * 3 * 8 * 10 + 5 * 27 + 2 * 5 * 4 * 10
    assert matrix_flops(op.backward()) == 2 * forward.flops


def test_convolution_refuses_a_kernel_larger_than_its_input():
    with pytest.raises(InputError, match=r"conv: found width 2 under a kernel of 5 .* write 3 or"):
        Convolution2d("conv", 1, 1, 8, 2, 4, (3, 5), padding=(0, 1))


def test_fused_attention_recomputes_the_scores_instead_of_keeping_them():
    sizes = {"batch": 2, "heads": 4, "kv_heads": 2, "sequence": 64, "head_dim": 16}
    fused, eager = Attention("x", **sizes), Attention("x", **sizes, fused=False)
    product = 2 * 2 * 4 * 64 * 64 * 16
    assert matrix_flops(fused.forward()) == matrix_flops(eager.forward()) == 2 * product
    assert matrix_flops(fused.backward()) == 5 * product
    assert matrix_flops(eager.backward()) == 4 * product
    queries, keys = 2 * 4 * 64 * 16, 2 * 2 * 64 * 16
    assert fused.saved == queries + 2 * keys + 2 * 4 * 64
    assert eager.saved == queries + 2 * keys + 2 * 4 * 64 * 64
    assert sum(k.elements for k in fused.forward()) < sum(k.elements for k in eager.forward())


def test_an_eager_causal_mask_is_one_more_pass_each_way():
    causal = Attention("x", 1, 1, 1, 8, 4, causal=True, fused=False)
    open_ = Attention("x", 1, 1, 1, 8, 4, causal=False, fused=False)
    assert len(causal.forward()) == len(open_.forward()) + 1
    assert len(causal.backward()) == len(open_.backward()) + 1


def test_eager_attention_keeps_what_dropout_left_and_a_mask():
    sizes = {"batch": 2, "heads": 4, "kv_heads": 4, "sequence": 8, "head_dim": 3, "fused": False}
    plain, dropped = Attention("x", **sizes), Attention("x", **sizes, dropout=True)
    scores = 2 * 4 * 8 * 8
    assert (plain.recomputable, plain.masks) == (scores, 0)
    assert (dropped.recomputable, dropped.masks) == (2 * scores, scores)
    assert plain.saved - plain.recomputable == dropped.saved - dropped.recomputable
    assert len(dropped.forward()) == len(plain.forward()) + 1


def test_the_core_that_selective_recomputation_drops_is_attention():
    found = {name for name, make in OF_BATCH.items() if make(2).core}
    assert found == {name for name in OF_BATCH if "attention" in name or "values" in name}


@given(tokens=SIZE, experts=SIZE, load=st.floats(1, 4))
@settings(deadline=None, max_examples=20)
def test_the_busiest_expert_sets_the_rows(tokens, experts, load):
    one = Experts("x", tokens, 4, 8, experts, 1)
    busy = replace(one, imbalance=load)
    assert one.rows * experts >= tokens > (one.rows - 1) * experts
    assert load * tokens / experts <= busy.rows < load * tokens / experts + 1
    assert replace(one, experts=4 * experts, ep=4).rows == one.rows


def test_a_sum_keeps_nothing():
    assert Pointwise("x", 10, inputs=2, kept=0).saved == 0
    assert Pointwise("x", 10, inputs=2).saved == 20


def test_ctc_is_sequential_over_frames_both_ways():
    op = CTC("x", batch=2, frames=30, labels=5, classes=29)
    chains = [k for k in (*op.forward(), *op.backward()) if k.sequential]
    assert [k.repeat for k in chains] == [30, 30]
    assert all(k.elements == 3 * 2 * 11 for k in chains)


def test_batch_statistics_cost_a_pass_over_the_input_each_way():
    rows, channels = 1000, 16
    batch, layer = BatchNormalization("x", rows, channels), Normalization("x", rows, channels)
    size, own = rows * channels, batch.parameters
    assert batch.parameters == layer.parameters
    assert batch.forward()[0].elements - own == 3 * size
    assert batch.backward()[0].elements - 2 * own == 5 * size


def test_a_sum_that_is_part_of_a_normalization_is_read_once_and_leaves_a_mask():
    plain, joined = (BatchNormalization("x", 100, 4, True, added) for added in (0, 1))
    assert joined.forward()[0].elements - plain.forward()[0].elements == 400
    assert (plain.masks, joined.masks) == (0, 400)
    assert joined.saved == plain.saved
