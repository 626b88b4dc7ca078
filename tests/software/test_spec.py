"""The record: frozen, and its facts one by one."""

import pytest
from pydantic import ValidationError

from hwsim.software.spec import Software, facts

MINE = Software(
    name="mine",
    attention="eager",
    accumulate=6,
    gradients=2,
    plan={"zero": 1, "overlap": False},
    sources={"plan.zero": "measured", "accumulate": "read"},
)


def test_a_profile_is_frozen():
    with pytest.raises(ValidationError):
        MINE.accumulate = 0


def test_facts_are_texts_with_sources():
    found = {path: (text, source) for path, text, source in facts(MINE)}
    assert found["attention"] == ("eager", "")
    assert found["fused"] == ("nothing", "")
    assert found["accumulate"] == ("6", "read")
    assert found["plan.zero"] == ("1", "measured")
    assert found["plan.overlap"] == ("false", "")
    assert "name" not in found
