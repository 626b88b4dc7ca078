"""Console blocks of the documentation print what stands there."""

import re
import shlex
from pathlib import Path

import pytest

from hwsim.cli.main import run

DOCS = Path(__file__).resolve().parents[1] / "docs"
BLOCK = re.compile(r"```console\n\$ hwsim (.*?)\n(.*?)```", re.DOTALL)
BLOCKS = [
    pytest.param(*found, id=f"{path.stem}-{number}")
    for path in sorted(DOCS.glob("*.md"))
    for number, found in enumerate(BLOCK.findall(path.read_text(encoding="utf-8")))
]


@pytest.mark.parametrize(("words", "shown"), BLOCKS)
def test_a_console_block_prints_what_stands_there(words, shown, capsys):
    run(shlex.split(words))
    printed = [line.rstrip() for text in capsys.readouterr() for line in text.splitlines()]
    for part in re.split(r"^\.\.\.$", shown, flags=re.MULTILINE):
        lines = part.strip("\n").splitlines()
        starts = [n for n in range(len(printed) + 1) if printed[n : n + len(lines)] == lines]
        assert starts, part
        printed = printed[starts[0] + len(lines) :]
