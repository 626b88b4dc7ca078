"""A family of sizes: a size between and beyond the measured ones."""

from __future__ import annotations

import pytest

from calibration.converge.tables import laws, rows

BATCHES = (64, 256, 1024, 4096, 16_384)


def truth(params, batch):
    return 1000.0 * (params / 1e8) ** 0.4 * (1.0 + 2000.0 * (params / 1e8) ** 0.6 / batch)


def family(table, sizes):
    made = table()
    for index, size in enumerate(sizes):
        critical = 2000.0 * (size / 1e8) ** 0.6
        least = 1000.0 * (size / 1e8) ** 0.4
        target = round(3.4 - 0.1 * index, 2)
        made.batches(
            f"lm-{size // 10**6}m",
            BATCHES,
            least,
            critical,
            0.02,
            index,
            params=size,
            target=target,
        )
    return laws.fit(rows.parse(made.text, "t.csv"))


def asked(table, size, batch):
    text = table().add(f"lm-{size // 10**6}m", batch, None, params=size, target=2.5).text
    return rows.parse(text, "t.csv")[0].asked


@pytest.mark.parametrize("batch", [64, 1024, 16_384])
def test_another_size_is_predicted(table, batch):
    fitted = family(table, (100_000_000, 200_000_000, 800_000_000))
    between = fitted.predict(asked(table, 400_000_000, batch))
    beyond = fitted.predict(asked(table, 1_600_000_000, batch))
    assert between.steps == pytest.approx(truth(4e8, batch), rel=0.15)
    assert beyond.steps == pytest.approx(truth(1.6e9, batch), rel=0.25)
    assert between.low < truth(4e8, batch) < between.high
    assert beyond.high / beyond.low > between.high / between.low


def test_two_sizes_are_no_family(table):
    fitted = family(table, (100_000_000, 800_000_000))
    assert fitted.predict(asked(table, 400_000_000, 64)) == (
        "the table has no steps of lm-400m from lab"
    )
