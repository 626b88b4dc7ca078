"""Best first: what is opened, and what an interrupt leaves."""

import math
from dataclasses import dataclass

import pytest

from hwsim.parallel.plan import Plan
from hwsim.study.search.best import Answer, Tally, best_first


@dataclass
class Leaf:
    bound: float
    value: float
    opened_as: list
    size: int = 1
    slow: bool = False

    def opened(self):
        self.opened_as.append(self.value)
        yield Answer(None, Plan(), self.value, self.value, {"compute": self.value}, 0.0, False)


@dataclass
class Tree:
    bound: float
    leaves: list
    slow = False

    @property
    def size(self):
        return len(self.leaves)

    def opened(self):
        yield from self.leaves


def tree(*pairs):
    opened = []
    leaves = [Leaf(bound, value, opened) for bound, value in pairs]
    return Tree(0.0, leaves), opened


def test_what_is_bound_above_the_best_is_not_opened():
    node, opened = tree((1.0, 5.0), (4.0, 4.5), (4.6, 9.0), (2.0, 8.0))
    found = best_first([node], Tally(4), 3)
    assert [one.value for one in found.best] == [4.5, 5.0, 8.0]
    assert 9.0 not in opened
    assert (found.complete, found.bound, found.certain) == (True, 4.6, 1)
    assert found.tally.counts == {"evaluated": 3, "worse": 1}


def test_as_many_as_are_wanted_are_certain():
    node, opened = tree((1.0, 5.0), (4.0, 4.5), (4.6, 9.0), (2.0, 8.0))
    found = best_first([node], Tally(4), 2, 2)
    assert [one.value for one in found.best] == [4.5, 5.0]
    assert found.certain == 2
    assert opened == [5.0, 8.0, 4.5, 9.0]


def test_a_child_is_bound_by_its_parent():
    node, _ = tree((1.0, 5.0))
    node.bound = 3.0
    best_first([node], Tally(1), 1)
    assert node.leaves[0].bound == 3.0


def test_nothing_is_found_in_nothing():
    found = best_first([Tree(0.0, [])], Tally(0), 1)
    assert (found.best, found.bound, found.complete) == ((), math.inf, True)


@pytest.mark.parametrize("after", [1, 2])
def test_an_interrupt_leaves_the_best_so_far_and_a_bound(after, monkeypatch):
    monkeypatch.setattr("hwsim.study.search.best.TICK", -1.0)
    node, _ = tree((1.0, 5.0), (2.0, 8.0), (3.0, 4.0))
    seen = []

    def watch(state):
        seen.append(state)
        if len(seen) > after:
            raise KeyboardInterrupt

    found = best_first([node], Tally(3), 1, watch=watch)
    assert not found.complete
    assert found.best[0].value == 5.0
    assert found.bound <= 4.0
    assert found.tally.counts["open"] == 3 - after
    assert seen[0].left == 3
