"""Published parameter counts, saved activations, and relations between sizes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.errors import InputError
from workloads.transformer import Transformer

LLAMA = {
    "gated": True,
    "norm": "rmsnorm",
    "bias": False,
    "positions": "rotary",
    "tied": False,
}


@pytest.mark.parametrize(
    ("sizes", "parameters"),
    [
        # GPT-2 small and XL as in the checkpoints of Radford et al. 2019.
        ({}, 124_439_808),
        ({"layers": 48, "hidden": 1600, "heads": 25}, 1_557_611_200),
        # LLaMA-7B (Touvron et al. 2023) and Llama-3-8B (grouped heads).
        (
            {"layers": 32, "hidden": 4096, "heads": 32, "ffn": 11008, "vocabulary": 32000, **LLAMA},
            6_738_415_616,
        ),
        (
            {
                "layers": 32,
                "hidden": 4096,
                "heads": 32,
                "kv_heads": 8,
                "ffn": 14336,
                "vocabulary": 128_256,
                **LLAMA,
            },
            8_030_261_248,
        ),
    ],
)
def test_parameters_of_published_models(sizes, parameters):
    assert Transformer(**sizes).graph(1).parameters == parameters


@given(heads=st.integers(1, 8), head_dim=st.integers(1, 64), sequence=st.integers(1, 256))
@settings(deadline=None, max_examples=20)
def test_saved_activations_of_a_block(heads, head_dim, sequence):
    # Korthikanti et al. 2022: 34 s b h + 5 a s^2 b bytes at 16 bits with dropout; its masks and
    # dropped scores taken off, 16 s b h + a s^2 b elements remain (GELU, four times as wide).
    hidden, batch = heads * head_dim, 3
    workload = Transformer(hidden=hidden, heads=heads, sequence=sequence, attention="eager")
    block = workload.graph(batch).layers[1]
    expected = batch * sequence * (16 * hidden + heads * sequence)
    assert block.saved == workload.layers * expected


def test_fused_attention_saves_memory_and_recomputes():
    fused, eager = Transformer().graph(1), Transformer(attention="eager").graph(1)
    assert fused.saved_elements < eager.saved_elements
    assert fused.forward_flops == eager.forward_flops
    assert fused.backward_flops > eager.backward_flops


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"heads": 11}, r"workload\.heads: found 11, .* divide hidden = 768; write 12"),
        ({"heads": 900}, r"workload\.heads: found 900, .*; write 768"),
        ({"kv_heads": 5}, r"workload\.kv_heads: found 5, .* divide heads = 12; write 4"),
        ({"heads": 256, "positions": "rotary"}, r"workload\.positions: .* 3 units per head"),
        ({"heads": 2**40}, r"workload\.heads: .*write at most 65536"),
    ],
)
def test_sizes_that_do_not_go_together(sizes, message):
    with pytest.raises(InputError, match=message):
        Transformer(**sizes)
