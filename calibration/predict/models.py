"""One step of a named model on the devices of a row."""

from __future__ import annotations

import re

from calibration.measurement import Case
from calibration.predict.basis import dtype_of
from calibration.predict.named import IMAGES
from calibration.predict.runs import Run, placed
from calibration.shapes import ModelStep
from hwsim.errors import InputError
from hwsim.graph.workload import Workload
from hwsim.parallel.plan import Plan
from workloads.bert import Bert
from workloads.resnet import ResNet

ENCODER = re.compile(r"bert-(base|large)(-pretrain|-squad)?")
SIDE = re.compile(r"3x(\d+)x\1")
BASE = {"layers": 12, "hidden": 768, "heads": 12}
# Scripts of the time ran BERT with Apex and eager attention, as Megatron-LM did
# (NVIDIA/DeepLearningExamples, PyTorch/LanguageModeling/BERT).
SOFTWARE = "megatron-2021"
# Predictions of a sequence of pre-training (the same, bert_config and create_pretraining_data).
MASKED = {128: 20, 512: 80}
# Standard deviations of ln(measured / predicted) behind an 80 and a 95 % interval, by those of the
# public rows.
SPREADS = {"resnet": (0.30, 0.60), "bert": (0.35, 0.45)}


def step_of(case: Case, shape: ModelStep) -> Run:
    """What a row describes, as a run of one step. Raises InputError for a model without
    description, and for a pass of it."""
    assumed: list[str] = []
    model, software, spreads = _model(case, shape, assumed)
    if shape.phase != "training":
        raise InputError("phase", f"found {shape.phase}, but whole steps alone are predicted")
    each, rest = divmod(shape.batch_per_device, shape.grad_accum)
    if rest:
        what = f"found {shape.grad_accum}, which does not divide {shape.batch_per_device} samples"
        raise InputError("grad_accum", what, "correct one of them")
    case, _ = placed(case, assumed)
    plan = Plan(dp=case.devices or 1, micro_batch=each if shape.grad_accum > 1 else None, zero=0)
    return Run(case, model, plan, software, 1.0, spreads, assumed=tuple(assumed))


def _model(
    case: Case, shape: ModelStep, assumed: list[str]
) -> tuple[Workload, str | None, tuple[float, float]]:
    """The workload, its software and how far off it may be."""
    about = {"batch": shape.batch_per_device * (case.devices or 1), "dtype": dtype_of(case)}
    size = shape.seq_or_image or ""
    if shape.model in IMAGES:
        side = SIDE.fullmatch(size)
        if side is None:
            raise InputError("seq_or_image", f"found '{size}'", "write for instance 3x224x224")
        fields = {**about, "depth": IMAGES[shape.model], "image": int(side[1])}
        return ResNet.model_validate(fields), None, SPREADS["resnet"]
    encoder = ENCODER.fullmatch(shape.model)
    if encoder is None:
        raise InputError("", f"the layers of {shape.model} are not described yet")
    if not size.isdecimal():
        raise InputError("seq_or_image", f"found '{size}'", "write how many positions there are")
    positions = int(size)
    sizes = BASE if encoder[1] == "base" else {}
    masked = 1 if encoder[2] == "-squad" else MASKED.get(positions, max(1, positions * 3 // 20))
    lengths = {"sequence": max(positions, 512), "length": positions, "predictions": masked}
    made = {"attention": "eager", "dropout": True}
    assumed.append(f"{SOFTWARE}, eager attention and dropout; {masked} predictions a sequence")
    model = Bert.model_validate({**about, **sizes, **lengths, **made})
    return model, SOFTWARE, SPREADS["bert"]
