"""What a software profile launches for the operators of a layer."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.graph.ops import Attention, Dropout, Linear, Normalization, Pointwise
from hwsim.graph.ops.kernel import matrix_flops, vector_flops
from hwsim.parallel.launched import launched
from hwsim.software import catalog
from workloads.transformer import Transformer

PLAIN = catalog.load("fsdp-2023")
ALIKE = PLAIN.model_copy(update={"fused": ()})
SOFTMAX = PLAIN.model_copy(update={"fused": ("softmax",), "longest_softmax": 64})
CHAINS = PLAIN.model_copy(update={"fused": ("chains",)})


def core(batch=1, heads=4, sequence=32, **how):
    how = {"fused": False, "dropout": True} | how
    return Attention("core", batch, heads, heads, sequence=sequence, head_dim=8, **how)


def ways(ops, software):
    """Kernels of both ways of all operators."""
    return [kernel for both in launched(ops, software) for way in both for kernel in way]


def of_graph(ops):
    return [kernel for op in ops for kernel in (*op.forward(), *op.backward())]


def names(kernels):
    return [kernel.name for kernel in kernels]


def issued(kernels):
    return sum(kernel.launches for kernel in kernels)


def moved(kernels):
    return sum(kernel.elements * kernel.repeat for kernel in kernels)


def layers(**how):
    return Transformer(layers=2, hidden=64, heads=4, sequence=16, vocabulary=96, **how).graph(2)


@pytest.mark.parametrize("op", [core(), core(dropout=False), core(fused=True)])
def test_without_a_profile_kernels_are_those_of_the_graph(op):
    assert ways([op], None) == of_graph([op])


@pytest.mark.parametrize("batch", [1, 2, 3])
@pytest.mark.parametrize("heads", [1, 2, 4, 6])
@pytest.mark.parametrize("sequence", [32, 64, 65])
def test_the_fused_softmax_takes_four_rows_at_a_time_of_so_many_positions(batch, heads, sequence):
    op = core(batch, heads, sequence)
    found = ways([op], SOFTMAX)
    fits = batch * heads % 4 == 0 and sequence <= 64
    assert fits == (not [name for name in names(found) if ".mask." in name])
    assert fits == (issued(found) < issued(of_graph([op])))
    assert fits == (moved(found) < moved(of_graph([op])))


def test_the_fused_softmax_leaves_products_and_dropout():
    op = core()
    found = ways([op], SOFTMAX)
    assert matrix_flops(found) == matrix_flops(of_graph([op]))
    assert [name for name in names(found) if "dropout" in name] == [
        "core.dropout.forward",
        "core.dropout.backward",
    ]


def test_a_softmax_of_many_kernels_casts_and_is_in_single_precision():
    op = core()
    fused, alone = ways([op], SOFTMAX), ways([op], ALIKE)
    assert moved(alone) > moved(of_graph([op])) > moved(fused)
    assert issued(alone) > issued(of_graph([op])) > issued(fused)
    assert matrix_flops(alone) == matrix_flops(fused)
    before = {kernel.name: kernel.elements for kernel in of_graph([op])}
    after = {kernel.name: kernel.elements for kernel in alone}
    for way in ("forward", "backward"):
        assert after[f"core.softmax.{way}"] == 2 * before[f"core.softmax.{way}"]
        added = {name for name in after if name.endswith(way)} - before.keys()
        assert all(after[name] >= 3 * op.scores for name in added)
        assert added


def test_fused_attention_has_no_softmax_of_its_own():
    op = core(fused=True)
    assert ways([op], ALIKE) == ways([op], SOFTMAX) == of_graph([op])


def test_an_elementwise_kernel_is_done_in_the_launch_of_the_one_before():
    ops = [Normalization("norm", 10, 8), Pointwise("gelu", 80), Linear("fc", 10, 8, 8)]
    found = ways(ops, CHAINS)
    assert {kernel.name for kernel in found if kernel.joined} == {"gelu.forward", "gelu.backward"}
    assert issued(found) == issued(of_graph(ops)) - 2
    # The norm's result is neither written nor read.
    assert moved(found) == moved(of_graph(ops)) - 2 * 2 * 80


def test_the_sum_of_a_branch_is_written():
    ops = [Pointwise("add", 80, inputs=2, kept=0), Normalization("norm", 10, 8)]
    assert moved(ways(ops, CHAINS)) == moved(of_graph(ops)) - 2 * 80


def test_a_product_ends_a_chain():
    ops = [Pointwise("gelu", 80), Linear("fc", 10, 8, 8), Dropout("dropout", 80)]
    assert ways(ops, CHAINS) == of_graph(ops)


elementwise = st.one_of(
    st.builds(Normalization, st.just("norm"), st.integers(1, 9), st.integers(1, 9)),
    st.builds(Dropout, st.just("dropout"), st.integers(1, 99)),
    st.builds(
        Pointwise,
        st.just("pointwise"),
        st.integers(1, 99),
        inputs=st.integers(1, 3),
        outputs=st.integers(1, 2),
    ),
    st.builds(Linear, st.just("fc"), *[st.integers(1, 9)] * 3),
)


@given(st.lists(elementwise, max_size=8))
@settings(deadline=None, max_examples=60)
def test_chains_are_fewer_launches_of_fewer_bytes_and_the_same_work(ops):
    before, after = of_graph(ops), ways(ops, CHAINS)
    assert names(after) == names(before)
    assert matrix_flops(after) == matrix_flops(before)
    assert vector_flops(after) == vector_flops(before)
    assert issued(after) <= issued(before)
    assert all(kernel.elements >= 0 for kernel in after)
    for one, other in zip(before, after, strict=True):
        assert other.elements <= one.elements
        assert (other == one) == (not other.joined)


@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize("attention", ["fused", "eager"])
def test_chains_of_whole_layers_are_shorter(attention, dropout):
    for layer in layers(attention=attention, dropout=dropout, gated=True).layers[1:-1]:
        before, after = ways(layer.ops, ALIKE), ways(layer.ops, CHAINS)
        assert issued(after) < issued(before)
        assert moved(after) < moved(before)
        assert vector_flops(after) == vector_flops(before)
