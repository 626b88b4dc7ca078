"""Whole training runs as steps of a workload on some devices."""

from pathlib import Path

import pytest

from calibration.measurement import Measurement, Provenance
from calibration.predict import Prediction, Predictor, Skipped
from calibration.predict.adapters import Adapted
from calibration.predict.basis import Basis
from calibration.predict.runs import SHARE, run_of, run_parts
from calibration.shapes import TrainingRun
from calibration.sources.tables import read
from hwsim.cost.calibration import load_for
from workloads.bert import Bert
from workloads.resnet import ResNet

TABLE = Path(__file__).resolve().parents[3] / ".." / "shared" / "data" / "training_runs.csv"
BASIS = Basis(load_for)


def case(benchmark="gpt3", model="gpt3-175b", note=None, source="mlperf", on=None, **shape):
    sizes = {"global_batch": 64, "steps": 100.0} | shape
    about = {"device": "h100-sxm-80gb", "devices": 64, "devices_per_node": 8} | (on or {})
    told = Provenance(source=source, note=note)
    run = TrainingRun(benchmark=benchmark, model=model, **sizes)
    return Measurement(shape=run, provenance=told, **about)


def run(*args, **fields):
    made = case(*args, **fields)
    return run_of(made, made.shape, BASIS)


def test_a_decoders_run_has_the_plan_of_its_note():
    made = run(note="v3.0 nvidia; tp 4 pp 8 cp 1", global_batch=256)
    assert (made.plan.tp, made.plan.pp, made.plan.dp) == (4, 8, 2)
    assert made.workload.dtype == "fp8"
    assert made.software == "nemo-2024"
    assert made.case.intra_link == "nvlink4-nvswitch"
    assert made.steps == 100.0


def test_without_a_plan_the_fastest_that_fits_is_taken():
    made = run("llama31_8b", "llama3.1-8b", "v5.1 nvidia", global_batch=64)
    assert made.plan.devices == 64
    assert any("the plan is not stated" in sentence for sentence in made.assumed)


def test_matrices_beside_adapters_are_held():
    made = run("llama2_70b_lora", "llama2-70b-lora", "v4.0 nvidia; tp 4 pp 1 cp 2", seq=8192)
    assert isinstance(made.workload, Adapted)
    assert made.workload.layers == 80
    assert made.plan.recompute == "none"
    assert made.workload.graph(1).parameters < 1e7


def test_formats_are_those_of_the_devices():
    older = run("gpt3", on={"device": "a100-sxm-80gb", "devices": 1024}, global_batch=1024)
    assert older.workload.dtype == "bf16"
    low = run("llama31_8b", "llama3.1-8b", "v5.1; tp 1 pp 1; submission holds an fp4 configuration")
    assert low.workload.dtype == "fp4"


def test_bert_leaves_out_padding_unless_its_length_is_stated():
    packed = run("bert", "bert-large", global_batch=6144).workload
    padded = run("bert", "bert-large", global_batch=6144, seq=512).workload
    assert isinstance(packed, Bert)
    assert packed.positions < padded.positions == 512
    assert (packed.dtype, padded.dtype) == ("fp8", "fp16")


def test_images_are_in_the_format_of_the_benchmarks_name():
    plain = run("resnet", "resnet50", global_batch=3200)
    assert isinstance(plain.workload, ResNet)
    assert (plain.workload.dtype, plain.workload.fused, plain.plan.dp) == ("fp16", True, 64)
    theirs = run("resnet50-tf32", "resnet50", source="dle", on={"device": "a100-sxm-80gb"})
    assert (theirs.workload.dtype, theirs.workload.fused) == ("tf32", False)


def test_batches_that_do_not_fit_accumulate():
    made = run("bert", "bert-large", on={"device": "a30", "devices": 2}, global_batch=2048)
    assert made.plan.micro_batch is not None
    assert made.plan.micro_batch < 1024


def test_devices_of_nobodys_count_add_up():
    one = case("pretraining", "llama-2-7b", "tokens 2e+12", "model-cards", on={"devices": None})
    sparse = one.model_copy(
        update={"shape": TrainingRun(benchmark="pretraining", model="llama-2-7b")}
    )
    made = run_of(sparse, sparse.shape, BASIS)
    assert made.copies == made.plan.devices
    assert made.steps == pytest.approx(2e12 / 2**22)


def test_a_run_is_its_steps_its_evaluations_and_the_rest():
    made = run("resnet", "resnet50", global_batch=3200, steps=14_012.76)
    step = sum(run_parts(made._replace(steps=1.0, evaluated=0.0, share=1.0), BASIS).values())
    assert made.share == SHARE
    # Eight evaluations of 50,000 images, a forward pass each.
    assert made.evaluated == pytest.approx(8 * 50_000 / 3200 / 3)
    whole = sum(run_parts(made, BASIS).values())
    assert whole == pytest.approx((made.steps + made.evaluated) * step / SHARE)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (case(steps=None), "steps: found nothing"),
        (case("bert", "bert-large", steps=None), "steps: found nothing"),
        (case("bert", "bert-large", global_batch=None), "global_batch: found nothing"),
        (case("unet3d", "unet3d"), "the layers of unet3d are not described yet"),
        (case(note="tp 3 pp 1 cp 1"), "devices: found 64, which tp 3 pp 1 cp 1 do not divide"),
        (case(note="includes distillation"), "other models were run besides, for distillation"),
        (case(on={"device": "p4", "devices": 1}), "none that was tried fits"),
        (case(on={"device": "nobody's"}), "nobody's"),
        (case("resnet", "resnet50", on={"device": "mi300x", "devices": 8}), "intra_link"),
    ],
)
def test_what_is_missing_is_told(row, why):
    answer = Predictor()(row)
    assert isinstance(answer, Skipped)
    assert why in answer.why


def test_no_result_is_read():
    row = case("resnet", "resnet50", global_batch=3200)
    told = row.model_copy(update={"seconds": 9.0, "spread": 0.5, "results": {"step_seconds": 9.0}})
    assert Predictor()(row) == Predictor()(told)


def test_a_run_without_a_table_of_it_names_its_assumptions():
    answer = Predictor()(case("resnet", "resnet50", global_batch=3200))
    assert isinstance(answer, Prediction)
    assert answer.low < answer.seconds < answer.high
    assert answer.roofline < answer.seconds
    assert any("evaluated" in sentence for sentence in answer.assumed)


@pytest.mark.skipif(not TABLE.exists(), reason="the public tables are not here")
def test_public_runs_of_resnet_are_within_a_fifth():
    rows = [
        row
        for row in read(str(TABLE))
        if isinstance(row.shape, TrainingRun) and row.shape.model == "resnet50"
    ]
    answers = [Predictor()(row) for row in rows]
    off = sorted(abs(a.seconds / row.seconds - 1) for a, row in zip(answers, rows, strict=True))
    assert off[len(off) // 2] < 0.2
