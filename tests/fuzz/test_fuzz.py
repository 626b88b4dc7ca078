"""Random bad input at every door: foreseen exit codes, a message, no traceback, little memory.

`python benchmarks/fuzz.py --inputs 10000` does the same at length.
"""

import random
import time

import isolated
import lines
import pytest

SEED = 20
PARTS = 10
EACH = 20


@pytest.fixture(scope="module", autouse=True)
def _imported():
    isolated.prepare()


@pytest.mark.parametrize("part", range(PARTS))
def test_bad_input_is_met_at_the_door(part, tmp_path):
    rng = random.Random(f"{SEED}/{part}")
    wrong = []
    for _ in range(EACH):
        asked = lines.draw(rng, tmp_path)
        found = isolated.run(asked)
        if faults := isolated.faults(asked, found):
            wrong.append((faults, asked.words, found.err[-2000:]))
    assert not wrong


def test_what_is_wrong_is_seen():
    good = lines.Input("word", ("estimate", "--json"), {}, b"")
    end = isolated.Outcome(2, "", "error: x\n", 0.1, 0)
    assert isolated.faults(good, end) == []
    for wrong in (
        end._replace(code=1),
        end._replace(code=-9),
        end._replace(err=""),
        end._replace(err="Traceback (most recent call last)"),
        end._replace(err="error: \x1b[31m"),
        end._replace(err="error: \u202e"),
        end._replace(err="x" * 100_000),
        end._replace(code=0, out="[NaN]"),
    ):
        assert len(isolated.faults(good, wrong)) == 1


def test_a_child_has_little_memory(monkeypatch):
    def greedy(words):
        del words
        return len(bytearray(isolated.MEMORY))

    monkeypatch.setattr("hwsim.cli.main.run", greedy)
    asked = lines.Input("word", (), {}, b"")
    assert "MemoryError" in isolated.run(asked).err


def test_a_child_that_hangs_is_ended(monkeypatch):
    monkeypatch.setattr(isolated, "SECONDS", 0.1)
    monkeypatch.setattr("hwsim.cli.main.run", lambda _: time.sleep(60))
    found = isolated.run(lines.Input("word", (), {}, b""))
    assert isolated.faults(lines.Input("word", (), {}, b""), found) == ["killed by SIGALRM"]
