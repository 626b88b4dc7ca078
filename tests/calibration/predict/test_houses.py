"""Which software is behind a row, and its habits."""

import json

import pytest

from calibration.predict.houses import HOUSES, OTHER, SOURCES, house_of, software_of
from hwsim.errors import InputError


@pytest.mark.parametrize(
    ("source", "note", "software"),
    [
        ("narayanan2021", "", "megatron-2021"),
        ("megatron-readme-2020", "", "megatron-2021"),
        ("megatron-core-r0.8", "", "megatron-core-2024"),
        ("simumax-b200", "", "megatron-core-2024"),
        ("nemo-24.07", "", "nemo-2024"),
        ("nemo-25.02", "", "megatron-bridge-2025"),
        ("megatron-bridge", "llama3-8b; release 25.11", "megatron-bridge-2025"),
        ("megatron-bridge", "llama3-8b; release 26.02.01", "megatron-bridge-2026"),
        ("megatron-bridge", "", "megatron-bridge-2025"),
        ("mlperf", "gpt3; v3.0 nvidia", "nemo-2024"),
        ("mlperf", "gpt3; v4.1 oracle", "nemo-2024"),
        ("mlperf", "llama31_405b; v5.0 nvidia", "megatron-bridge-2025"),
        ("mlperf", "llama31_8b; v6.0 nvidia", "megatron-bridge-2026"),
        ("torchtitan", "llama3.1-8b; no compile", "fsdp2-2024"),
        ("torchtitan", "llama3.1-8b; torch.compile", "fsdp2-2024-compile"),
        ("somewhere", "release 25.11", None),
    ],
)
def test_software_is_that_of_the_source_and_its_release(source, note, software):
    assert software_of(source, note) == software


def test_stated_software_wins():
    assert software_of("mlperf", "v5.0", "megatron-2021") == "megatron-2021"


def test_every_source_has_software_with_habits():
    assert set(SOURCES.values()) <= set(HOUSES)
    assert house_of(None) == OTHER


def test_one_s_own_software_has_the_habits_of_its_kin(tmp_path):
    own = {"name": "ours", "attention": "fused", "accumulate": 0, "gradients": 2}
    stranger, child = tmp_path / "stranger.json", tmp_path / "child.json"
    stranger.write_text(json.dumps(own))
    child.write_text(json.dumps(own | {"after": "nemo-2024"}))
    assert house_of(str(stranger)) == OTHER
    assert house_of(str(child)) == house_of("nemo-2024.json") == HOUSES["nemo-2024"]
    with pytest.raises(InputError, match="of my own"):
        house_of("of my own")
