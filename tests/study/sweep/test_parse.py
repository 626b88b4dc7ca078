"""Options of a sweep."""

import pytest

from hwsim.errors import InputError
from hwsim.study.sweep.axes import Choice, Range
from hwsim.study.sweep.parse import MOST, Drawing, parse


def test_each_grid_is_an_axis_and_all_pairs_are_one(small):
    axes = parse(
        small,
        ["workload.hidden=8:32:3", "device.memory.bandwidth=1TB/s,2TB/s"],
        ["plan.dp=1,2", "workload.batch=32,64"],
    )
    assert [axis.paths for axis in axes] == [
        ("workload.hidden",),
        ("device.memory.bandwidth",),
        ("plan.dp", "workload.batch"),
    ]
    assert [axis.size for axis in axes] == [3, 2, 2]
    assert axes[2].texts(1, 2) == [("2",), ("64",)]


def test_what_is_drawn_is_one_axis(small):
    (axis,) = parse(
        small,
        [],
        random=["workload.hidden=8:32", "plan.dp=1,2", "node.link.latency=1:10us"],
        drawing=Drawing(5, 3, True),
    )
    assert axis.size == 5
    assert axis.sources == (
        Range(8.0, 32.0, "", True),
        Choice(("1", "2")),
        Range(1.0, 10.0, " us", False),
    )


@pytest.mark.parametrize("path", ["steps=10:1000:3", "law=charlm-small,wordlm-small", "tokens=1e6"])
def test_what_counts_the_steps_is_a_path(small, path):
    assert parse(small, [path])[0].paths == (path.partition("=")[0],)


@pytest.mark.parametrize(
    ("options", "fragments"),
    [
        ({}, ["nothing to vary", "--grid"]),
        ({"grid": ["workload.hiden=8,16"]}, ["--grid", "workload.hiden", "hidden"]),
        ({"grid": ["hidden=8,16"]}, ["hidden", "workload."]),
        ({"grid": ["workload.hidden=8,wide"]}, ["workload.hidden", "wide", "whole number"]),
        ({"grid": ["workload.hidden"]}, ["--grid", "PATH=a,b,c"]),
        ({"grid": ["workload.hidden=8:4:3"]}, ["--grid workload.hidden", "lo < hi"]),
        ({"grid": ["device.memory.bandwidth=1,2"]}, ["bandwidth", "without a unit"]),
        ({"grid": ["plan.schedule=gpipe,slow"]}, ["plan.schedule", "slow", "gpipe"]),
        ({"grid": ["steps=many"]}, ["steps", "many", "number"]),
        ({"grid": ["workload.corpus=a\nb"]}, ["corpus", "line break"]),
        ({"grid": ["plan.dp=1,2"], "paired": ["plan.dp=1,2"]}, ["plan.dp", "twice"]),
        ({"paired": ["plan.dp=1,2", "workload.batch=32"]}, ["--paired", "plan.dp 2", "batch 1"]),
        ({"random": ["plan.dp=1:4"]}, ["--points", "--points N"]),
        ({"random": ["plan.dp=1:4:3"], "drawing": Drawing(4)}, ["--random", "1:4:3", "lo:hi"]),
        ({"random": ["plan.dp=4:1"], "drawing": Drawing(4)}, ["plan.dp", "'4:1'", "lo:hi, 0"]),
        ({"random": ["plan.dp"], "drawing": Drawing(4)}, ["--random plan.dp", "a,b,c"]),
        ({"random": ["plan.dp=1:4"], "drawing": Drawing(4, -1)}, ["--seed", "-1"]),
        ({"random": ["plan.dp=1:4"], "drawing": Drawing(-4)}, ["--points", "-4"]),
        ({"grid": ["plan.dp=1,2"], "drawing": Drawing(4)}, ["--points", "--random"]),
        ({"grid": ["plan.dp=1,2"], "drawing": Drawing(even=True)}, ["--sobol", "--random"]),
        (
            {"random": ["plan.dp=1:4" for _ in range(17)]} | {"drawing": Drawing(4, 1, True)},
            ["--sobol", "17", "16"],
        ),
        (
            {"random": ["plan.dp=1:4"], "drawing": Drawing(MOST + 1)},
            [f"{MOST + 1:,} points", f"{MOST:,}"],
        ),
    ],
)
def test_faults_at_the_door(small, options, fragments):
    with pytest.raises(InputError) as error:
        parse(small, **({"grid": []} | options))
    for fragment in fragments:
        assert fragment in str(error.value)
