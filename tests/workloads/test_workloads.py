"""What holds of every workload."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.graph.workload import Workload
from workloads.bert import Bert
from workloads.charlm import CharLM, CharLMSmall
from workloads.resnet import ResNet
from workloads.speech import Speech
from workloads.transformer import Transformer
from workloads.wordlm import WordLM

KINDS: list[type[Workload]] = [CharLM, CharLMSmall, WordLM, Speech, Transformer, Bert, ResNet]
every_kind = pytest.mark.parametrize("kind", KINDS)


@every_kind
@given(batch=st.integers(1, 300))
@settings(deadline=None, max_examples=5)
def test_flops_are_linear_in_the_batch(kind, batch):
    workload = kind()
    assert workload.graph(batch).matrix_flops == batch * workload.graph(1).matrix_flops
    assert workload.graph(batch).parameters == workload.graph(1).parameters


@every_kind
def test_tokens_and_layers(kind):
    workload = kind()
    graph = workload.graph()
    assert graph.tokens == workload.batch * workload.items_per_sample
    assert graph.parameters == sum(layer.parameters for layer in graph.layers)
    assert all(layer.output > 0 for layer in graph.layers[:-1])
    assert graph.layers[-1].output == 0


@every_kind
def test_kernel_names_tell_operators_of_a_layer_apart(kind):
    for layer in kind().graph(2).layers:
        names = [k.name for op in layer.ops for k in (*op.forward(), *op.backward())]
        assert len(set(names)) == len(names)


@every_kind
def test_a_setting_leaves_out_what_a_law_varies(kind):
    setting = kind().setting()
    assert {"batch", "dtype", "optimizer", "learning_rate", "corpus"} < set(setting)
    assert not {"hidden", "dataset"} & set(setting)
    assert kind(hidden=96, dataset=5).setting() == setting
    assert kind(learning_rate=0.5).setting() != setting


@every_kind
@given(width=st.integers(1, 10))
@settings(deadline=None, max_examples=5)
def test_wider_models_are_larger(kind, width):
    smaller, larger = (kind(hidden=48 * n).graph(2) for n in (width, width + 1))
    assert smaller.parameters < larger.parameters
    assert smaller.matrix_flops < larger.matrix_flops
    assert smaller.saved_elements < larger.saved_elements
