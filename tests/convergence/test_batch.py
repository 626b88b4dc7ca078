"""Steps and samples by batch: the hyperbola of McCandlish et al., its limits and its forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.convergence.batch import efficiency, excess, samples, steps

COUNTS = st.floats(1e-2, 1e8)


@settings(deadline=None, max_examples=50)
@given(batch=COUNTS, least=COUNTS, critical=COUNTS)
def test_steps_against_samples_is_a_hyperbola(batch, least, critical):
    s, e = steps(batch, least, critical), samples(batch, least, critical)
    assert e == pytest.approx(batch * s)
    extra_steps = s / least - 1.0
    extra_samples = e / (least * critical) - 1.0
    if min(extra_steps, extra_samples) > 1e-6:
        assert extra_steps * extra_samples == pytest.approx(1.0, rel=1e-5)


def test_the_rule_of_mlperf_for_bert():
    # Evaluations are due each 0.05 (230.23 B + 3,000,000) samples: a line in B, like E(B).
    critical = 3_000_000 / 230.23
    line = samples(np.array([256.0, 4096.0]), 230.23, critical)
    assert line == pytest.approx(230.23 * np.array([256.0, 4096.0]) + 3_000_000)


def test_efficiency_is_the_ratio_of_samples():
    ratio = samples(128.0, 10.0, 500.0) / samples(4096.0, 10.0, 500.0)
    assert efficiency(4096.0, 500.0, reference=128.0) == pytest.approx(ratio)


def test_arrays_and_numbers_agree():
    batches = np.array([1.0, 30.0, 1e5])
    assert steps(batches, 50.0, 700.0).tolist() == [steps(b, 50.0, 700.0) for b in batches]


@settings(deadline=None, max_examples=50)
@given(
    x=st.floats(-20, 20),
    more=st.floats(0.01, 5),
    sharpness=st.floats(0.5, 4),
    exponent=st.floats(0.5, 1.5),
)
def test_the_excess_falls_with_the_batch_between_its_ends(x, more, sharpness, exponent):
    here = float(excess(x, sharpness, exponent))
    assert here < float(excess(x + more, sharpness, exponent))
    assert here > max(0.0, exponent * x) - 1e-12
    assert here <= max(0.0, exponent * x) + exponent * math.log(2.0) / sharpness + 1e-12
