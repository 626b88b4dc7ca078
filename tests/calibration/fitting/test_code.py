"""Code around the kernels of published steps: found again, borrowed, left out."""

import numpy as np
import pytest

from calibration.fitting import code as fit_code
from calibration.fitting.code import BORROWED, borrowed, joined, timed
from calibration.fitting.eager import Timed
from calibration.measurement import Case, Measurement, Provenance
from calibration.predict import Prediction, Predictor, Skipped
from calibration.shapes import TransformerStep
from hwsim.cost.calibration import Eager, load, load_for
from hwsim.hardware import catalog

TRUE = Eager(products=1.1, streams=1.5, launch=6e-5, spread=0.1)
PLAN = {"dp": 2, "tp": 1, "pp": 1, "cp": 1, "recompute": "full", "attention": "eager"}


def known(device):
    return load_for(device).model_copy(update={"eager": {"transformer": TRUE}})


def steps(device="a100-sxm-80gb", dtype="fp16", **changes):
    predict = Predictor(known)
    for layers, hidden, micro in (
        (2, 512, 1),
        (2, 1024, 4),
        (3, 1024, 1),
        (4, 768, 2),
        (2, 2048, 2),
    ):
        sizes = {"hidden": hidden, "heads": 8, "kv_heads": 8, "ffn": 4 * hidden, "layers": layers}
        rest = {"vocab": 1000, "seq": 512, "gated_mlp": 0, "micro_batch": micro}
        shape = TransformerStep(**sizes, **rest, **PLAN | changes, global_batch=8 * micro)
        link = {"devices_per_node": 8, "intra_link": "nvlink3-nvswitch"}
        case = Case(shape=shape, device=device, dtype=dtype, devices=shape.devices, **link)
        given = case.model_dump() | {"shape": shape}
        made = Measurement(**given, seconds=1.0, provenance=Provenance(source="made"))
        answer = predict(made)
        seconds = answer.seconds if isinstance(answer, Prediction) else 1.0
        yield made.model_copy(update={"seconds": seconds})


@pytest.fixture(scope="module")
def codes():
    bare = lambda device: load_for(device).model_copy(update={"eager": {}})  # noqa: E731
    return fit_code.fit_code(timed(steps(), bare))


def test_known_code_is_found_again(codes):
    found = codes["a100-sxm-80gb", "transformer"].eager
    assert found.launch == pytest.approx(TRUE.launch, rel=0.1)
    assert found.products == pytest.approx(TRUE.products, rel=0.2)


@pytest.mark.parametrize("dtype", ["bf16", "fp8"])
def test_the_true_factors_leave_nothing(dtype):
    device = catalog.load("h100-sxm-80gb").device
    for case in steps("h100-sxm-80gb", dtype, dp=1):
        one = Timed(case, device, known(device))
        values = np.array([TRUE.products, TRUE.streams, TRUE.launch])
        assert one.residual(values) == pytest.approx(0.0, abs=1e-9)


def test_another_device_borrows_it_with_a_wider_interval(codes):
    default, layers = joined((load(), {}), codes)
    assert layers["a100-sxm-80gb"].eager["transformer"].launch == pytest.approx(6e-5, rel=0.1)
    assert default.eager["transformer"].spread >= BORROWED
    assert "a100-sxm-80gb" in default.sources["eager.transformer"]
    assert borrowed(codes, "speech") is None


def test_a_plan_that_is_not_costed_is_fitted_to_nothing_and_skipped():
    cases = list(steps(experts=8, topk=2))
    assert timed(cases, load_for) == []
    assert isinstance(fit_code.predictor(cases, "model")(cases[0]), Skipped)


def test_a_model_is_predicted_from_the_others():
    cases = list(steps())
    predict = fit_code.predictor(cases, "model")
    for case in cases:
        answer = predict(case)
        assert isinstance(answer, Prediction)
        assert answer.seconds == pytest.approx(case.seconds, rel=0.25)
        assert answer.low < answer.seconds < answer.high


def test_without_steps_on_any_device_the_kernels_stand_alone():
    case = next(steps())
    alone = fit_code.predictor([case], "device")(case)
    bare = Predictor(lambda device: load_for(device).model_copy(update={"eager": {}}))(case)
    assert alone == bare
    assert catalog.load("a100-sxm-80gb").device.launch.dispatch < TRUE.launch
