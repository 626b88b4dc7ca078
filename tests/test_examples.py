"""Examples print what is checked in beside them."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@pytest.mark.parametrize("script", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_prints_what_is_checked_in(script):
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=True, cwd=EXAMPLES
    )
    assert done.stdout == script.with_suffix(".txt").read_text()
