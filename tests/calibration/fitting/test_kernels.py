"""Fits to made-up times: parameters come back, what is left out is not seen, strangers are."""

from dataclasses import replace

import numpy as np
import pytest

from calibration.fitting.borrow import borrowed, mean
from calibration.fitting.kernels import Fit, Group, Key, fit, groups, held_out, key_of
from calibration.fitting.layers import calibrations, fit_all, provider
from calibration.fitting.spreads import spread_of, tail_of
from calibration.measurement import Measurement, Provenance
from calibration.predict import Predictor, Skipped
from calibration.shapes import Collective, Gemm, Pointwise, Recurrent
from calibration.validation.refit import predictor
from hwsim.cost.calibration import load, load_for
from hwsim.hardware import catalog

TRUTH = {"reach": 0.8, "half": 12.0, "setup": 30.0, "memory": 0.6, "launch": 2e-5}
KEY = Key("products", "vector fp32")
SIZES = [(m, n, k) for m in (512, 1760, 4096) for n in (16, 64, 700, 3000) for k in (512, 2560)]


def product(m, n, k, device="v100-pcie-16gb", seconds=1.0):
    return Measurement(
        shape=Gemm(m=m, n=n, k=k),
        device=device,
        dtype="fp32",
        engine="vector",
        timing="kernel",
        seconds=seconds,
        provenance=Provenance(source="lab"),
    )


def made(device="v100-pcie-16gb", factor=1.0):
    """Cases whose times follow from `TRUTH`."""
    cases = [product(*sizes, device) for sizes in SIZES]
    ((_, group),) = groups(cases).items()
    times = factor * np.exp(group.residuals(Fit(TRUTH, {})))
    return [c.model_copy(update={"seconds": float(t)}) for c, t in zip(cases, times, strict=True)]


def test_parameters_come_back():
    ((name, group),) = groups(made()).items()
    assert name == ("v100-pcie-16gb", KEY)
    found = fit(group)
    assert np.abs(group.residuals(found)).max() < 0.05
    assert found.values["reach"] == pytest.approx(TRUTH["reach"], rel=0.1)
    assert found.values["launch"] == pytest.approx(TRUTH["launch"], rel=0.1)
    assert found.narrow == {}


def test_what_the_data_do_not_tell_is_named_and_stays():
    ((_, group),) = groups([product(8192, 8192, 8192, seconds=0.1)]).items()
    found = fit(group)
    assert {"launch", "memory"} <= set(found.free)
    assert found.values["launch"] == pytest.approx(1e-5, rel=0.1)


def test_held_out_residuals_are_those_of_other_sizes():
    ((_, group),) = groups(made()).items()
    seen = []

    def spy(part):
        seen.append({case.shape for case in part.cases})
        return Fit(TRUTH, {})

    found = held_out(group, spy)
    assert np.allclose(found, 0.0)
    for fold, shapes in zip(sorted(set(group.folds)), seen, strict=True):
        left_out = {c.shape for c, f in zip(group.cases, group.folds, strict=True) if f == fold}
        assert not left_out & shapes


def test_eight_in_ten_residuals_are_within_the_spread():
    residuals = np.random.default_rng(1).standard_normal(4000) * 0.3
    assert spread_of(residuals) == pytest.approx(0.3, rel=0.05)
    assert spread_of(residuals[:3]) == 0.45


def test_ninety_five_in_a_hundred_residuals_are_within_the_tail():
    heavy = np.random.default_rng(1).standard_t(2, 4000)
    assert np.mean(np.abs(heavy) < 1.96 * tail_of(heavy)) == pytest.approx(0.95, abs=0.002)
    assert tail_of(heavy) > 1.3 * spread_of(heavy)
    assert tail_of(heavy[:39]) is None


def test_tiles_of_batches_come_back():
    truth = Fit(TRUTH, {}, batched=("128x128",), depth=64)
    cases = [
        product(m, n, k).model_copy(update={"shape": Gemm(batch=batch, m=m, n=n, k=k)})
        for batch in (40, 500)
        for m, n in ((96, 96), (128, 200), (512, 512), (700, 64))
        for k in (64, 96, 160, 512)
    ]
    ((_, group),) = groups(cases).items()
    times = np.exp(group.residuals(truth))
    group = Group(
        group.key,
        [c.model_copy(update={"seconds": float(t)}) for c, t in zip(cases, times, strict=True)],
    )
    found = fit(group)
    assert found.depth == truth.depth
    # Tiles that are never the fastest may come along.
    assert {"128x128"} <= set(found.batched) <= {"128x128", "128x64", "128x32"}
    assert np.median(np.abs(group.residuals(found))) < 0.03


def test_few_cases_are_drawn_to_their_kin():
    kin = [*made("titanx-pascal", 1.5), *made("gtx1080ti", 1.5)]
    one = product(4096, 3000, 2560, "p4", 0.02)
    fitted = fit_all([*kin, one], spreads=False)
    own, other = fitted["p4", KEY], fitted["gtx1080ti", KEY]
    assert own.kin.name == "pascal"
    assert own.fit.values["launch"] == pytest.approx(other.fit.values["launch"], rel=0.3)
    assert abs(own.group.residuals(own.fit)[0]) < 0.5 * abs(own.group.residuals(own.kin.fit)[0])
    alone = fit_all([one], spreads=False, kin=load_for)["p4", KEY]
    assert alone.kin.name == "p4"


