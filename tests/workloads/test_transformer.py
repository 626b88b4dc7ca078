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


def test_parameters_of_published_mixtures():
    # Mixtral 8x7B (Jiang et al. 2024), 46.7 billion, of which a token passes 12.9 billion; and
    # Qwen3-30B-A3B, whose 12,288 gains of the queries' and keys' norms are left out here.
    mixtral = {"layers": 32, "hidden": 4096, "heads": 32, "kv_heads": 8, "ffn": 14336, **LLAMA}
    graph = Transformer(**mixtral, vocabulary=32000, experts=8, topk=2).graph(1)
    assert graph.parameters == 46_702_792_704
    expert = 3 * 4096 * 14336
    assert graph.layers[1].expert_parameters == 32 * 8 * expert
    assert graph.parameters - 32 * 6 * expert == 12_879_925_248
    qwen = {"layers": 48, "hidden": 2048, "heads": 32, "kv_heads": 4, "head_dim": 128, **LLAMA}
    graph = Transformer(**qwen, vocabulary=151_936, experts=128, topk=8, moe_ffn=768).graph(1)
    assert graph.parameters + 12_288 == 30_532_122_624


MODERN = {**LLAMA, "sequence": 4096}
DEEPSEEK = {
    "layers": 61,
    "hidden": 7168,
    "heads": 128,
    "head_dim": 128,
    "query_rank": 1536,
    "kv_rank": 512,
    "rotary_dim": 64,
    "ffn": 18432,
    "vocabulary": 129_280,
    "experts": 256,
    "topk": 8,
    "moe_ffn": 2048,
    "shared_experts": 1,
    "dense_layers": 3,
    **MODERN,
}


def test_parameters_of_mixtures_with_latent_attention_or_many_experts():
    # DeepSeek-V3 (arXiv 2412.19437): 671 billion without its prediction of a second token, 37
    # billion for a token; the 256 corrections of each router's scores are not in the graph.
    graph = Transformer(**DEEPSEEK).graph(1)
    assert graph.parameters + 58 * 256 == 671_026_419_200
    assert graph.parameters - 58 * 248 * 3 * 7168 * 2048 == pytest.approx(37e9, rel=0.02)
    # Qwen3-235B-A22B without the gains of queries' and keys' norms.
    qwen = {"layers": 94, "hidden": 4096, "heads": 64, "kv_heads": 4, "head_dim": 128, **MODERN}
    graph = Transformer(**qwen, vocabulary=151_936, experts=128, topk=8, moe_ffn=1536).graph(1)
    assert graph.parameters + 94 * 2 * 128 == 235_093_634_560
    # gpt-oss-120b (arXiv 2508.10925): 116.83 billion; sinks and biases of routers are left out.
    oss = {"layers": 36, "hidden": 2880, "heads": 64, "kv_heads": 8, "head_dim": 64, **MODERN}
    oss |= {"bias": True, "vocabulary": 201_088, "experts": 128, "topk": 4, "moe_ffn": 2880}
    assert Transformer(**oss).graph(1).parameters == pytest.approx(116.83e9, rel=1e-4)


def test_latent_attention_has_wider_keys_than_values():
    core = next(op for op in Transformer(**DEEPSEEK).graph(1).layers[1].ops if op.core)
    assert (core.head_dim, core.value_width, core.kv_heads) == (192, 128, 128)


def test_dense_layers_come_before_those_of_experts():
    workload = Transformer(layers=5, experts=4, dense_layers=2, moe_ffn=96, shared_experts=2)
    _, dense, experts, _ = workload.graph(1).layers
    assert [(layer.name, layer.repeat) for layer in (dense, experts)] == [
        ("block", 2),
        ("experts", 3),
    ]
    assert dense.expert_parameters == 0
    assert dense.ops[:4] == experts.ops[:4]


@given(heads=st.integers(1, 8), head_dim=st.integers(1, 64), sequence=st.integers(1, 256))
@settings(deadline=None, max_examples=20)
def test_bytes_of_a_block_with_dropout(heads, head_dim, sequence):
    # Korthikanti et al. 2022: 34 s b h + 5 a s^2 b bytes at 16 bits.
    hidden, batch = heads * head_dim, 3
    sizes = {"hidden": hidden, "heads": heads, "sequence": sequence, "dropout": True}
    for dtype in ("fp16", "bf16"):
        workload = Transformer(**sizes, attention="eager", dtype=dtype)
        block = workload.graph(batch).layers[1]
        expected = batch * sequence * (34 * hidden + 5 * heads * sequence)
        assert block.saved_bytes(dtype) == workload.layers * expected


def test_fused_attention_keeps_no_mask_of_dropout():
    on, off = (Transformer(dropout=dropout).graph(1) for dropout in (True, False))
    assert on.saved_elements == off.saved_elements
    masks = 1024 * 768 * (1 + 2 * 12)
    assert sum(layer.masks for layer in on.layers) == masks
    assert on.saved_bytes == off.saved_bytes + masks
    assert on.matrix_flops == off.matrix_flops


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
        ({"shared_experts": 1}, r"workload\.shared_experts: found 1 without experts; write work"),
        ({"experts": 4, "topk": 5}, r"workload\.topk: found 5 of 4 experts; write at most 4"),
        (
            {"experts": 4, "dense_layers": 12},
            r"workload\.dense_layers: found 12 of 12 layers; write at most 11",
        ),
        ({"kv_rank": 8}, r"workload\.query_rank: found nothing, but kv_rank; write all of"),
        (
            {"query_rank": 8, "kv_rank": 8, "rotary_dim": 4},
            r"workload\.positions: found learned with rotary_dim; write 'rotary'",
        ),
        (
            {"query_rank": 8, "kv_rank": 8, "rotary_dim": 3, "positions": "rotary"},
            r"workload\.positions: found rotary positions with 3 units per head",
        ),
        (
            {"query_rank": 8, "kv_rank": 8, "rotary_dim": 4, "kv_heads": 6, "positions": "rotary"},
            r"workload\.kv_heads: found 6 of 12 heads with latent attention; write 12",
        ),
        ({"experts": 4, "imbalance": 0.5}, r"workload\.imbalance: .*"),
    ],
)
def test_sizes_that_do_not_go_together(sizes, message):
    with pytest.raises(InputError, match=message):
        Transformer(**sizes)


def test_without_positions_there_is_no_table():
    plain, bare = (Transformer(layers=2, positions=which) for which in ("learned", "none"))
    assert plain.graph().parameters - bare.graph().parameters == 1024 * 768
    assert [op.name for op in bare.graph().layers[0].ops] == ["embedding"]
