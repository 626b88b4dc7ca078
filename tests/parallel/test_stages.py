"""Layers to pipeline stages: the largest stage as small as can be."""

from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.errors import InputError
from hwsim.parallel.stages import check, numbers, partition, units
from workloads.speech import Speech
from workloads.transformer import Transformer

costs = st.lists(st.sampled_from([0.0, 0.1, 0.3, 1.0, 1.0, 2.5, 7.0]), min_size=1, max_size=9)


def every(number, parts):
    """Every partition of `number` units into `parts` ranges."""
    for cuts in combinations(range(1, number), parts - 1):
        yield list(pairwise((0, *cuts, number)))


def largest(values, ranges):
    return max(sum(values[first:end]) for first, end in ranges)


def unevenness(ranges):
    return sum((end - first) ** 2 for first, end in ranges)


@given(costs, st.data())
@settings(deadline=None, max_examples=100)
def test_the_largest_part_is_the_least_and_ties_are_even(values, data):
    parts = data.draw(st.integers(1, len(values)))
    found = partition(values, parts)
    least = min(largest(values, ranges) for ranges in every(len(values), parts))
    assert largest(values, found) == pytest.approx(least, rel=1e-8)
    ties = [r for r in every(len(values), parts) if largest(values, r) <= least * (1 + 1e-9)]
    assert found in ties
    assert unevenness(found) == min(map(unevenness, ties))


unequal = st.lists(st.floats(0.0, 9.0).map(lambda cost: round(cost, 3)), max_size=2)


@given(unequal, st.floats(0.01, 3.0), st.integers(3, 12), unequal, st.data())
@settings(deadline=None, max_examples=100)
def test_equal_costs_between_others_are_cut_as_any_are(before, unit, count, after, data):
    values = [*before, *[unit] * count, *after]
    parts = data.draw(st.integers(2, min(len(values), 5)))
    found = partition(values, parts)
    ways = list(every(len(values), parts))
    least = min(largest(values, ranges) for ranges in ways)
    ties = [r for r in ways if largest(values, r) <= least * (1 + 1e-9)]
    assert found in ties
    assert unevenness(found) == min(map(unevenness, ties))


@pytest.mark.parametrize(("blocks", "stages"), [(24, 4), (96, 8), (128, 64), (105, 35)])
def test_equal_blocks_are_dealt_out_equally(blocks, stages):
    # Embedding and output go with the first and the last blocks, as Megatron-LM has it.
    found = partition([0.03, *([1 / 3] * blocks), 0.2], stages)
    each = blocks // stages
    assert [end - first for first, end in found] == [each + 1, *[each] * (stages - 2), each + 1]


def test_a_heavy_output_takes_blocks_off_its_stage():
    assert partition([0.0, *([1.0] * 9), 3.0], 2) == [(0, 7), (7, 11)]


@pytest.mark.parametrize(
    ("layers", "chunks", "sizes"),
    [
        (12, 4, [4, 3, 3, 4]),  # three of twelve, beside the embedding and the head
        (10, 4, [3, 3, 3, 3]),  # twelve with both
        (82, 12, [7] * 12),
        (126, 64, [2] * 64),
        (10, 3, [4, 4, 4]),
    ],
)
def test_embedding_and_head_count_where_layers_alone_do_not_divide(layers, chunks, sizes):
    counts = numbers(Transformer(layers=layers).graph().layers, chunks)
    assert [end - first for first, end in partition(counts, chunks)] == sizes


def test_layers_that_nothing_divides_differ_by_one():
    counts = numbers(Transformer(layers=80).graph().layers, 9)
    loads = [sum(counts[first:end]) for first, end in partition(counts, 9)]
    assert (max(loads), sum(loads)) == (9, 80)


def test_repeated_layers_are_units_of_their_own():
    model = Transformer(layers=5)
    layers = units(model.graph().layers)
    assert [layer.repeat for layer in layers] == [1] * 7
    assert sum(layer.parameters for layer in layers) == model.graph().parameters


def test_fewer_layers_than_stages_are_refused():
    layers = len(units(Speech().graph().layers))
    check("speech", layers, stages=layers)
    with pytest.raises(InputError, match=f"speech has {layers} layers") as error:
        check("speech", layers, stages=layers + 1)
    assert (error.value.where, error.value.instead) == ("plan.pp", f"write at most {layers}")
    with pytest.raises(InputError, match="at most 2"):
        check("speech", 5, stages=4, virtual=2)
    with pytest.raises(InputError, match="write virtual 5 or less"):
        check("speech", 5, stages=1, virtual=6)
    with pytest.raises(InputError, match="the workload has 2 layers"):
        partition([1.0, 1.0], 3)