def test_the_next_device_is_less_certain_than_those_that_are_known():
    fitted = fit_all(made() + made("titanx-pascal", 1.5) + made("gtx1080ti"), spreads=False)
    few = borrowed(list(fitted.values())[:2])
    assert few is not None
    off = [one.group.residuals(other.fit) for one, other in pairs(list(fitted.values())[:2])]
    assert few.inner == pytest.approx(1.125 * spread_of(np.concatenate(off)), rel=1e-6)
    assert borrowed(list(fitted.values())[:1]) is None


def pairs(two):
    return [(two[0], two[1]), (two[1], two[0])]


def test_no_entry_for_what_nothing_is_fitted_to():
    blank = product(1, 1, 1).model_copy(update={"seconds": None})
    ring = product(1, 1, 1).model_copy(
        update={"shape": Collective(collective="all_reduce", bytes=8)}
    )
    unknown = product(1, 1, 1, device="v101")
    assert [key_of(case) for case in (blank, ring, unknown)] == [None, None, None]
    stream = Pointwise(op="add", rows=8, cols=8, bytes_moved=768)
    assert key_of(product(1, 1, 1).model_copy(update={"shape": stream})) == Key("streams")


def test_layers_hold_the_device_its_architecture_and_the_mean():
    fitted = fit_all(made() + made("titanx-pascal", 1.5), spreads=False)
    default, layers = calibrations(fitted)
    assert set(layers) == {"v100-pcie-16gb", "titanx-pascal", "volta", "pascal"}
    reach = [layers[n].products["vector fp32"]["kernel"].reach for n in ("volta", "pascal")]
    whole = default.products["vector fp32"]["kernel"].reach
    assert whole == pytest.approx(np.sqrt(reach[0] * reach[1]), rel=1e-3)
    shipped = {name: n for name, n in load().rows.items() if name.startswith("collective/")}
    assert default.rows == {"gemm/lab": 2 * len(SIZES), **shipped}
    assert default.links == load().links
    calibration = provider((default, layers))
    assert calibration(catalog.load("titanv").device).name == "volta"
    assert calibration(catalog.load("l4").device).name == default.name


def test_a_tile_that_half_do_not_have_is_not_in_the_mean():
    some, none = Fit(TRUTH, {"32": "128x128"}), Fit(TRUTH, {})
    assert mean([some, some, none]).narrow == {"32": "128x128"}
    assert mean([some, none]).narrow == {}


def test_a_tile_stays_with_its_architecture():
    tiled = {
        name: replace(one, fit=replace(one.fit, narrow={"32": "128x128"}))
        for name, one in fit_all(made(), spreads=False).items()
    }
    default, layers = calibrations(tiled)
    assert layers["volta"].products["vector fp32"]["kernel"].narrow == {"32": "128x128"}
    assert default.products["vector fp32"]["kernel"].narrow == {}


def layer(way, hidden, batch):
    shape = Recurrent(cell="lstm", way=way, hidden=hidden, batch=batch, timesteps=50)
    return product(1, 1, 1, "p100-pcie-16gb").model_copy(update={"shape": shape})


def test_a_chain_that_stalls_is_told_from_a_slow_device():
    sizes = [(hidden, batch) for hidden in (512, 1024, 1536, 2048) for batch in (16, 32, 64, 128)]
    cases = [layer(way, *size) for way in ("forward", "backward_data") for size in sizes]
    ((_, blank),) = groups(cases).items()
    truth = {"reach": 0.9, "half": 8.0, "setup": 16.0, "memory": 0.75, "launch": 2e-5}
    stalled = Fit({**truth, "start": 1e-4, "stall": 1e-7}, {"32": "128x32"})
    times = np.exp(blank.residuals(stalled))
    measured = [
        case.model_copy(update={"seconds": float(time)})
        for case, time in zip(cases, times, strict=True)
    ]
    ((_, group),) = groups(measured).items()
    found = fit(group)
    assert set(found.narrow) == {"32"}
    assert found.values["stall"] == pytest.approx(1e-7, rel=0.2)
    assert np.median(np.abs(group.residuals(found))) < 0.02


@pytest.mark.parametrize("split", ["device", "shape", "source"])
def test_a_case_does_not_change_its_own_prediction(split):
    cases = made() + made("titanx-pascal", 1.5)
    spoiled = [c.model_copy(update={"seconds": 100 * c.seconds}) for c in cases[: len(SIZES)]]
    if split == "shape":  # one size, on both devices
        spoiled = [cases[0].model_copy(update={"seconds": 1.0}), *cases[1 : len(SIZES)]]
    others = cases[len(SIZES) :]
    if split == "source":
        provenance = Provenance(source="elsewhere")
        others = [c.model_copy(update={"provenance": provenance}) for c in others]
    known, changed = (
        predictor([*first, *others], split) for first in (cases[: len(SIZES)], spoiled)
    )
    assert known(cases[0]).seconds == changed(spoiled[0]).seconds


def test_an_anchor_is_seen_and_not_predicted():
    cases = made() + made("titanx-pascal", 1.5)
    blind, anchored = (predictor(cases, "device", anchor) for anchor in (0, 1))
    mine = cases[: len(SIZES)]
    answers = [anchored(case) for case in mine]
    (skipped,) = [number for number, one in enumerate(answers) if isinstance(one, Skipped)]
    assert (mine[skipped].shape.m, mine[skipped].shape.n) == (4096, 3000)
    rest = [case for number, case in enumerate(mine) if number != skipped]
    far, near = (
        np.median([abs(np.log(predict(case).seconds / case.seconds)) for case in rest])
        for predict in (blind, anchored)
    )
    assert near < 0.7 * far


def test_without_a_split_the_shipped_calibrations_predict():
    case = product(512, 512, 512)
    assert predictor([case], "none")(case) == Predictor()(case)
