"""A sequence cut along time: its chunks together are the whole."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.errors import InputError
from hwsim.graph.ops import vector_flops
from hwsim.graph.step import StepGraph
from workloads.charlm import CharLM
from workloads.speech import Speech
from workloads.transformer import Transformer
from workloads.wordlm import WordLM

every_kind = pytest.mark.parametrize("kind", [CharLM, WordLM])


def together(graphs: list[StepGraph]) -> tuple[float, ...]:
    """What the graphs compute and keep."""
    return (
        sum(graph.forward_flops for graph in graphs),
        sum(graph.backward_flops for graph in graphs),
        sum(vector_flops(graph.forward()) for graph in graphs),
        sum(graph.saved_elements for graph in graphs),
        sum(graph.tokens for graph in graphs),
    )


@every_kind
@given(chunks=st.integers(1, 12), steps=st.integers(1, 5), batch=st.integers(1, 4))
@settings(deadline=None, max_examples=30)
def test_chunks_together_are_the_whole(kind, chunks, steps, batch):
    workload = kind(sequence=chunks * steps, hidden=8)
    graphs = [workload.time_chunk(chunks, batch, number) for number in range(chunks)]
    assert together(graphs) == together([workload.graph(batch)])
    assert {graph.parameters for graph in graphs} == {workload.graph().parameters}


@every_kind
def test_one_chunk_is_the_step_itself(kind):
    assert kind().time_chunk(1) == kind().graph()
    assert kind(sequence=1).time_chunk(1) == kind(sequence=1).graph()


def test_a_single_step_of_a_deep_recurrence_can_be_cut_inside():
    graph = CharLM(depth=4, sequence=6).time_chunk(6)
    assert graph.ring
    layers = [(layer.name, layer.repeat) for layer in graph.layers[1:-1]]
    assert layers == [("micro-layer.first", 1), ("micro-layer", 3)]
    assert all(layer.output == graph.batch * 2004 for layer in graph.layers[:-1])
    assert not CharLM(sequence=6).time_chunk(3).ring
    assert not WordLM(sequence=6).time_chunk(6).ring


@pytest.mark.parametrize(
    ("chunks", "instead"), [(7, "write 5 or 8"), (81, "write 80"), (41, "write 40 or 80")]
)
def test_the_nearest_divisors_are_named(chunks, instead):
    with pytest.raises(InputError, match="sequence of 80 words") as error:
        WordLM().time_chunk(chunks)
    assert (error.value.where, error.value.instead) == ("plan.time_chunks", instead)


@pytest.mark.parametrize("kind", [Speech, Transformer])
def test_what_needs_the_whole_sequence_is_not_cut(kind):
    with pytest.raises(InputError, match=f"{kind.name} can't be cut along time: ") as error:
        kind().time_chunk(2)
    assert error.value.where == "plan.time_chunks"
