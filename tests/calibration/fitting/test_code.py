"""Code around the kernels of measured steps: found again, borrowed, left out."""

import math

import numpy as np
import pytest

from calibration.fitting.code import FAMILY, LEAST, UNKNOWN, codes, fit_code, joined, predictor
from calibration.fitting.code import steps_of as steps_under
from calibration.fitting.software import KNOBS
from calibration.measurement import Measurement, Provenance
from calibration.predict import Prediction, Skipped
from calibration.shapes import TransformerStep
from calibration.splits import GROUPS
from hwsim.cost.calibration import Code, load, load_for

OURS, THEIRS, LENT = "a100-sxm-80gb", "h100-sxm-80gb", "v100-sxm-32gb"
PROFILE, CHILD, STRANGER = "megatron-2022", "megatron-core-2024", "fsdp-2023"
TRUE = Code(products=1.12, streams=1.6, issue=6e-5, backward=0.8, step=2e-3, spread=0.1)
SIZES = [(2, 512, 1), (2, 1024, 4), (3, 1024, 1), (4, 768, 2), (2, 4096, 4), (3, 8192, 2)]


def bare(device):
    return load_for(device).model_copy(update={"software": {}})


def case(layers, hidden, micro, device=OURS, profile=PROFILE, source="made", **changes):
    shape = TransformerStep(
        **{"layers": layers, "hidden": hidden, "heads": 8, "kv_heads": 8, "ffn": 4 * hidden},
        **{
            "gated_mlp": 0,
            "vocab": 1000,
            "seq": 512,
            "global_batch": 4 * micro,
            "software": profile,
        },
        **{"micro_batch": micro, "dp": 2, "tp": 1, "pp": 1, "cp": 1},
        **{"recompute": "none", "attention": "eager"} | changes,
    )
    return Measurement(
        shape=shape,
        device=device,
        dtype="bf16" if device == THEIRS else "fp16",
        devices=shape.devices,
        devices_per_node=8,
        intra_link="nvlink3-nvswitch",
        seconds=1.0,
        provenance=Provenance(source=source),
    )


def timed(cases, code=TRUE):
    """The cases with the seconds that they have under a code."""
    return [
        step.case.model_copy(update={"seconds": math.exp(step.simulated(code))})
        for step in steps_under(cases, bare)
    ]


@pytest.fixture(scope="module")
def cases():
    own = [case(*sizes) for sizes in SIZES]
    return timed(own + [case(*sizes, device=THEIRS, source="other") for sizes in SIZES[::2]])


@pytest.fixture(scope="module")
def fit(cases):
    return fit_code(steps_under(cases, bare))


def test_steps_under_a_known_code_are_met(fit):
    for step in fit.steps:
        code = fit.parameters.code(PROFILE, step.device, LEAST)
        assert step.simulated(code) == pytest.approx(step.measured, abs=0.02)


def test_a_known_code_is_found_again(fit):
    found = fit.parameters.code(PROFILE, OURS, LEAST)
    assert found.issue == pytest.approx(TRUE.issue, rel=0.1)
    assert found.products == pytest.approx(TRUE.products, rel=0.1)
    assert fit.parameters.code(PROFILE, THEIRS, LEAST).issue == pytest.approx(TRUE.issue, rel=0.1)


def test_what_was_left_out_is_predicted_from_the_rest(fit):
    assert np.abs(fit.residuals).max() < 0.1
    assert LEAST <= fit.spread(PROFILE) < UNKNOWN
    assert fit.spread(STRANGER) is None
    assert codes(fit, fit.parameters, OURS)[STRANGER].spread == UNKNOWN


def test_steps_that_are_left_out_count_for_nothing(fit):
    left = [step.case.shape == fit.steps[0].case.shape for step in fit.steps]
    changed = [
        type(step)(step.case.model_copy(update={"seconds": 9.0}), *_rest(step)) if out else step
        for step, out in zip(fit.steps, left, strict=True)
    ]
    other = type(fit)(fit.parameters, tuple(changed), fit.points, fit.residuals)
    assert (fit.without(left).values == other.without(left).values).all()
    all_of_them = [False] * len(left)
    assert (fit.without(all_of_them).values != other.without(all_of_them).values).any()


