"""Transfers that share links, and compute that transfers slow down."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.parallel.program import Link, Stream, Task, Work
from hwsim.simulate.engine import run
from hwsim.simulate.fluid import fair

A, B = Link(0, "network"), Link(1, "network")
COMPUTE = Stream(0, "compute")
seeds = st.integers(0, 10**6)
few = settings(deadline=None, max_examples=60)


def compute(seconds, **how):
    return Task("kernel", Work(seconds, (("compute", seconds),)), **how)


def transfer(seconds, *loads, fixed=0.0, taken=0.0, **how):
    work = Work(seconds, (("communication", seconds),), 0.0, fixed, loads, taken)
    return Task("transfer", work, **how)


def ends(make, *tasks):
    """When transfers end that begin at once, each on a stream of its own."""
    lists = {Stream(0, f"stream {n}"): [task] for n, task in enumerate(tasks)}
    line = run(make.program(lists))
    return [line.on(stream)[0].end for stream in lists]


def drawn(seed):
    """Loads of up to eight transfers on up to four links."""
    source = random.Random(seed)
    links = [Link(n, "network") for n in range(source.randint(1, 4))]
    return [
        tuple(
            (link, source.choice((0.1, 0.5, 1.0)))
            for link in source.sample(links, source.randint(1, len(links)))
        )
        for _ in range(source.randint(1, 8))
    ]


@given(seeds, st.sampled_from((1.0, 0.3)))
@few
def test_rates_are_max_min_fair(seed, capacity):
    # No link is overfull, and each transfer has full speed or a full link where none is faster.
    transfers = drawn(seed)
    rates = fair(transfers, lambda _: capacity)
    loads = [dict(transfer) for transfer in transfers]
    links = {link for load in loads for link in load}
    used = {
        at: sum(rate * load.get(at, 0.0) for rate, load in zip(rates, loads, strict=True))
        for at in links
    }
    assert all(share <= capacity * (1 + 1e-9) for share in used.values())
    for rate, load in zip(rates, loads, strict=True):
        narrow = [
            at
            for at in load
            if used[at] >= capacity * (1 - 1e-9)
            and rate >= max(r for r, o in zip(rates, loads, strict=True) if at in o) * (1 - 1e-9)
        ]
        assert rate == 1.0 or narrow


def test_a_link_that_is_not_loaded_holds_nothing_up():
    assert fair([((A, 0.0), (B, 1.0)), ((A, 1.0),)]) == [1.0, 1.0]


def test_two_equal_transfers_take_twice_as_long(make):
    assert ends(make, transfer(2.0, (A, 1.0)), transfer(2.0, (A, 1.0))) == [4.0, 4.0]


def test_three_transfers_share_until_the_shortest_is_done(make):
    # Thirds until 3 s, halves until 5 s, then the last second alone.
    assert ends(make, *(transfer(s, (A, 1.0)) for s in (1.0, 2.0, 3.0))) == [3.0, 5.0, 6.0]


def test_transfers_that_fit_beside_each_other_do_not_wait(make):
    assert ends(make, transfer(2.0, (A, 0.6)), transfer(3.0, (A, 0.4))) == [2.0, 3.0]


def test_what_the_first_leaves_on_the_second_link_is_used(make):
    # The first two have half of A; of B that leaves 0.8, not a half, until the first is done.
    found = ends(
        make,
        transfer(1.0, (A, 1.0), (B, 0.4)),
        transfer(2.0, (A, 1.0)),
        transfer(3.0, (B, 1.0)),
    )
    assert found == pytest.approx([2.0, 3.0, 3.4])


def test_links_do_not_share_with_others(make):
    assert ends(make, transfer(2.0, (A, 1.0)), transfer(2.0, (B, 1.0))) == [2.0, 2.0]


def test_what_is_fixed_is_not_stretched(make):
    # Both wait 1 s, then share for 2 s; the third has nothing that moves.
    found = ends(
        make,
        transfer(2.0, (A, 1.0), fixed=1.0),
        transfer(2.0, (A, 1.0), fixed=1.0),
        transfer(2.0, (A, 1.0), fixed=2.0),
    )
    assert found == [3.0, 3.0, 2.0]


def moved(loads, begins, seconds):
    """Ends of transfers, from rates that hold between any two beginnings and ends."""
    left, ends, now = dict(enumerate(seconds)), {}, 0.0
    while left:
        on = [n for n in left if begins[n] <= now]
        rates = dict(zip(on, fair([loads[n] for n in on]), strict=True))
        until = [begins[n] for n in left if n not in on] + [now + left[n] / rates[n] for n in on]
        step = min(until) - now
        for n in on:
            left[n] -= step * rates[n]
        now += step
        for n in on:
            if left[n] <= 1e-9:
                ends[n] = now
                del left[n]
    return [ends[n] for n in sorted(ends)]


@given(seeds)
@few
def test_transfers_that_come_and_go_move_all_they_have(make, seed):
    source = random.Random(seed)
    loads = drawn(seed)
    begins = [source.choice((0.0, source.uniform(0.0, 4.0))) for _ in loads]
    seconds = [source.uniform(0.1, 3.0) for _ in loads]
    lists = {
        Stream(0, f"stream {n}"): [transfer(begins[n]), transfer(seconds[n], *loads[n])]
        for n in range(len(loads))
    }
    line = run(make.program(lists))
    found = [line.on(stream)[-1].end for stream in lists]
    assert found == pytest.approx(moved(loads, begins, seconds), rel=1e-7)
    wanted = {}
    for load, alone in zip(loads, seconds, strict=True):
        for link, share in load:
            wanted[link] = wanted.get(link, 0.0) + share * alone
    used = line.utilisation()
    assert {link: share * line.seconds for link, share in used.items()} == pytest.approx(wanted)
    assert all(share <= 1 + 1e-9 for share in used.values())
    assert sum(line.parts().values()) == pytest.approx(line.seconds, rel=1e-9)


def test_a_transfer_takes_its_share_of_compute(make):
    # 4 s at 0.85, then 2 s at 0.83, then alone: 15 - 3.4 - 1.66 are left at 6 s.
    lists = {
        COMPUTE: [compute(10.0), compute(5.0)],
        Stream(0, "dp"): [transfer(6.0, taken=0.15)],
        Stream(0, "pp"): [transfer(4.0), transfer(2.0, taken=0.02)],
    }
    line = run(make.program(lists))
    assert line.seconds == pytest.approx(6.0 + 15.0 - 3.4 - 1.66)
    assert line.parts()["compute"] == 15.0
    assert line.parts()["communication"] == pytest.approx(line.seconds - 15.0)
    assert line.critical_parts() == pytest.approx(line.parts())


def test_compute_that_begins_beside_a_transfer_is_slow_from_the_start(make):
    lists = {
        COMPUTE: [compute(1.0, takes=("go",)), compute(1.0)],
        Stream(0, "pp"): [transfer(1.0, gives=("go",))],
        Stream(0, "dp"): [transfer(9.0, taken=0.5)],
    }
    assert [span.end for span in run(make.program(lists)).on(COMPUTE)] == [3.0, 5.0]


def test_some_compute_is_always_left(make):
    lists = {
        COMPUTE: [compute(1.0)],
        Stream(0, "dp"): [transfer(20.0, taken=0.9)],
        Stream(0, "pp"): [transfer(20.0, taken=0.9)],
    }
    assert run(make.program(lists)).on(COMPUTE)[0].end == pytest.approx(10.0)


def test_other_devices_compute_on(make):
    lists = {COMPUTE: [compute(4.0)], Stream(1, "dp"): [transfer(4.0, taken=0.5)]}
    assert run(make.program(lists)).on(COMPUTE)[0].end == 4.0


@given(seeds)
@few
def test_compute_goes_on_at_the_rate_that_is_left(make, seed):
    source = random.Random(seed)
    works = [source.uniform(0.1, 3.0) for _ in range(6)]
    taking = [(source.uniform(0.1, 2.0), source.choice((0.0, 0.15, 0.3))) for _ in range(6)]
    lists = {
        COMPUTE: [compute(seconds) for seconds in works],
        Stream(0, "dp"): [transfer(seconds, taken=taken) for seconds, taken in taking],
    }
    left, now = sum(works), 0.0
    for seconds, taken in taking:
        done = min(left, seconds * (1 - taken))
        now, left = now + done / (1 - taken), left - done
    assert run(make.program(lists)).on(COMPUTE)[-1].end == pytest.approx(now + left)


def test_a_meeting_moves_once_for_all_its_members(make):
    # The second transfer on A takes its half from the meeting's 2 s, which load B as well.
    shared = {"meeting": "all", "members": 2}
    lists = {
        COMPUTE: [compute(1.0), transfer(2.0, (A, 1.0), **shared), compute(1.0)],
        Stream(1, "compute"): [transfer(2.0, (B, 1.0), **shared), compute(1.0)],
        Stream(1, "pp"): [transfer(1.0), transfer(1.0, (A, 1.0), taken=0.5)],
    }
    line = run(make.program(lists))
    assert [(span.begin, span.end) for span in line.on(COMPUTE)] == [(0, 1), (1, 4), (4, 5)]
    assert line.utilisation()[A] == pytest.approx(3 / 5)
    assert line.parts(1) == pytest.approx(line.parts(0) | {"compute": 1.0, "communication": 4.0})


def test_faster_compute_can_make_a_step_slower_where_links_are_shared(make):
    # An anomaly as Graham's: the sooner a kernel is done, the sooner the transfer that nobody
    # waits for takes half of the link from the one that all wait for.
    def step(seconds):
        lists = {
            COMPUTE: [compute(seconds, gives=("early",)), compute(10.0, takes=("late",))],
            Stream(0, "pp"): [transfer(2.0, (A, 1.0), gives=("late",))],
            Stream(0, "dp"): [transfer(2.0, (A, 1.0), takes=("early",))],
        }
        return run(make.program(lists)).seconds

    assert step(2.0) == 12.0
    assert step(0.5) == 13.5


def test_on_a_shared_link_a_higher_priority_comes_first(make):
    # Both are there at once: the urgent one takes its 2 s, the other one waits for it.
    urgent = transfer(2.0, (A, 1.0))
    urgent = urgent._replace(work=urgent.work._replace(priority=1))
    line = run(
        make.program({Stream(0, "pp"): [urgent], Stream(0, "dp"): [transfer(3.0, (A, 1.0))]})
    )
    assert [line.on(Stream(0, kind))[0].end for kind in ("pp", "dp")] == pytest.approx([2.0, 5.0])


def test_what_a_higher_priority_leaves_is_shared(make):
    # The urgent one uses 0.6 of A for 2 s; the other goes on at 0.4, and has 1.2 s left then.
    urgent = transfer(2.0, (A, 0.6))
    urgent = urgent._replace(work=urgent.work._replace(priority=1))
    line = run(
        make.program({Stream(0, "pp"): [urgent], Stream(0, "dp"): [transfer(2.0, (A, 1.0))]})
    )
    assert line.on(Stream(0, "dp"))[0].end == pytest.approx(2.0 + 1.2)
