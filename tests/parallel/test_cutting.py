"""Cuts of layers at many points: at each the one that it has by itself."""

import numpy as np
import pytest

import hwsim
from hwsim import Plan
from hwsim.cost.calibration import load_for
from hwsim.parallel.cutting import cuttings
from hwsim.parallel.staged import staged, uncut
from hwsim.study.figures import many_valued, text_of
from hwsim.study.subject import Subject
from workloads.transformer import Transformer

SYSTEM = hwsim.load_system("dgx-a100-80gb")
CALIBRATION = load_for(SYSTEM.device)
# A wide vocabulary: the head takes as long as some layers, and how many hangs on the machine.
MODEL = Transformer(
    layers=14, hidden=512, heads=8, vocabulary=60_000, sequence=256, dtype="bf16", batch=32
)


@pytest.mark.parametrize(
    "plan",
    [
        Plan(pp=4, micro_batch=4),
        Plan(pp=2, virtual=3, schedule="interleaved", micro_batch=8),
        Plan(pp=4, micro_batch=4, balance="layers"),
        Plan(tp=2),
    ],
    ids=str,
)
def test_each_point_has_its_own_cut(plan):
    random = np.random.default_rng(3)
    figures = {
        "device.matrix.bf16": 312e12 * np.exp(random.uniform(-2.0, 2.0, 300)),
        "device.memory.bandwidth": 2e12 * np.exp(random.uniform(-2.0, 2.0, 300)),
    }
    subject = Subject(SYSTEM, MODEL, plan)
    system = many_valued(subject, figures)
    found = cuttings(uncut(MODEL, system, plan, CALIBRATION))
    masks = [np.broadcast_to(mask, 300) for mask in found.values()]
    assert np.all(sum(mask.astype(int) for mask in masks) == 1)
    for place in (0, 50, 150, 299):
        texts = {path: text_of(path, float(values[place])) for path, values in figures.items()}
        one = staged(MODEL, subject.with_settings(texts).system, plan, CALIBRATION)
        (cuts,) = (cuts for cuts, mask in zip(found, masks, strict=True) if mask[place])
        assert cuts == one.cuts


def test_the_cut_hangs_on_the_machine():
    plan = Plan(pp=4, micro_batch=4)
    peaks = {"device.matrix.bf16": 312e12 * np.geomspace(0.02, 20.0, 200)}
    system = many_valued(Subject(SYSTEM, MODEL, plan), peaks)
    assert len(cuttings(uncut(MODEL, system, plan, CALIBRATION))) > 1