def _rest(step):
    return step.row, step.system, step.kernels


@pytest.mark.parametrize("device", [OURS, THEIRS, None])
def test_every_profile_has_a_code_and_so_has_the_family(fit, device):
    found = codes(fit, fit.parameters, device)
    assert found.keys() == {*fit.parameters.profiles, FAMILY}
    assert all(LEAST <= code.spread <= UNKNOWN for code in found.values())
    assert found[FAMILY].spread == UNKNOWN
    for knob in KNOBS:
        values = [getattr(code, knob) for name, code in found.items() if name != FAMILY]
        assert min(values) * 0.999 <= getattr(found[FAMILY], knob) <= max(values) * 1.001


def test_kin_are_like_it_and_strangers_are_not(fit):
    found = codes(fit, fit.parameters, OURS)
    assert found[CHILD].issue == pytest.approx(found[PROFILE].issue, rel=1e-3)
    assert found[STRANGER].issue == pytest.approx(KNOBS["issue"].start, rel=1e-3)


def test_a_device_without_steps_borrows_with_a_wider_interval(fit):
    own, lent = (codes(fit, fit.parameters, device)[PROFILE] for device in (OURS, LENT))
    assert lent.issue == pytest.approx(own.issue, rel=0.2)
    assert lent.spread > own.spread
    assert codes(fit, fit.parameters, LENT) == codes(fit, fit.parameters, None)


def test_layers_have_the_codes_of_their_device_and_the_default_those_of_none(fit):
    default, layers = joined((load(), {}), fit)
    assert layers.keys() == {OURS, THEIRS}
    assert layers[OURS].software == codes(fit, fit.parameters, OURS)
    assert default.software == codes(fit, fit.parameters, None)
    assert layers[OURS].sources["software"].startswith("fitted to 6 steps of made;")
    assert default.sources["software"].startswith("fitted to 9 steps of made, other;")
    assert default.rows == {**load().rows, "step/made": 6, "step/other": 3}
    assert joined((load(), {}), None) == (load(), {})


def test_too_few_steps_are_fitted_to_nothing():
    assert fit_code(steps_under(timed([case(2, 512, 1)]), bare)) is None


def test_what_is_not_costed_or_not_timed_is_not_fitted_to():
    unknown = case(2, 512, 1, profile=None)
    blank = case(2, 512, 1).model_copy(update={"seconds": None})
    mixture = case(2, 512, 1, experts=8, topk=2)
    assert steps_under([unknown, blank, mixture, case(2, 512, 1, device="none")], bare) == []


@pytest.mark.parametrize("split", ["model", "shape", "source", "device"])
def test_steps_are_predicted_from_those_of_other_groups(cases, split):
    predict = predictor(cases, split)
    for one in cases:
        answer = predict(one)
        assert isinstance(answer, Prediction)
        # Of a device or a source all steps are left out together.
        near = 0.15 if split in ("model", "shape") else 0.5
        assert answer.seconds == pytest.approx(one.seconds, rel=near)
        assert answer.low95 <= answer.low < answer.seconds < answer.high <= answer.high95


@pytest.mark.parametrize("split", ["model", "device"])
def test_a_left_out_step_s_seconds_do_not_move_its_prediction(cases, split):
    group = GROUPS[split](cases[0])
    off = [GROUPS[split](one) == group for one in cases]
    changed = [
        one.model_copy(update={"seconds": 1.3 * one.seconds}) if out else one
        for one, out in zip(cases, off, strict=True)
    ]
    before, after = predictor(cases, split)(cases[0]), predictor(changed, split)(changed[0])
    # Slopes alone are those around the parameters of all, by which so little comes through.
    assert after.seconds == pytest.approx(before.seconds, rel=0.3 / 25)
    assert after.high / after.seconds == pytest.approx(before.high / before.seconds, rel=2e-2)


def test_a_plan_that_is_not_costed_is_skipped(cases):
    mixture = case(2, 512, 1, experts=8, topk=2)
    assert isinstance(predictor([*cases, mixture], "model")(mixture), Skipped)


def test_without_steps_the_kernels_stand_alone():
    one = timed([case(2, 512, 1)])[0]
    answer = predictor([one], "device")(one)
    assert answer.seconds < one.seconds
