"""A loss surface: read off between its rows, and where a loss is never reached."""

from __future__ import annotations

import math

import numpy as np
import pytest

from calibration.converge.tables import laws, records, rows

SIZES = (5e7, 1e8, 2e8, 5e8, 1e9, 2e9)
TARGETS = (3.2, 3.0, 2.8)


def steps(size, target):
    floor = 2.1 + 0.5 * (size / 1e9) ** -0.3
    gap = target - floor
    return 1e4 * (0.15 / gap) ** (1 / 0.7) if gap > 0 else math.inf


@pytest.fixture
def fitted(table):
    made, random = table(), np.random.default_rng(3)
    for size in SIZES:
        for target in TARGETS:
            found = steps(size, target)
            if found < 1e6:
                luck = random.normal(0.0, 0.01)
                fields = {"params": int(size), "target": target}
                made.add(f"lm-{int(size / 1e6)}m", 2048, found * math.exp(luck), **fields)
    return laws.fit(rows.parse(made.text, "t.csv"))


def ask(fitted, table, size, target):
    made = table().add(f"lm-{int(size / 1e6)}m", 2048, None, params=int(size), target=target)
    return fitted.predict(rows.parse(made.text, "t.csv")[0].asked)


@pytest.mark.parametrize(("size", "target"), [(5e8, 2.9), (1e9, 3.1), (2e9, 2.7)])
def test_a_target_that_nobody_read_off(fitted, table, size, target):
    found = ask(fitted, table, size, target)
    assert found.steps == pytest.approx(steps(size, target), rel=0.15)
    assert found.low95 < found.low < found.steps < found.high < found.high95


def test_a_size_between(fitted, table):
    found = ask(fitted, table, 7e8, 3.0)
    assert found.low < steps(7e8, 3.0) < found.high
    known = ask(fitted, table, 1e9, 3.0)
    assert found.high / found.low > known.high / known.low


def test_steps_fall_with_the_size_and_rise_with_the_target(fitted, table):
    by_size = [ask(fitted, table, size, 3.0).steps for size in (3e8, 6e8, 1.2e9, 1.9e9)]
    by_target = [ask(fitted, table, 1e9, target).steps for target in (3.2, 3.0, 2.8, 2.6)]
    assert by_size == sorted(by_size, reverse=True)
    assert by_target == sorted(by_target)


def test_a_loss_below_the_floor_is_never_reached(fitted, table):
    found = ask(fitted, table, 5e7, 2.3)
    assert math.isinf(found.steps)
    assert math.isinf(found.high)


def test_its_record(fitted):
    law = next(law for law in records.records(fitted) if law["form"] == "loss-surface")
    assert law["parameters"].keys() == {"E", "A", "C", "D", "a", "c"}
    assert law["parameters"]["c"]["low"] <= 0.7 <= law["parameters"]["c"]["high"]
    assert law["parameters"]["E"]["low"] <= 2.1 <= law["parameters"]["E"]["high"]
