"""Activations kept for the backward pass, against the tensors that torch's autograd keeps."""

import pytest
import torch

from calibration.modules import charlm, transformer
from workloads.charlm import CharLM
from workloads.transformer import Transformer

SIZES = {"layers": 3, "hidden": 64, "heads": 4, "vocabulary": 500, "sequence": 128}


def kept(model, example):
    """Bytes of the storages that the forward pass saves, parameters left aside."""
    parameters = {p.untyped_storage().data_ptr() for p in model.parameters()}
    alive, sizes = [], {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            alive.append(storage)  # so that no later one takes its address
            sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(*example)
    return sum(sizes.values())


@pytest.mark.parametrize(
    ("module", "workload"),
    [
        (transformer, Transformer(**SIZES)),
        (transformer, Transformer(**SIZES, attention="eager")),
        (charlm, CharLM(hidden=64, depth=3, sequence=20)),
    ],
    ids=["fused", "eager", "charlm"],
)
def test_autograd_keeps_as_much(module, workload):
    found = kept(module.build(workload), module.example(workload, 4))
    assert workload.graph(4).saved_bytes == pytest.approx(found, rel=0.02)
