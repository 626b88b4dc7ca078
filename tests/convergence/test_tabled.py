"""Tables of steps: read in logarithms, with a warning beyond their rows, and faults by line."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.convergence.law import interval
from hwsim.convergence.tabled import parse
from hwsim.errors import InputError

TEXT = "size,steps,low,high\n1e6,1000,800,1300\n1e4,9000,8000,10000\n1e5,3000,2700,3200\n"
TABLE = parse(TEXT, "mine.csv")


def test_a_row_is_met():
    for size, steps in ((1e4, 9000), (1e5, 3000), (1e6, 1000)):
        found = TABLE.at(size)
        assert found.value == pytest.approx(steps)
        assert not found.extrapolated
    assert TABLE.at(1e5).high / TABLE.at(1e5).low == pytest.approx(3200 / 2700, rel=0.05)


@given(st.floats(0.2, 3.0), st.floats(1e4, 1e6))
@settings(deadline=None, max_examples=30)
def test_a_power_law_is_met_between_its_rows(power, size):
    rows = "".join(f"{s!r},{1e9 * s**-power!r}\n" for s in (1e4, 1e5, 1e6))
    found = parse("size,steps\n" + rows, "t.csv").at(size)
    assert found.value == pytest.approx(1e9 * size**-power)
    assert found.low == found.high == found.value


@pytest.mark.parametrize("size", [1e3, 1e8])
def test_beyond_its_rows_it_warns_and_widens(size):
    found, far = TABLE.at(size), TABLE.at(size * 10 if size > 1e6 else size / 10)
    assert found.extrapolated
    assert "10,000 to 1,000,000 parameters" in found.warnings[0]
    assert far.high / far.low > found.high / found.low > 1
    assert (found.value > 9000) == (size < 1e4)


def test_the_same_luck_for_all_sizes():
    one, other = TABLE.at(2e4), TABLE.at(7e5)
    logs = [[math.log(d / found.value) for d in found.draws[:50]] for found in (one, other)]
    scale = logs[1][0] / logs[0][0]
    assert logs[1] == pytest.approx([scale * luck for luck in logs[0]])
    assert (one.low, one.high) == pytest.approx(interval(one.draws))


def test_a_batch_is_kept():
    assert parse("size,steps,batch\n1,2,32\n2,1,32\n", "t.csv").batch == 32
    assert TABLE.batch is None


@pytest.mark.parametrize(
    ("text", "fragments"),
    [
        ("", ("size,steps",)),
        ("size,count\n1,2\n", ("size,count", "size,steps")),
        ("size,steps,low\n1,2,1\n", ("low and high",)),
        ("size,steps\n1,2\n", ("1 rows", "two rows")),
        ("size,steps\n1,2\n1,3\n", ("1 sizes", "two rows")),
        ("size,steps\n1,2\n2,many\n", ("line 3: steps", "many")),
        ("size,steps\n1,2\n2,0\n", ("line 3: steps", "above 0")),
        ("size,steps\n1,2\n2,nan\n", ("line 3: steps", "nan")),
        ("size,steps\n1,2\n-2,5\n", ("line 3: size", "-2")),
        ("size,steps\n1,2\n2\n", ("line 3: steps",)),
        ("size,steps\n1,2\n2,5,7\n", ("line 3", "more cells")),
        ("size,steps,low,high\n1,2,3,4\n2,3,2,4\n", ("line 2", "outside")),
        ("size,steps,batch\n1,2,32\n2,1,64\n", ("batch", "several")),
        ('size,steps\n"1,2\n', ("line",)),
    ],
)
def test_a_fault_names_its_line(text, fragments):
    with pytest.raises(InputError) as error:
        parse(text, "t.csv")
    for fragment in fragments:
        assert fragment in str(error.value)
    assert str(error.value).startswith("t.csv")
