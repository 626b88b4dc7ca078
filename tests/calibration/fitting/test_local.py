"""What was measured on a machine becomes the machine `local`, and only there."""

import json

import pytest
from typer.testing import CliRunner

from calibration.calibrate_cli import app
from calibration.fitting import local
from calibration.measurement import Case, Measurement, Provenance, write
from calibration.predict import Prediction, Predictor, Skipped
from calibration.predict.families import family_of
from calibration.shapes import (
    Collective,
    Convolution,
    Gemm,
    Launch,
    Pointwise,
    Update,
    WorkloadStep,
)
from calibration.validation import refit
from hwsim.cost.calibration import load, load_for
from hwsim.cost.collectives import all_reduce
from hwsim.errors import InputError
from hwsim.estimation import estimate
from hwsim.hardware import catalog
from hwsim.parallel.plan import Plan
from hwsim.parallel.price import ANY
from workloads.charlm import CharLMSmall
from workloads.wordlm import WordLM

CPU = Provenance(source="local", machine="Made CPU, 2 cores, 8 GiB", note="1 thread, warm caches")


def timed(shape, seconds, device="local", provenance=CPU, **fields):
    given = {"timing": "call", "dtype": "fp32", **fields}
    case = Case(shape=shape, device=device, **given)
    return Measurement(
        **case.model_dump() | {"shape": shape}, seconds=seconds, provenance=provenance
    )


