"""Sizes of named models."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration.predict.named import DECODERS, busiest, sizes_of
from workloads.transformer import Transformer

PARAMETERS = {  # the publications' own counts
    "gpt3-175b": 175e9,
    "bloom-176b": 176.2e9,
    "llama-2-7b": 6.74e9,
    "llama-2-13b": 13.0e9,
    "llama-2-70b": 69.0e9,
    "llama-3-8b": 8.03e9,
    "llama-3-70b": 70.6e9,
    "llama-3-405b": 405.9e9,
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_sizes_reproduce_the_parameters(name):
    sizes = dict(DECODERS[name])
    gated = bool(sizes["gated_mlp"])
    model = Transformer(
        **{field: sizes[field] for field in ("layers", "hidden", "heads", "kv_heads", "ffn")},
        **{"gated": gated, "bias": not gated, "tied": not gated},
        **{"norm": "rmsnorm" if gated else "layernorm"},
        **{"positions": "rotary" if gated else "learned"},
        vocabulary=sizes["vocab"],
        sequence=sizes["seq"],
    )
    assert model.graph(1).parameters == pytest.approx(PARAMETERS[name], rel=0.01)


def test_names_of_llama_are_read_alike():
    assert sizes_of("llama3.1-8b") == sizes_of("llama-3-8b") == sizes_of("llama-3.1-8b")
    assert sizes_of("llama2-70b-lora") == sizes_of("llama-2-70b")
    assert sizes_of("resnet50") is None


@given(share=st.integers(1, 512), replicas=st.integers(1, 10_000))
@settings(deadline=None, max_examples=30)
def test_the_busiest_device_has_at_least_the_mean(share, replicas):
    assert 256 <= busiest(share, replicas) <= 512
    assert busiest(share, replicas) >= busiest(share + 1, replicas)
    assert busiest(share, replicas) <= busiest(share, replicas + 1)
