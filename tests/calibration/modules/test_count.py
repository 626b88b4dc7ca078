"""Every graph against its torch twin under FlopCounterMode: equal to the last FLOP."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch

from calibration.modules import twin
from calibration.modules.count import counted, graphed
from calibration.modules.transformer import Experts, FeedForward
from hwsim.errors import InputError
from hwsim.graph.workload import Workload
from workloads.bert import Bert
from workloads.charlm import CharLM, CharLMSmall
from workloads.resnet import ResNet
from workloads.speech import Speech
from workloads.transformer import Transformer
from workloads.wordlm import WordLM

SMALL = {"hidden": 32, "heads": 4, "layers": 2, "sequence": 12, "vocabulary": 50}
MOE = {"experts": 6, "topk": 2, "moe_ffn": 24}
LATENT = {"query_rank": 20, "kv_rank": 12, "head_dim": 6, "rotary_dim": 4, "positions": "rotary"}
GATED = {"gated": True, "ffn": 40, "norm": "rmsnorm", "bias": False}

ENCODER = {"hidden": 32, "heads": 4, "layers": 2, "sequence": 12, "vocabulary": 50}

CASES = {
    "bert": (Bert(), 4),
    "bert small": (Bert(**ENCODER, predictions=3), 3),
    "bert eager": (Bert(**ENCODER, predictions=3, attention="eager", dropout=True), 3),
    "bert without padding": (Bert(**ENCODER, predictions=2, length=7, ffn=40), 2),
    "resnet": (ResNet(), 8),
    "resnet of odd images": (ResNet(hidden=8, image=75, classes=7), 2),
    "resnet-101": (ResNet(depth=101, hidden=8, image=64), 1),
    "resnet-152, fused": (ResNet(depth=152, hidden=8, image=33, fused=True), 1),
    "charlm-small": (CharLMSmall(), 32),
    "charlm of one step": (CharLM(hidden=32, depth=3, sequence=1), 3),
    "charlm of depth 1": (CharLM(hidden=16, depth=1, sequence=7, vocabulary=5), 2),
    "charlm": (CharLM(hidden=2004, sequence=20), 128),
    "wordlm tied": (WordLM(hidden=64, sequence=9, vocabulary=300), 4),
    "wordlm untied": (WordLM(hidden=64, sequence=9, vocabulary=300, tied=False), 4),
    "wordlm of one step": (WordLM(hidden=8, sequence=1, layers=3), 2),
    "wordlm": (WordLM(hidden=2048, sequence=10), 128),
    "speech of one layer": (Speech(hidden=16, layers=1, frames=61, labels=4), 2),
    "speech of three": (Speech(hidden=24, layers=3, frames=60, labels=30), 3),
    "speech of odd bins": (Speech(hidden=8, layers=2, frames=41, labels=7, bins=33), 1),
    "speech": (Speech(frames=100), 16),
    "transformer": (Transformer(), 128),
    "transformer small": (Transformer(**SMALL), 3),
    "transformer untied": (Transformer(**SMALL, tied=False), 3),
    "transformer without mask": (Transformer(**SMALL, causal=False), 3),
    "transformer without bias": (Transformer(**SMALL, bias=False), 3),
    "transformer eager": (Transformer(**SMALL, attention="eager"), 3),
    "transformer eager, no mask": (Transformer(**SMALL, attention="eager", causal=False), 3),
    "transformer gated": (Transformer(**SMALL, **GATED), 2),
    "transformer grouped": (Transformer(**SMALL, kv_heads=2), 2),
    "transformer one key head": (Transformer(**SMALL, kv_heads=1, attention="eager"), 2),
    "transformer rotary": (Transformer(**SMALL, positions="rotary", tied=False), 2),
    "transformer of wide heads": (Transformer(**SMALL, head_dim=16, kv_heads=2), 2),
    "transformer dropout": (Transformer(**SMALL, dropout=True), 3),
    "transformer eager dropout": (Transformer(**SMALL, dropout=True, attention="eager"), 3),
    "transformer experts": (Transformer(**SMALL, **MOE), 3),
    "transformer experts, uneven": (Transformer(**SMALL, experts=5, topk=3), 1),
    "transformer experts, one chosen": (Transformer(**SMALL, experts=4, topk=1), 2),
    "transformer experts beside others": (
        Transformer(**SMALL, **GATED, **MOE, shared_experts=2, dense_layers=1, head_dim=12),
        2,
    ),
    "transformer shared experts": (Transformer(**SMALL, **MOE, shared_experts=1), 2),
    "transformer of latents": (Transformer(**SMALL, **LATENT), 3),
    "transformer of latents, eager": (
        Transformer(**SMALL, **LATENT, attention="eager", causal=False),
        2,
    ),
    "transformer of latents and experts": (
        Transformer(**SMALL, **GATED, **MOE, **LATENT, shared_experts=1, dense_layers=1),
        2,
    ),
    "transformer all at once": (
        Transformer(**SMALL, **GATED, kv_heads=2, positions="rotary", attention="eager"),
        2,
    ),
}

TRAINABLE = [
    Bert(**ENCODER, predictions=3),
    Bert(**ENCODER, predictions=2, length=9, dropout=True),
    ResNet(hidden=8, image=64, classes=5),
    CharLMSmall(hidden=16),
    WordLM(hidden=16, sequence=5, vocabulary=50),
    WordLM(hidden=16, sequence=5, vocabulary=50, tied=False),
    Speech(hidden=8, layers=2, frames=40, labels=5, bins=33),
    Transformer(**SMALL),
    Transformer(**SMALL, **GATED, kv_heads=2, positions="rotary", attention="eager"),
    Transformer(**SMALL, **GATED, kv_heads=2, positions="rotary", attention="fused"),
    Transformer(**SMALL, **MOE, shared_experts=1, dense_layers=1, dropout=True),
    Transformer(**SMALL, **GATED, **MOE, attention="eager", dropout=True),
    Transformer(**SMALL, **GATED, **LATENT),
    Transformer(**SMALL, **LATENT, attention="eager"),
]


@pytest.mark.parametrize(("workload", "batch"), CASES.values(), ids=CASES.keys())
def test_graph_and_twin_agree_exactly(workload, batch):
    assert graphed(workload, batch) == counted(workload, batch)


@pytest.mark.parametrize("attention", ["eager", "fused"])
def test_products_of_attention_backward(attention):
    # The one count that depends on the kernel: fused attention runs five products backward
    # where eager runs four, the fifth being the scores again.
    workload = Transformer(**SMALL, attention=attention)
    batch = 3
    product = 2 * batch * 12 * 12 * 32
    extra = 1 if attention == "fused" else 0
    count = counted(workload, batch)
    assert count.backward == 2 * count.forward + extra * workload.layers * product


@pytest.mark.parametrize("workload", TRAINABLE, ids=lambda w: w.name)
def test_every_parameter_of_a_twin_gets_a_gradient(workload):
    torch.manual_seed(0)
    module = twin(workload)
    model = module.build(workload)
    loss = model(*module.example(workload, 2))
    loss.backward()
    assert loss.shape == ()
    assert torch.isfinite(loss)
    for parameter in model.parameters():
        assert parameter.grad is not None
        assert torch.isfinite(parameter.grad).all()


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
@pytest.mark.parametrize("causal", [True, False])
def test_eager_and_fused_attention_compute_the_same(kv_heads, causal):
    sizes = {**SMALL, "kv_heads": kv_heads, "causal": causal, "positions": "rotary"}
    eager, fused = Transformer(**sizes, attention="eager"), Transformer(**sizes)
    module = twin(eager)
    one, other = module.build(eager), module.build(fused)
    other.load_state_dict(one.state_dict())
    batch = module.example(eager, 2)
    torch.testing.assert_close(one(*batch), other(*batch))


def test_eager_and_fused_attention_compute_the_same_of_latents():
    eager, fused = Transformer(**SMALL, **LATENT, attention="eager"), Transformer(**SMALL, **LATENT)
    module = twin(eager)
    one, other = module.build(eager), module.build(fused)
    other.load_state_dict(one.state_dict())
    batch = module.example(eager, 2)
    torch.testing.assert_close(one(*batch), other(*batch))


def test_equal_experts_that_are_all_chosen_are_one_network():
    torch.manual_seed(0)
    workload = Transformer(**SMALL, **GATED, experts=3, topk=3)
    experts = Experts(workload, "cpu")
    network = FeedForward(workload, workload.ffn_width, "cpu")
    with torch.no_grad():
        experts.up.copy_(network.up.weight.mT)
        experts.down.copy_(network.down.weight.mT)
    x = torch.randn(2, 5, workload.hidden)
    torch.testing.assert_close(experts(x), network(x))


def test_a_causal_twin_does_not_look_ahead():
    torch.manual_seed(0)
    workload = Transformer(**SMALL, attention="eager")
    model = twin(workload).build(workload)
    tokens = torch.randint(50, (1, 12))
    changed = tokens.clone()
    changed[0, -1] = (tokens[0, -1] + 1) % 50
    states = [model.blocks(model.embedding(text)) for text in (tokens, changed)]
    torch.testing.assert_close(states[0][:, :-1], states[1][:, :-1])
    assert not torch.allclose(states[0][:, -1], states[1][:, -1])


def test_a_workload_without_a_twin():
    class Other(CharLM):
        name: ClassVar[str] = "other"

    workload: Workload = Other()
    with pytest.raises(InputError, match="'other' has no torch twin"):
        twin(workload)
