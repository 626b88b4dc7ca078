"""Blocks come back in their order, wherever they were answered."""

from dataclasses import replace
from functools import partial

import pytest

from hwsim.errors import SurroundingsError
from hwsim.study.sweep.digest import Digest
from hwsim.study.sweep.executor import Local, Processes, in_order
from hwsim.study.sweep.task import Done

NOTHING = Digest()
BLOCKS = [(first, first + 5) for first in range(0, 20, 5)]


def test_results_keep_the_order_and_few_are_on_their_way():
    begun, given = [], []

    def start(block):
        begun.append(block)
        return block

    def result(block):
        assert len(begun) - len(given) <= 3
        given.append(block)
        return Done(*block, b"", NOTHING)

    assert [done[:2] for done in in_order(BLOCKS, start, result, 3)] == BLOCKS
    assert begun == given == BLOCKS


@pytest.mark.parametrize("ahead", [1, 2, 7])
def test_what_is_left_of_a_block_comes_before_the_next(ahead):
    def result(block):
        first, end = block
        return Done(first, min(first + 2, end), b"", NOTHING)

    found = list(in_order([(0, 20), (20, 23), (23, 24)], tuple, result, ahead))
    ends = [0, *(done.end for done in found)]
    assert [done.first for done in found] == ends[:-1]
    assert ends[-1] == 24


def test_processes_give_what_this_one_gives(sweep):
    task = sweep("workload.hidden=8:40:5", "plan.dp=1,2,3,4", engine="events")
    here = list(Local().map(task, BLOCKS))
    there = list(Processes(2).map(task, BLOCKS))
    assert [(done.first, done.text) for done in there] == [(d.first, d.text) for d in here]


def test_a_process_that_dies_is_told(sweep):
    die = partial(exec, "import os; os._exit(1)")  # can be sent
    task = replace(sweep("workload.hidden=8:40:5", engine="events"), counted=die)
    with pytest.raises(SurroundingsError, match="--jobs: a process died"):
        list(Processes(1).map(task, BLOCKS[:1]))
