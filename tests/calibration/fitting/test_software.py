"""Parameters of software profiles: kin and devices, and values that suit steps best."""

import math
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration.fitting.software import FORMATS, KNOBS, Parameters, Point, solved

OLD, NEW, OTHER = "megatron-2021", "megatron-2022", "fsdp-2023"
PROFILES = (OLD, NEW, OTHER)
DEVICES = ("one", "two")


class Made(NamedTuple):
    """As much of a step as a fit looks at."""

    profile: str
    device: str
    measured: float
    names: tuple[str, ...] = tuple(KNOBS)
    source: str = "made"


def fitted(steps, slopes):
    """Parameters fitted to steps whose logarithms change by `slopes`, 0 where they begin."""
    parameters = Parameters(PROFILES, DEVICES)
    begin = parameters.values
    points = [
        Point(0.0, one) for one in (slopes if isinstance(slopes, list) else [slopes] * len(steps))
    ]
    return parameters, parameters.at(solved(parameters, steps, points, begin))


def value(parameters, profile, device, knob):
    return math.log(getattr(parameters.code(profile, device, 0.1), knob))


def test_parameters_begin_where_knobs_do():
    parameters = Parameters(PROFILES, DEVICES)
    for profile in PROFILES:
        for device in (*DEVICES, None):
            code = parameters.code(profile, device, 0.2)
            assert {k: getattr(code, k) for k in KNOBS} == pytest.approx(
                {name: knob.start for name, knob in KNOBS.items()}
            )
            assert code.formats == dict.fromkeys(FORMATS, 1.0)
            assert code.spread == 0.2


def test_a_step_s_parameters_are_those_of_its_code():
    parameters = Parameters(PROFILES, DEVICES)
    source = np.random.default_rng(1)
    parameters = parameters.at(source.normal(size=len(parameters.values)))
    step = Made(NEW, "two", 0.0, names=(*KNOBS, "format fp8"))
    code, logs = parameters.code(NEW, "two", 0.1), parameters.logs(step)
    for knob in KNOBS:
        assert math.exp(logs[knob]) == pytest.approx(getattr(code, knob))
    assert math.exp(logs["format fp8"]) == pytest.approx(code.formats["fp8"])


@given(
    st.floats(-5, 5),
    st.dictionaries(st.sampled_from(list(KNOBS)), st.floats(-2, 2)),
    st.floats(-1, 1),
)
@settings(deadline=None, max_examples=30)
def test_a_point_goes_along_straight_lines(start, slopes, move):
    point = Point(start, slopes)
    here = dict.fromkeys(KNOBS, 0.3)
    assert point.expected(here, here) == start
    there = dict.fromkeys(KNOBS, 0.3 + move)
    assert point.expected(here, there) == pytest.approx(start + move * sum(slopes.values()))


def test_without_steps_all_stay_where_they_began():
    parameters, found = fitted([], {})
    assert found.values == pytest.approx(parameters.values, abs=1e-9)


def test_a_profile_without_steps_is_like_its_ancestor():
    begin, found = fitted([Made(OLD, "one", 0.4)] * 30, {"streams": 1.0})
    start = value(begin, OLD, None, "streams")
    moved = value(found, OLD, None, "streams") - start
    assert moved > 0.2
    assert value(found, NEW, None, "streams") == pytest.approx(start + moved)
    assert value(found, OTHER, None, "streams") == pytest.approx(start)
    for knob in KNOBS.keys() - {"streams"}:
        assert value(found, OLD, "one", knob) == pytest.approx(value(begin, OLD, "one", knob))


def test_an_ancestor_is_drawn_to_its_descendant_and_stays_nearer_its_start():
    begin, found = fitted([Made(NEW, "one", 0.4)] * 30, {"hop": 1.0})
    start, near, far = (
        value(one, profile, None, "hop")
        for one, profile in ((begin, OLD), (found, OLD), (found, NEW))
    )
    assert start < near < far


def test_a_lineage_goes_over_profiles_that_are_not_there():
    parameters = Parameters((OLD, "megatron-core-2024"), ())
    steps = [Made(OLD, "one", 0.4)] * 30
    values = solved(parameters, steps, [Point(0.0, {"hop": 1.0})] * 30, parameters.values)
    found = parameters.at(values)
    moved = value(found, OLD, None, "hop")
    assert moved > 0.2
    assert value(found, "megatron-core-2024", None, "hop") == pytest.approx(moved)


def test_what_profiles_share_on_a_device_is_the_device_s():
    steps = [Made(profile, "one", 0.2) for profile in (OLD, OTHER) for _ in range(20)]
    steps += [Made(profile, "two", 0.0) for profile in (OLD, OTHER) for _ in range(20)]
    _, found = fitted(steps, {"products": 1.0})
    one, two, none = (value(found, OLD, device, "products") for device in ("one", "two", None))
    assert one - two == pytest.approx(0.2, abs=0.03)
    assert two < none < one
    assert value(found, OTHER, "one", "products") == pytest.approx(one, abs=0.02)
    # What is a profile's alone no device changes.
    assert value(found, OLD, "one", "hop") == value(found, OLD, None, "hop")


def test_a_format_s_factor_is_shared_by_all():
    names = (*KNOBS, "format fp8")
    steps = [Made(profile, "one", 0.3, names=names) for profile in PROFILES for _ in range(20)]
    _, found = fitted(steps, {"format fp8": 1.0})
    for profile in PROFILES:
        formats = found.code(profile, None, 0.1).formats
        assert formats["fp8"] == pytest.approx(math.exp(0.3), rel=0.02)
        assert formats["fp4"] == pytest.approx(1.0)


def scattered(outliers, seed=7):
    """Steps whose logarithms are known shares of known parameters with noise, some far out."""
    source = np.random.default_rng(seed)
    true = {"products": 0.12, "streams": 0.5, "issue": -0.6}
    slopes = [dict(zip(true, source.dirichlet([1.0] * 3), strict=True)) for _ in range(120)]
    steps = []
    for number, one in enumerate(slopes):
        measured = sum(slope * true[name] for name, slope in one.items())
        far = 1.0 if number < outliers else 0.0
        noise = source.normal(scale=0.03)
        steps.append(Made(OLD, "one", measured + noise + far, source=f"source {number % 4}"))
    begin, found = fitted(steps, slopes)
    return {
        name: value(found, OLD, "one", name) - value(begin, OLD, "one", name) - moved
        for name, moved in true.items()
    }


def test_known_parameters_are_found_again_under_noise():
    assert max(map(abs, scattered(outliers=0).values())) < 0.06


def test_steps_far_out_count_less():
    # Of 120 steps 12 are e times as long: the mean moves by 0.1.
    off = scattered(outliers=12)
    assert sum(off.values()) / 3 < 0.05


def test_a_source_with_very_many_rows_does_not_outvote_the_others():
    def moved(number):
        many = [Made(OLD, "one", 0.5, source="many")] * number
        few = [Made(OLD, "one", 0.0, source="few")] * 40
        begin, found = fitted(many + few, {"exchange": 0.1})
        return value(found, OLD, "one", "exchange") - value(begin, OLD, "one", "exchange")

    assert moved(400) == pytest.approx(moved(40), rel=1e-6)
    assert moved(10) < moved(40)
