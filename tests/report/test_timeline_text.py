"""The rows of a terminal: what stands in them, how wide and how many they are."""

import contextlib
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.parallel.plan import Plan
from hwsim.parallel.program import Program
from hwsim.report import timeline_text
from hwsim.report.console import make_console
from hwsim.simulate.engine import run


def plain(timeline, plan, width):
    return [line.plain for line in timeline_text.picture(timeline, plan, width)]


def test_a_small_step(pipeline):
    """Two stages, two micro-batches: 1 s is four columns."""
    timeline = pipeline(2, 2, hop=0.5)
    assert timeline.seconds == 14.0
    assert plain(timeline, Plan(pp=2), 76) == GOLDEN.strip("\n").split("\n")


GOLDEN = """
                    0                                                   14 s
stage 0 (device 0)  F0ffF1ff............B0bbbbbb....B1bbbbbb............Uuuu
  forward           ....==..==..............................................
  sum               ........................................============....
stage 1 (device 1)  ......F0ffB0bbbbbbF1ffB1bbbbbb............Uuuu..........
  backward          ..................==..........==........................
  sum               ..............................============..............

F forward   B backward   U update   = communication   . idle
"""


def test_numbers_stand_where_they_have_room(pipeline):
    line = plain(pipeline(1, 2), Plan(), 30)[1]
    assert line == "device 0  FfB0bbFfB1bb......Uu"


def test_crowded_rows_show_kinds_by_their_shares(pipeline):
    line = plain(pipeline(1, 200), Plan(), 60)[1]
    cells = line.removeprefix("device 0  ")[:45]
    assert cells.count("B") == pytest.approx(2 * cells.count("F"), abs=3)


def test_of_many_devices_some_are_shown(pipeline):
    lines = plain(pipeline(40, 2), Plan(pp=40), 100)
    rows = [line for line in lines if line.startswith("stage ")]
    assert len(rows) == timeline_text.MOST_ROWS
    assert rows[0].startswith("stage 0 ")
    assert rows[-1].startswith("stage 39 ")
    assert lines[-2:] == [
        "16 of 40 devices are shown, evenly chosen",
        "streams that move bytes are left out; --trace FILE has all",
    ]


def test_the_legend_names_what_is_there(pipeline):
    legend = plain(pipeline(2, 2), Plan(pp=2), 80)[-1]
    assert legend == "F forward   B backward   U update   = communication   . idle"


def test_nothing_simulated_draws_nothing():
    assert timeline_text.picture(run(Program({}, 0)), Plan(), 80) == []


@settings(deadline=None, max_examples=30)
@given(
    tasks=st.lists(
        st.lists(st.tuples(st.floats(1e-9, 10), st.floats(1e-9, 10)), min_size=1, max_size=9),
        min_size=1,
        max_size=10,
    ),
    width=st.integers(40, 200),
)
def test_rows_are_as_wide_as_asked(scattered, tasks, width):
    timeline, plan = scattered(tasks), Plan(dp=len(tasks))
    lines = plain(timeline, plan, width)
    rows = lines[: lines.index("")]
    assert {len(row) for row in rows} == {width}
    assert all(set(row[14:]) <= set("Ff.=-0123456789") for row in rows[1:])


def test_colors_are_for_terminals(pipeline, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    def sent(no_color):
        for name, value in (("TERM", "xterm-256color"), ("NO_COLOR", no_color)):
            monkeypatch.setenv(name, value)
        with contextlib.redirect_stdout(Terminal()) as stream:
            for line in timeline_text.picture(pipeline(1, 2), Plan(), 60):
                make_console().print(line)
        return stream.getvalue()

    assert "\x1b[" in sent("")
    assert "\x1b[3" not in sent("1")
