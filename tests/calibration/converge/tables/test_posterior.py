"""A group's batch law: recovered, extrapolated, and unsure where it should be."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.converge.tables import laws, records, rows

BATCHES = (32, 64, 128, 256, 512, 1024, 2048, 4096)


def law_of(text, workload="bert"):
    found = records.records(laws.fit(rows.parse(text, "t.csv")))
    return next(law for law in found if law["workload"] == workload)


def inside(parameter, truth):
    return parameter["low"] <= truth <= parameter["high"]


@pytest.mark.parametrize("critical", [60.0, 500.0, 3000.0])
def test_parameters_come_back(table, critical):
    law = law_of(table().batches("bert", BATCHES, 300.0, critical, noise=0.02, seed=1).text)
    assert law["form"] == "critical-batch"
    assert law["plateau"] == "seen"
    assert law["runs"] == len(BATCHES)
    found = law["parameters"]
    assert found["B_crit"]["value"] == pytest.approx(critical, rel=0.15)
    assert found["S_min"]["value"] == pytest.approx(300.0, rel=0.15)
    assert inside(found["B_crit"], critical)
    assert inside(found["S_min"], 300.0)
    assert inside(found["exponent"], 1.0)


def test_no_plateau_is_seen_far_below_the_critical_batch(table):
    law = law_of(table().batches("bert", (8, 16, 32, 64), 10.0, 1e6, noise=0.02).text)
    assert law["plateau"] == "not seen"
    assert law["parameters"]["B_crit"]["high"] > 10 * 64


def test_steps_fall_with_the_batch_and_samples_rise(groups):
    fitted = laws.fit(rows.parse(groups.text, "t.csv"))
    asked = next(iter(fitted.groups.values()))[0].asked
    batches = np.geomspace(8, 60_000, 12).astype(int)
    answers = [fitted.predict(type(asked)(**{**vars(asked), "batch": int(b)})) for b in batches]
    steps = np.array([answer.steps for answer in answers])
    assert (np.diff(steps) < 0).all()
    assert (np.diff(steps * batches) > 0).all()
    for one in answers:
        assert one.low95 < one.low < one.steps < one.high < one.high95


def test_one_row_answers_by_what_the_others_have_in_common(table, groups):
    groups.add("lonely", 512, 5000.0)
    fitted = laws.fit(rows.parse(groups.text, "t.csv"))
    near, far = (
        fitted.predict(rows.parse(table().add("lonely", batch, None).text, "t")[0].asked)
        for batch in (640, 8192)
    )
    assert near.steps < 5000.0
    assert 5000.0 * 512 / 8192 < far.steps < near.steps
    assert far.high / far.low > near.high / near.low > 1.05


def test_the_order_of_rows_does_not_matter(groups):
    first = records.records(laws.fit(rows.parse(groups.text, "t.csv")))
    groups.lines.reverse()
    second = records.records(laws.fit(rows.parse(groups.text, "t.csv")))
    by_name = {law["workload"]: law["parameters"] for law in second}
    for law in first:
        for name, parameter in law["parameters"].items():
            assert parameter == pytest.approx(by_name[law["workload"]][name], rel=1e-6)


def test_intervals_cover_what_was_left_out(groups):
    table = rows.parse(groups.text, "t.csv")
    hits = []
    for row in table[::2]:
        answer = laws.fit([other for other in table if other is not row]).predict(row.asked)
        hits.append(answer.low <= row.steps <= answer.high)
    assert 0.65 <= np.mean(hits) <= 0.97