def made(device="local", provenance=CPU, peak=1e11, bandwidth=2e10, **fields):
    """A machine of constant rates whose code takes 20 us for each of 4 kernels a character."""
    at = {"device": device, "provenance": provenance, **fields}
    for side in (16, 32, 64, 128, 256, 512, 1024):
        product = Gemm(m=side, n=side, k=side)
        yield timed(product, 1e-6 + 2 * side**3 / peak, **at)
        moved = 12 * 256 * side
        stream = Pointwise(op="add", rows=side, cols=256, bytes_moved=moved)
        yield timed(stream, 1e-6 + moved / bandwidth, **at)
    yield timed(Launch(mode="eager"), 1e-6, **at)
    for hidden in (32, 48, 64, 96, 128, 192, 256):
        shape = WorkloadStep(workload="charlm-small", settings={"hidden": hidden, "batch": 16})
        flops = CharLMSmall(hidden=hidden, batch=16).graph().matrix_flops
        yield timed(shape, 4 * 60 * 20e-6 + flops / peak, **at)


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("HWSIM_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(local, "machines", lambda: [CPU.machine])
    path = tmp_path / "mine.jsonl"
    write(path, made())
    return path


def fit(*words):
    return CliRunner().invoke(app, ["fit", *map(str, words)])


def test_a_fit_makes_the_machine_local(file):
    done = fit(file)
    assert done.exit_code == 0, done.exception
    assert "charlm" in done.stdout
    system = catalog.load("local")
    assert system.device.vector.fp32 == pytest.approx(1e11, rel=0.1)
    assert system.device.memory.capacity == 8 * 2**30
    # The step's own time: one of the sizes that were measured.
    answer = estimate(system, CharLMSmall(hidden=128, batch=16))
    flops = CharLMSmall(hidden=128, batch=16).graph().matrix_flops
    assert answer.step.seconds == pytest.approx(4 * 60 * 20e-6 + flops / 1e11, rel=0.15)
    assert "measured on the machine itself" in answer.assumptions[0]


def test_a_workload_that_was_not_measured_is_like_the_others_and_less_sure(file):
    assert fit(file).exit_code == 0
    system = catalog.load("local")
    entries = load_for(system.device).eager
    assert entries[ANY].spread > entries["charlm"].spread
    sizes = {"hidden": 64, "batch": 2, "sequence": 5}
    own, other = (estimate(system, w).step for w in (CharLMSmall(batch=2), WordLM(**sizes)))
    assert other.high / other.low > own.high / own.low


def test_what_was_measured_elsewhere_is_refused_unless_it_is_borrowed(file, monkeypatch):
    monkeypatch.setattr(local, "machines", lambda: ["Another CPU"])
    done = fit(file)
    assert isinstance(done.exception, InputError)
    assert "Made CPU" in str(done.exception)
    assert fit(file, "--borrow").exit_code == 0


@pytest.mark.parametrize(
    ("cases", "said"),
    [
        ([*made(), *made(provenance=CPU.model_copy(update={"machine": "B, 1 GiB"}))], "several"),
        ([case for case in made() if case.kind != "gemm"], "no product"),
        ([case for case in made() if case.kind != "pointwise"], "no elementwise"),
        ([*made()][:4], "4 kernels"),
        ([*made(), *made(provenance=CPU.model_copy(update={"note": "2 threads"}))], "2 threads"),
        (list(made(provenance=CPU.model_copy(update={"machine": None}))), "--out"),
        (list(made(provenance=CPU.model_copy(update={"versions": "CUDA 13"}))), "docs/hardware.md"),
    ],
)
def test_measurements_that_do_not_make_a_machine_are_refused(file, cases, said):
    write(file, cases)
    done = fit(file)
    assert isinstance(done.exception, InputError)
    assert said in str(done.exception)


def test_processes_that_sum_over_gloo_are_a_node():
    spread = {"devices": 2, "devices_per_node": 2, "intra_link": "gloo"}
    sums = [
        timed(Collective(collective="all_reduce", bytes=size), 2e-4 + size / 1e9, **spread)
        for size in (2**power for power in range(10, 27, 2))
    ]
    cases = [*made(), *sums]
    system = local.describe(cases)
    assert system.node.devices == 2
    under = load().over(local.fit(cases, system, "made").layer)
    for one in sums:
        found = all_reduce(one.shape.bytes, 2, system, under)
        assert found == pytest.approx(one.seconds, rel=0.2)


def test_a_gpu_keeps_its_description_and_gets_kernels_and_code():
    gpu = Provenance(source="local", machine="Tesla V100-SXM2-16GB, 16 GiB on Made CPU")
    cases = list(made("v100-sxm2-16gb", gpu, peak=1.2e13, bandwidth=7e11, engine="vector"))
    system = local.describe(cases)
    assert (system.device.name, system.device.multiprocessors) == ("local", 80)
    found = local.fit(cases, system, "made")
    assert found.layer.name == "local"
    assert set(found.layer.eager) == {"charlm", ANY}
    assert found.layer.products["vector fp32"]["call"].launch > 0
    answer = estimate(system, CharLMSmall(hidden=64, batch=16), Plan(), under(found))
    assert answer.step.seconds == pytest.approx(4 * 60 * 20e-6, rel=0.3)


def under(found):
    return load_for(catalog.load("v100-sxm2-16gb").device).over(found.layer)


def test_a_split_by_shape_predicts_sizes_that_were_not_fitted(file):
    assert fit(file).exit_code == 0
    cases = list(made())
    predict = refit.predictor(cases, "shape")
    for case in cases:
        answer = predict(case)
        assert isinstance(answer, Prediction)
        assert answer.low < answer.seconds < answer.high
    steps = [case for case in cases if case.kind == "step"]
    for case in steps[1:3]:
        assert predict(case).seconds == pytest.approx(case.seconds, rel=0.3)


@pytest.mark.parametrize(
    ("shape", "family"),
    [
        (Update(optimizer="adam", parameters=9, how="foreach"), "update.foreach"),
        (Launch(mode="training"), "launch.training"),
        (Pointwise(op="gelu", rows=1, cols=1, bytes_moved=8), "pointwise.gelu"),
        (Gemm(m=1, n=1, k=1), None),
    ],
)
def test_families(shape, family):
    assert family_of(Case(shape=shape)) == family


def test_the_file_says_what_it_is_from(file, tmp_path):
    assert fit(file).exit_code == 0
    tree = json.loads((tmp_path / "data" / "local.json").read_text())
    assert tree["schema"] == "hwsim.local/1"
    assert "hwsim calibrate fit mine.jsonl" in tree["calibration"]["sources"]["fitted"]
    assert "Made CPU" in tree["system"]["device"]["sources"]["vector.fp32"]


def test_a_convolution_on_a_cpu_is_predicted():
    sizes = {"n": 1, "c": 8, "h": 16, "w": 16, "k": 8, "r": 3, "s": 3}
    rest = {"pad_h": 1, "pad_w": 1, "stride_h": 1, "stride_w": 1}
    one = timed(Convolution(way="forward", **sizes, **rest), 1e-4)
    found = local.fit([*made(), one], local.describe([*made()]), "made")
    assert "convolutions" not in (found.host.free if found.host else ())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--device", "p4"), "--out"),
        (("--borrow", "--out", "x"), "--borrow"),
        (("--borrow", "--advise", "--hw", "p4", "--model", "charlm"), "--advise"),
    ],
)
def test_an_option_without_effect_is_refused(file, words, said):
    done = fit(file, *words)
    assert isinstance(done.exception, InputError)
    assert said in str(done.exception)


def test_what_is_local_elsewhere_is_not_predicted_here(file):
    assert fit(file).exit_code == 0
    here, there = (
        next(made(provenance=CPU.model_copy(update={"machine": machine})))
        for machine in (CPU.machine, "Other CPU, 64 cores")
    )
    predict = Predictor()
    assert isinstance(predict(here), Prediction)
    assert isinstance(predict(there), Skipped)
    assert "Other CPU" in predict(there).why


def test_code_that_issues_to_a_gpu_tells_nothing_of_a_cpu(file):
    assert "transformer" in load().software
    assert fit(file).exit_code == 0
    assert not load_for(catalog.load("local").device).software
