"""BERT's sizes."""

from __future__ import annotations

import pytest

from hwsim.errors import InputError
from hwsim.graph.ops import Attention, Linear
from workloads.bert import Bert


def test_bert_large_and_base_have_their_published_parameters():
    # BertForPreTraining of github.com/huggingface/transformers at both sizes.
    assert Bert().graph().parameters == 336_226_108
    base = Bert(layers=12, hidden=768, heads=12)
    assert base.graph().parameters == 110_106_428


def test_padding_that_is_left_out_is_not_computed():
    whole, half = (Bert(predictions=32, length=length).graph(8) for length in (512, 256))
    assert half.parameters == whole.parameters
    assert half.matrix_flops < whole.matrix_flops / 2
    assert half.tokens == 8 * 256


def test_masked_positions_alone_go_through_the_output():
    head = next(op for layer in Bert().graph(4).layers for op in layer.ops if op.name == "head")
    assert isinstance(head, Linear)
    assert (head.rows, head.tied, head.bias) == (4 * 76, True, True)


def test_attention_looks_both_ways():
    ops = [op for layer in Bert().graph(1).layers for op in layer.ops]
    assert [op.causal for op in ops if isinstance(op, Attention)] == [False]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"heads": 10}, r"workload\.heads: found 10, which does not divide hidden = 1024"),
        ({"length": 513}, r"workload\.length: found 513 of 512 positions; write at most 512"),
        ({"length": 50}, r"workload\.predictions: found 76 of 50 positions; write at most 50"),
    ],
)
def test_sizes_agree(fields, told):
    with pytest.raises(InputError, match=told):
        Bert(**fields)
