"""Fits of links: parameters are found again, what is left out stays out, untold ones are named."""

import numpy as np
import pytest

from calibration.fitting.links import (
    batches,
    calibrated,
    fit,
    held_out,
    predictor,
    size_group,
    size_of,
    system_group,
)
from calibration.measurement import Measurement, Provenance
from calibration.predict import Predictor, Skipped
from calibration.shapes import Collective, Gemm
from hwsim.cost.calibration import Reach, load

DEFAULT = load()
SIZES = [2**power for power in range(10, 34, 2)]
TRUTH = Reach(share=0.7, latency=1.2, call=2e-5, fill=1.5, short=0.3)
A100 = {"device": "a100-sxm-80gb", "intra_link": "nvlink3-nvswitch"}
P100 = {"device": "p100-pcie-16gb", "intra_link": "pcie3-dualroot"}


def summed(size, devices=8, seconds=1.0, source="lab", **fields):
    provenance = Provenance(source=source)
    shape = Collective(collective="all_reduce", algorithm="ring", bytes=size)
    fields = {"devices": devices, "devices_per_node": min(devices, 8), **A100, **fields}
    return Measurement(shape=shape, seconds=seconds, provenance=provenance, **fields)


def timed(cases, links):
    """The cases with the seconds that these links would take."""
    predict = Predictor(lambda _: DEFAULT.model_copy(update={"links": links}))
    return [case.model_copy(update={"seconds": predict(case).seconds}) for case in cases]


def made(**fields):
    links = DEFAULT.links.model_copy(update={"nvlink": TRUTH, "host": TRUTH})
    return timed([summed(size, n, **fields) for size in SIZES for n in (2, 4, 8)], links)


def test_a_fit_finds_the_parameters_again():
    found = fit(batches(made()), DEFAULT.links)
    assert found.fitted == ("nvlink",)
    assert found.free == ()
    for name in ("share", "latency", "call", "fill", "short"):
        assert getattr(found.links.nvlink, name) == pytest.approx(getattr(TRUTH, name), rel=0.1)
    assert found.links.other == found.links.nvlink
    assert found.links.pcie == DEFAULT.links.pcie
    assert found.links.nvlink.taken == DEFAULT.links.nvlink.taken > 0


def test_what_long_messages_can_not_tell_is_named():
    links = DEFAULT.links.model_copy(update={"nvlink": TRUTH})
    cases = timed([summed(2**34, n) for n in (2, 4, 8)], links)
    found = fit(batches(cases), DEFAULT.links)
    assert {"nvlink.latency", "nvlink.call", "nvlink.short"} <= {*found.free}
    assert "nvlink.share" not in found.free
    told = calibrated(DEFAULT, cases).sources["links.nvlink"]
    assert told.startswith("fitted to 3 cases of collective/lab; they do not tell")


def test_two_rates_of_processes_on_one_cpu_are_found():
    truth = Reach(share=0.3, latency=1, call=1e-4, fill=1, short=0.4, near=8e6, far=0.15)
    links = DEFAULT.links.model_copy(update={"gloo": truth})
    local = {"device": "cpu-epyc", "intra_link": "gloo"}
    cases = timed([summed(size, 2, **local) for size in SIZES[:-3]], links)
    found = fit(batches(cases), DEFAULT.links).links.gloo
    assert found.share == pytest.approx(0.3, rel=0.1)
    assert found.far == pytest.approx(0.15, rel=0.1)
    assert found.near == pytest.approx(8e6, rel=0.3)


def test_only_measured_collectives_on_known_links_are_fitted_to():
    provenance = Provenance(source="lab")
    product = Measurement(
        shape=Gemm(m=8, n=8, k=8), device="a30", seconds=1.0, provenance=provenance
    )
    blank = summed(8).model_copy(update={"seconds": None})
    strange = summed(8, intra_link="tin cans")
    alone = summed(8, 1)
    assert batches([product, blank, strange, alone]) == []
    assert calibrated(DEFAULT, [product, blank, strange, alone]) is None


@pytest.mark.parametrize("group", [system_group, size_group])
def test_a_case_does_not_change_its_own_residual(group):
    cases = made() + made(**P100)
    left = group(cases[0])
    spoiled = [
        case.model_copy(update={"seconds": 7 * case.seconds}) if group(case) == left else case
        for case in cases
    ]

    def residuals(of):
        return np.array([off for case, off in held_out(batches(of), group) if group(case) == left])

    assert residuals(spoiled) == pytest.approx(residuals(cases) - np.log(7))


@pytest.mark.parametrize("split", ["device", "shape", "source"])
def test_a_split_predicts_by_the_other_cases(split):
    cases = made() + made(source="elsewhere", **P100)
    first = cases[0]
    alike = {"device": system_group, "shape": size_group, "source": system_group}[split]
    spoiled = [
        case.model_copy(update={"seconds": 5.0}) if alike(case) == alike(first) else case
        for case in cases
    ]
    known, changed = (predictor(of, split)(of[0]) for of in (cases, spoiled))
    assert known.seconds == changed.seconds


def test_a_split_skips_what_has_no_known_link():
    strange = summed(8, intra_link="tin cans")
    assert isinstance(predictor([*made(), strange], "shape")(strange), Skipped)


def test_spreads_are_those_of_systems_that_were_left_out():
    slow = [c.model_copy(update={"seconds": 2 * c.seconds}) for c in made(source="slow")]
    found = calibrated(DEFAULT, made() + slow)
    assert 0.3 < found.links.spread < 1.0
    assert found.rows["collective/slow"] == len(slow)
    assert size_of(slow[0]) == SIZES[0]
