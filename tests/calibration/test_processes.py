"""The same work for many items by several processes."""

import os
import sys

import pytest

from calibration.processes import TOGETHER, cores, mapped
from hwsim.errors import InputError, SurroundingsError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks share the work on Linux")


def results(items, work, processes):
    with mapped(items, work, processes) as found:
        return list(found)


@pytest.mark.parametrize("number", [0, 1, TOGETHER, TOGETHER + 1, 5 * TOGETHER + 3])
@pytest.mark.parametrize("processes", [1, 2, 3])
def test_results_come_in_the_order_of_their_items(number, processes):
    items = list(range(number))
    assert results(items, lambda n: n * n, processes) == [n * n for n in items]


def test_work_is_done_elsewhere_and_shared():
    here = os.getpid()
    found = set(results([0] * 4 * TOGETHER, lambda _: os.getpid(), 2))
    assert len(found) == 2
    assert here not in found
    assert results([0], lambda _: os.getpid(), 1) == [here]


@pytest.mark.parametrize("processes", [1, 2])
def test_what_work_raises_is_raised_where_it_is_read(processes):
    def work(number):
        if number == TOGETHER:
            raise InputError("a file", "found nothing", "write something")
        return number

    read = []
    with (
        pytest.raises(InputError, match="found nothing"),
        mapped(range(3 * TOGETHER), work, processes) as found,
    ):
        read.extend(found)
    assert read in ([], list(range(TOGETHER)))


def test_a_process_that_was_killed_is_told():
    def work(number):
        os._exit(9) if number else None
        return number

    with pytest.raises(SurroundingsError, match="killed"):
        results([0] * TOGETHER + [1], work, 2)


def test_reading_may_stop_before_the_end():
    with mapped(range(100 * TOGETHER), lambda n: n, 2) as found:
        assert next(iter(found)) == 0


def test_there_is_a_core():
    assert cores() >= 1
