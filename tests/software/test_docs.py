"""docs/software.md: its example is a right file, its table says what the profiles say."""

import re
from pathlib import Path

import pytest

from hwsim.parallel import preset
from hwsim.software import catalog

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "software.md").read_text(encoding="utf-8")
ROWS = {
    row[0].strip("`"): row
    for row in ([cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.splitlines())
    if len(row) == 9 and row[0].startswith("`")
}


def test_the_example_is_a_right_file():
    (text,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    found = catalog.parse(text, "example")
    assert preset.defaults(found) == {"zero": 2, "overlap": True}


@pytest.mark.parametrize("name", catalog.names())
def test_the_table_says_what_a_profile_says(name):
    found, row = catalog.load(name), ROWS[name]
    assert row[1].strip("`") == (found.after or "")
    assert row[2] == found.attention
    assert [word for word in ("softmax", "chains", "loss") if word in row[3]] == list(found.fused)
    assert row[4:6] == [str(found.accumulate), str(found.gradients)]
    assert row[6] == ("yes" if found.unfused_quantization else "no")
    assert row[7] == ("yes" if found.captured else "no")
    assert re.findall(r"`(\w+)`", row[8]) == list(found.plan)
