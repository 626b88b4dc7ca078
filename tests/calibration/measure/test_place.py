"""What the local machine is called, and what is refused."""

import os
import platform

import pytest

pytest.importorskip("torch")

import torch

from calibration.measure import place
from calibration.measure.place import LOCAL, NAMES, Place, catalog_name
from hwsim.errors import InputError, SurroundingsError
from hwsim.hardware import catalog


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_known_name_is_a_device_of_its_memory(name):
    memory = catalog.load(NAMES[name]).device.memory.capacity
    assert catalog_name(f"NVIDIA {name.upper()}", 0.98 * memory) == NAMES[name]
    assert catalog_name(name, 0.5 * memory) == LOCAL


@pytest.mark.parametrize(
    ("name", "gib", "known"),
    [
        ("NVIDIA A100-SXM4-40GB", 39.4, "a100-sxm-40gb"),
        ("NVIDIA H100 80GB HBM3", 79.2, "h100-sxm-80gb"),
        ("Tesla V100-SXM2-32GB", 31.7, "v100-sxm2-32gb"),
        ("NVIDIA GeForce RTX 4090", 23.6, "rtx4090"),
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", 4.8, LOCAL),
        ("NVIDIA GeForce RTX 5070", 12.0, LOCAL),
    ],
)
def test_names_as_torch_writes_them(name, gib, known):
    assert catalog_name(name, gib * 2**30) == known


def test_a_machine_is_described_without_its_name():
    said = place.provenance(Place("cpu", threads=2), "hwsim calibrate run x.jsonl")
    assert said.source == LOCAL
    assert f"torch {torch.__version__}" in said.versions
    assert f"{os.cpu_count()} cores" in said.machine
    assert said.note == "2 threads, warm caches; hwsim calibrate run x.jsonl"
    assert platform.node() not in said.model_dump_json()


def test_threads_are_a_condition_and_the_command_is_none():
    one, other, two = (
        place.conditions(place.provenance(Place("cpu", threads=threads), command))
        for threads, command in ((1, "a"), (1, "b"), (2, "a"))
    )
    assert one == other
    assert one != two


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "tpu:0"])
def test_an_unknown_device_is_refused(device):
    with pytest.raises(InputError, match="cuda:N"):
        place.find(device, 1)


def test_a_gpu_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SurroundingsError, match="--device cpu"):
        place.find("cuda", 1)
    assert place.find(None, 1).device == "cpu"


def test_more_threads_than_cores_are_refused():
    with pytest.raises(InputError, match="cores"):
        place.find("cpu", 1 + os.cpu_count())


def test_the_threads_of_the_process_come_back():
    before = torch.get_num_threads()
    with place.settled(Place("cpu", threads=before + 1)):
        assert torch.get_num_threads() == before + 1
        assert (torch.tensor([1e-40]) * 1.0).item() == 0.0
    assert torch.get_num_threads() == before
