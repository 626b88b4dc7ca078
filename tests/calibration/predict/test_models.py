"""One step of a named model."""

import pytest

from calibration.measurement import Measurement, Provenance
from calibration.predict import Prediction, Predictor, Skipped
from calibration.predict.models import step_of
from calibration.shapes import ModelStep
from workloads.bert import Bert
from workloads.resnet import ResNet


def case(model="resnet50", size="3x224x224", phase="training", devices=1, dtype="fp16", **fields):
    sizes = {"batch_per_device": 64, "grad_accum": 1} | fields
    return Measurement(
        shape=ModelStep(model=model, phase=phase, seq_or_image=size, **sizes),
        device="v100-sxm2-16gb",
        dtype=dtype,
        devices=devices,
        devices_per_node=8,
        provenance=Provenance(source="lab"),
    )


def step(**fields):
    made = case(**fields)
    return step_of(made.case, made.shape)


def test_a_residual_network_on_some_devices():
    made = step(model="resnet152", devices=4, dtype="fp32")
    assert isinstance(made.workload, ResNet)
    assert (made.workload.depth, made.workload.batch, made.workload.dtype) == (152, 256, "fp32")
    assert made.plan.dp == 4
    assert made.case.intra_link == "nvlink2"


def test_an_encoder_has_its_length_and_size():
    made = step(model="bert-base-squad", size="384").workload
    assert isinstance(made, Bert)
    assert (made.layers, made.positions, made.attention) == (12, 384, "eager")
    large = step(model="bert-large-pretrain", size="128").workload
    assert (large.hidden, large.predictions) == (1024, 20)


def test_accumulated_gradients_are_those_of_micro_batches():
    assert step(grad_accum=4).plan.micro_batch == 16


def test_a_step_takes_its_seconds_and_nothing_else():
    answer = Predictor()(case())
    assert isinstance(answer, Prediction)
    (part,) = answer.parts
    assert part.name == "step"
    assert sum(part.seconds.values()) == pytest.approx(answer.seconds)
    assert answer.low < answer.seconds < answer.high


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"model": "vgg16"}, "the layers of vgg16 are not described yet"),
        ({"phase": "forward"}, "phase: found forward, but whole steps alone are predicted"),
        ({"grad_accum": 5}, "grad_accum: found 5, which does not divide 64 samples"),
        ({"size": "224"}, "seq_or_image: found '224'"),
        ({"model": "bert-large", "size": "3x224x224"}, "seq_or_image: found '3x224x224'"),
        ({"dtype": "fp8"}, "fp8"),
    ],
)
def test_what_is_not_predicted_is_told(fields, why):
    answer = Predictor()(case(**fields))
    assert isinstance(answer, Skipped)
    assert why in answer.why
