"""Shipped profiles, files, and what is wrong with them in words."""

import json

import pytest

from hwsim.errors import InputError
from hwsim.parallel.plan import Plan
from hwsim.parallel.preset import defaults, plan_under
from hwsim.software import catalog
from hwsim.software.spec import facts


@pytest.mark.parametrize("name", catalog.names())
def test_a_shipped_profile_names_itself_and_a_plan(name):
    found = catalog.load(name)
    assert found.name == name
    assert found.description
    assert plan_under(Plan(), found).model_dump(include=set(found.plan)) == defaults(found)


@pytest.mark.parametrize("name", catalog.names())
def test_every_fact_of_a_shipped_profile_has_a_source(name):
    assert [fact.path for fact in facts(catalog.load(name)) if not fact.source] == []


@pytest.mark.parametrize("name", catalog.names())
def test_a_shipped_file_says_what_its_profile_says(name):
    form = catalog.file_form(catalog.load(name))
    assert catalog.parse(json.dumps(form), name) == catalog.load(name)


def test_lineage_ends_at_a_profile_without_an_ancestor():
    assert catalog.lineage(catalog.load("megatron-bridge-2026")) == (
        "megatron-bridge-2026",
        "megatron-bridge-2025",
        "nemo-2024",
        "megatron-core-2024",
        "megatron-2022",
        "megatron-2021",
    )


def form(**changes):
    return catalog.file_form(catalog.load("fsdp2-2024")) | changes


def test_a_file_wins_over_a_shipped_name(tmp_path, monkeypatch):
    (tmp_path / "fsdp2-2024").write_text(json.dumps(form(description="mine")))
    monkeypatch.chdir(tmp_path)
    assert catalog.load("fsdp2-2024").description == "mine"
    assert catalog.load("fsdp2-2024.json").description != "mine"


@pytest.mark.parametrize(
    ("changes", "fragments"),
    [
        ({"atention": "eager"}, ["atention", "attention"]),
        ({"attention": "flash"}, ["attention", "flash", "'fused'"]),
        ({"gradients": 3}, ["gradients", "3", "2, 4"]),
        ({"accumulate": -1}, ["accumulate", "-1", "at least 0"]),
        ({"accumulate": 1e9}, ["accumulate"]),
        ({"longest_softmax": 0}, ["longest_softmax", "0", "at least 1"]),
        ({"fused": ["chains", "chains"]}, ["fused", "twice"]),
        ({"fused": ["norms"]}, ["fused", "norms"]),
        ({"after": "fsdp-2032"}, ["after", "fsdp-2032", "fsdp-2023"]),
        ({"after": "fsdp2-2024"}, ["after", "itself"]),
        ({"after": "fsdp2-2024-compile"}, ["after", "fsdp2-2024-compile", "itself"]),
        ({"sources": {"speed": "guess"}}, ["sources.speed", "attention"]),
        ({"plan": {"zero": None}}, ["plan.zero"]),
    ],
)
def test_a_fault_names_file_field_and_correction(tmp_path, changes, fragments):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(form(**changes)))
    with pytest.raises(InputError) as error:
        catalog.load(str(path))
    for fragment in ["mine.json", *fragments]:
        assert fragment in str(error.value)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize(
    ("ref", "fragments"),
    [
        ("megatron-2012", ["megatron-2012", "megatron-2021"]),
        ("qqq", ["qqq", "hwsim software list"]),
    ],
)
def test_an_unknown_name_is_corrected(ref, fragments):
    with pytest.raises(InputError) as error:
        catalog.load(ref)
    for fragment in fragments:
        assert fragment in str(error.value)


def test_an_override_changes_a_fact_and_its_source():
    found = catalog.override(
        catalog.load("megatron-2021"),
        {"accumulate": "0", "fused": "softmax, chains", "gradients": "4", "after": "null"},
    )
    assert (found.accumulate, found.fused, found.gradients) == (0, ("softmax", "chains"), 4)
    assert found.after is None
    assert found.sources["accumulate"] == "set by the user"


@pytest.mark.parametrize(
    ("field", "text", "fragments"),
    [
        ("acumulate", "0", ["software.acumulate", "accumulate"]),
        ("accumulate", "some", ["software.accumulate", "whole number"]),
        ("gradients", "8", ["software.gradients", "2, 4"]),
        ("plan.zero", "1", ["software.plan.zero", "--set plan."]),
        ("sources", "x", ["software.sources", "file"]),
        ("after", "nothing", ["software.after", "nothing"]),
    ],
)
def test_an_override_that_is_wrong_is_refused(field, text, fragments):
    with pytest.raises(InputError) as error:
        catalog.override(catalog.load("megatron-2021"), {field: text})
    for fragment in fragments:
        assert fragment in str(error.value)
