"""What is fitted to made-up measurements of a known machine is that machine."""

import numpy as np
import pytest

from calibration.fitting.eager import Timed, fit_eager
from calibration.fitting.folds import even_folds
from calibration.fitting.host import fit_host, levels_of
from calibration.measurement import Case, Measurement, Provenance
from calibration.predict.families import family_of
from calibration.predict.kernels import kernels_of
from calibration.predict.steps import workload_of
from calibration.shapes import Gemm, Launch, Pointwise, WorkloadStep
from hwsim.cost.calibration import Eager, Host, load
from hwsim.cost.rates import rates
from hwsim.cost.roofline import kernel_cost
from hwsim.hardware import catalog
from hwsim.parallel.plan import Plan
from hwsim.simulate.step import simulate

SYSTEM = catalog.load("cpu-epyc")
TRUE = Host(
    products=0.8,
    convolutions=0.5,
    streams=0.1,
    packing=3.0,
    levels=((1e5, 3.0), (1e7, 1.0)),
    launch=1.5e-6,
    spread=0.1,
)
STEPS = Eager(products=1.3, streams=4.0, launch=9e-6, spread=0.1)


def timed(shape, seconds=None):
    case = Case(shape=shape, device="cpu-epyc", dtype="fp32", timing="call")
    under = load().model_copy(update={"host": TRUE})
    reached = rates(SYSTEM.device, under, "fp32", timing="call")
    if seconds is None:
        kernels = kernels_of(shape, "fp32")
        seconds = sum(kernel_cost(kernel, reached, "fp32").seconds for kernel in kernels)
    given = case.model_dump() | {"shape": shape}
    return Measurement(**given, seconds=seconds, provenance=Provenance(source="made"))


@pytest.fixture(scope="module")
def kernels():
    sides = (16, 33, 64, 100, 256, 512, 1024)
    shapes = [Gemm(m=m, n=n, k=n) for m in (8, 32, 512) for n in sides]
    for op in ("add", "gelu", "softmax"):
        shapes += [
            Pointwise(
                op=op, rows=rows, cols=256, bytes_moved=(3 if op == "add" else 2) * 1024 * rows
            )
            for rows in (4, 16, 64, 256, 1024, 4096, 16384)
        ]
    return [timed(shape) for shape in (*shapes, Launch(mode="eager"))]


def test_a_known_machine_is_found_again(kernels):
    found = fit_host(kernels, SYSTEM.device, even_folds(kernels))
    assert found.host.products == pytest.approx(TRUE.products, rel=0.15)
    assert found.host.packing == pytest.approx(TRUE.packing, rel=0.25)
    assert found.host.launch == pytest.approx(TRUE.launch, rel=0.1)
    assert np.median(np.abs(found.residuals)) < 0.05
    assert set(found.free) == {"convolutions"}  # nothing of the kind was measured


def test_levels_are_those_of_kernels_that_only_move(kernels):
    levels = levels_of(kernels, SYSTEM.device, TRUE.launch)
    sizes, shares = zip(*levels, strict=True)
    assert list(sizes) == sorted(sizes)
    true = np.interp(np.log(sizes), np.log([1e5, 1e7]), np.log([3.0, 1.0]))
    assert np.log(shares) == pytest.approx(true, abs=0.02)
    assert max(shares) > 2 * min(shares)


def test_without_streams_the_stated_bandwidth_holds_everywhere():
    assert levels_of([timed(Gemm(m=9, n=9, k=9))], SYSTEM.device, 1e-6) == ((1.0, 1.0),)


def steps():
    under = load().model_copy(update={"host": TRUE, "eager": {"charlm": STEPS}})
    for hidden, batch in ((16, 32), (64, 32), (256, 8), (512, 4), (128, 64), (64, 256)):
        shape = WorkloadStep(workload="charlm-small", settings={"hidden": hidden, "batch": batch})
        one = timed(shape, 1.0)
        seconds = simulate(SYSTEM, workload_of(one, shape), Plan(), under).seconds
        yield one.model_copy(update={"seconds": seconds})


def test_steps_of_a_known_framework_are_found_again():
    under = load().model_copy(update={"host": TRUE})
    found = fit_eager([Timed(one, SYSTEM.device, under) for one in steps()])
    assert found is not None
    for name in ("products", "streams", "launch"):
        assert getattr(found.eager, name) == pytest.approx(getattr(STEPS, name), rel=0.1)
    assert np.median(np.abs(found.residuals)) < 0.1


def test_two_steps_tell_no_three_parameters():
    assert fit_eager([Timed(one, SYSTEM.device, load()) for one in steps()][:2]) is None


def test_a_small_charlm_is_of_the_family_of_charlm_and_a_product_of_none():
    assert family_of(next(steps())) == "charlm"
    assert family_of(timed(Gemm(m=9, n=9, k=9))) is None
