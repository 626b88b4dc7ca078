"""Verdicts by the stated rule, and tables of them."""

import math

import pytest

from calibration.reproduce.claims.judged import Claim, details, overview
from calibration.reproduce.effects import Effect


def claim(effect, least=-math.inf, most=0.0, **fields):
    return Claim("id", "Steps fall", "speech", "exponent", effect, least, most, **fields)


@pytest.mark.parametrize(
    ("effect", "verdict"),
    [
        (Effect(-1.0, -1.5, -0.5), "holds"),
        (Effect(-1.0, -2.5, 0.5), "holds weakly"),
        (Effect(-1.0, -4.0, 2.0), "not seen"),
        (Effect(1.0, -0.5, 2.0), "not seen"),
        (Effect(-1.0), "holds"),
        (Effect(1.0), "not seen"),
        (Effect(-1.0, -math.inf, math.inf), "holds weakly"),
        (Effect(1.0, -math.inf, math.inf), "not seen"),
        (Effect(math.nan, math.nan, math.nan), "not measured"),
        (None, "not measured"),
    ],
)
def test_the_rule(effect, verdict):
    assert claim(effect).verdict == verdict


def test_a_band_has_two_ends():
    assert claim(Effect(1.0, 0.9, 1.1), 0.8, 1.25).verdict == "holds"
    assert claim(Effect(1.0, 0.7, 1.1), 0.8, 1.25).verdict == "holds weakly"
    assert claim(Effect(1.3, 1.2, 1.4), 0.8, 1.25).verdict == "not seen"
    assert claim(None, 0.8, 1.25).rule == "above 0.8 and below 1.25"


def test_another_condition_bounds_the_verdict():
    sure = Effect(-1.0, -1.5, -0.5)
    assert claim(sure, at_best="holds weakly").verdict == "holds weakly"
    assert claim(sure, at_best="not seen").verdict == "not seen"


def test_a_record_has_finite_numbers_or_none():
    known = claim(Effect(-1.0, -1.5, -0.5)).record()
    assert (known["value"], known["low"], known["high"]) == (-1.0, -1.5, -0.5)
    unknown = claim(Effect(-1.0, -math.inf, math.inf)).record()
    assert (unknown["value"], unknown["low"], unknown["high"]) == (-1.0, None, None)
    assert claim(None).record()["value"] is None


def test_tables_hold_any_text():
    odd = claim(Effect(-1.0), note="a|b\nc")
    assert details([odd]).splitlines()[-1].endswith(r"| holds | a\|b c |")
    assert overview([odd]).splitlines() == [
        "| claim | speech |",
        "|---|---|",
        "| Steps fall | holds |",
    ]
