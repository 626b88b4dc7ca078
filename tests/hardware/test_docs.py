"""The worked examples of docs/hardware.md are right files."""

import re
from pathlib import Path

import pytest

from hwsim.hardware import catalog

PAGE = Path(__file__).resolve().parents[2] / "docs" / "hardware.md"
EXAMPLES = re.findall(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_is_a_right_file(text):
    assert catalog.check(text, "example") == []


def test_the_example_from_parts_has_the_peaks_that_the_page_states():
    device = catalog.parse(EXAMPLES[1], "example")
    assert device.vector.fp32 == pytest.approx(66.9e12, rel=1e-3)
    assert device.matrix.bf16 == pytest.approx(989e12, rel=1e-3)
