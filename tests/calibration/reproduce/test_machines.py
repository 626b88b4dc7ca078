"""Time per step on simulated machines."""

import pytest

from calibration.reproduce import machines


@pytest.mark.parametrize("domain", machines.SETTINGS)
def test_time_per_step_grows_with_the_model_under_every_plan(domain):
    for series in machines.series(domain):
        sizes = [point.parameters for point in series.points]
        seconds = [point.seconds for point in series.points]
        assert sizes == sorted(sizes)
        assert seconds == sorted(seconds)
        assert all(point.low < point.seconds < point.high for point in series.points)


@pytest.mark.parametrize("domain", machines.SETTINGS)
def test_each_axis_makes_the_largest_model_faster(domain):
    alone, *others = machines.series(domain)
    assert alone.devices == 1
    assert {one.axis for one in others} == {"data", "pipeline", "tensor"}
    assert all(one.points[-1].seconds < alone.points[-1].seconds for one in others)
