"""Whole training runs: a row -> one of its steps, how many there are, and what else takes time.

    seconds = (steps + evaluations x samples / batch x forward) x step seconds / share

`forward` is the forward pass's share of a step; `share` what steps and evaluations have of a run,
the rest is start-up, checkpoints and interruptions.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from calibration.measurement import Case, Measurement
from calibration.predict import named
from calibration.predict.adapters import Adapted
from calibration.predict.basis import Basis, device_of
from calibration.predict.houses import SOURCES
from calibration.predict.layouts import fastest
from calibration.predict.rows import Row, read_dense
from calibration.predict.steps import simulated
from calibration.shapes import TrainingRun, TransformerStep
from hwsim.errors import InputError
from hwsim.graph.workload import Workload
from hwsim.parallel.fits import capacity
from hwsim.parallel.needs import needed
from hwsim.parallel.plan import Plan

# The link inside a node and the devices behind it (None: those of the row's node), by how a
# device's name begins (the shipped systems).
INSIDE: dict[str, tuple[str, int | None]] = {
    "p100-sxm2": ("nvlink1", None),
    "v100-sxm2": ("nvlink2", None),
    "v100-sxm3": ("nvlink2-nvswitch", None),
    "a100-sxm": ("nvlink3-nvswitch", None),
    "h100-sxm": ("nvlink4-nvswitch", None),
    "h200-sxm": ("nvlink4-nvswitch", None),
    "gh200": ("nvlink4-nvswitch", None),
    "b200-sxm": ("nvlink5-nvswitch", None),
    "b300-sxm": ("nvlink5-nvswitch", None),
    "gb200": ("nvlink5-nvswitch", 72),
    "gb300": ("nvlink5-nvswitch", 72),
}
# That of boards without NVLink, by their architecture.
SLOTS = {
    **dict.fromkeys(("Maxwell", "Pascal", "Volta", "Turing"), "pcie3-singleroot"),
    **dict.fromkeys(("Ampere", "Ada", "Hopper"), "pcie4"),
}
LAYOUT = re.compile(r"\btp (\d+) pp (\d+)(?: cp (\d+))?")
MICRO = re.compile(r"\bmicro batch (\d+)")
TOKENS = re.compile(r"\btokens ([\d.]+e\+?\d+)")
# Whose code trained what a model card describes (BigScience 2022; of Llama it is not public).
WRITTEN = {"bloom": "megatron-deepspeed"}
OTHERS = "megatron-core-2024"
FROZEN = "matrices are held, not trained; of adapters there are the sums of their branches"
TUNED = ("mlperf",)  # sources whose code was written for the one model
BERT = "mlperf-bert"
# Of MLPerf's the mean of (steps + evaluations) x step_seconds / run_seconds over those that log
# steps without evaluations (0.976, median 0.996; 0.955 to 1.01 by benchmark); of pre-training "more
# than 90 %" of the time was effective (Grattafiori et al. 2024, section 3.3.4).
SHARE = 0.98
PRETRAINING = 0.9
# Samples that an evaluation takes, those between two, and how many are left out at first
# (MLPerf Training, training_rules and the READMEs of its references; LoRA's and BERT's first ones:
# the submissions' configurations). GPT-3's is in the seconds of steps that hwsim is fitted to.
EVALUATED = {
    "llama2_70b_lora": (173, 384, 3),
    "llama31_405b": (5760, 46_080, 0),
    "llama31_8b": (5760, 46_080, 0),
    "resnet": (50_000, 4 * 1_281_167, 0),
    "bert": (10_000, 500_000, 5),
}
FORWARD, FORWARD_HELD = 1 / 3, 1 / 2  # of a step's FLOPs; of one whose matrices are held
# Where a model card names no devices: their number hardly changes the seconds of all together.
UNNAMED = 1024
BATCH_TOKENS = {"llama-2": 4 * 2**20, "llama-3": 16 * 2**20}  # of the papers above
# Standard deviations of ln(measured / predicted) behind an 80 and a 95 % interval, by those of the
# public runs: of decoders those of adapters, whose steps hwsim was not fitted to.
SPREADS = {
    "decoder": (0.16, 0.16),
    "bert": (0.17, 0.40),
    "resnet": (0.13, 0.18),
    "pretraining": (0.41, 0.41),
}


class Run(NamedTuple):
    """A run: `case` has the devices of a step of `workload` under `plan` and `software`, `copies`
    how many such devices' seconds are added up (1: those that pass by the clock), `evaluated` how
    many steps take as long as all evaluations."""

    case: Case
    workload: Workload
    plan: Plan
    software: str | None
    steps: float
    spreads: tuple[float, float]
    share: float = 1.0
    assumed: tuple[str, ...] = ()
    copies: int = 1
    evaluated: float = 0.0


def run_of(measurement: Measurement, shape: TrainingRun, basis: Basis) -> Run:
    """What a row describes. Raises InputError for a model without description, and for what is
    missing."""
    told = measurement.provenance
    note, source = (told.note or "").lower(), told.source
    if "includes distillation" in note:
        raise InputError("", "other models were run besides, for distillation")
    assumed: list[str] = []
    case, copies = placed(measurement.case, assumed)
    sizes = named.sizes_of(shape.model)
    if sizes is not None:
        row, steps = _decoder(case, shape, sizes, source, note, basis, assumed)
        spreads = SPREADS.get(shape.benchmark, SPREADS["decoder"])
        run = Run(case, row.workload, row.plan, row.software, steps, spreads)
        assumed += row.assumed
    elif shape.model in (*named.ENCODERS, *named.IMAGES):
        run = _replicated(case, shape, source in TUNED, assumed)
    else:
        raise InputError("", f"the layers of {shape.model} are not described yet")
    share = PRETRAINING if shape.benchmark == "pretraining" else SHARE
    assumed.append(f"steps and evaluations are {share:.3g} of a run")
    evaluated = _evaluated(run, shape, assumed)
    return run._replace(share=share, evaluated=evaluated, assumed=tuple(assumed), copies=copies)


def run_parts(run: Run, basis: Basis) -> dict[str, float]:
    """Seconds of a run by part of its steps, and of all else (`rest`). Raises InputError for what
    can't be costed."""
    step = simulated(run.case, run.workload, run.plan, run.software, basis)
    parts = {name: run.steps * run.copies * seconds for name, seconds in step.items()}
    if basis.bare or run.share == 1.0:
        return parts
    whole = sum(parts.values())
    return parts | {"rest": whole * ((1 + run.evaluated / run.steps) / run.share - 1)}


def _replicated(case: Case, shape: TrainingRun, tuned: bool, assumed: list[str]) -> Run:
    """An encoder's or an image model's run: every device has all of the model."""
    steps, each = _steps(shape), _each(case, shape, assumed)
    if shape.model in named.ENCODERS:
        model: Workload = named.encoder(case, each, shape.seq is not None, assumed)
        software, spreads = BERT, SPREADS["bert"]
    else:
        model = named.images(case, shape.model, shape.benchmark, each, tuned)
        software, spreads = None, SPREADS["resnet"]
    return Run(case, model, _replicas(case, model, each, assumed), software, steps, spreads)


def _evaluated(run: Run, shape: TrainingRun, assumed: list[str]) -> float:
    """How many steps take as long as all evaluations."""
    rule = EVALUATED.get(shape.benchmark)
    if rule is None:
        return 0.0
    samples, every, skipped = rule
    batch = run.workload.batch
    times = max(1, int(run.steps * batch / every) - skipped)
    assumed.append(
        f"{samples} samples are evaluated every {every}, but for the first {skipped} times"
    )
    forward = FORWARD_HELD if isinstance(run.workload, Adapted) else FORWARD
    return times * samples / batch * forward


def placed(case: Case, assumed: list[str]) -> tuple[Case, int]:
    """The devices, with the links that such devices usually have."""
    device = device_of(case.device)
    devices, copies = case.devices, 1
    if devices is None:
        devices = copies = UNNAMED
        assumed.append(f"{devices} devices, whose seconds are added up: none are counted")
    begins = next((name for name in INSIDE if device.name.startswith(name)), None)
    link, domain = INSIDE[begins] if begins else (SLOTS.get(device.architecture), None)
    place = domain or case.devices_per_node or 8
    update = {
        **{"devices": devices, "devices_per_node": place},
        "intra_link": case.intra_link or (link if devices > 1 else None),
    }
    return case.model_copy(update=update), copies


def _steps(shape: TrainingRun) -> float:
    if shape.steps is None:
        raise InputError("steps", "found nothing", "write how many steps were taken")
    return shape.steps


def _each(case: Case, shape: TrainingRun, assumed: list[str]) -> int:
    """Samples of a device."""
    if shape.global_batch is None:
        raise InputError("global_batch", "found nothing", "write it")
    devices = case.devices or 1
    each = max(1, int(shape.global_batch / devices + 0.5))
    if each * devices != shape.global_batch:
        assumed.append("the batch is the nearest whole number of samples a device")
    return each


def _replicas(case: Case, model: Workload, each: int, assumed: list[str]) -> Plan:
    """Data parallelism, of as many micro-batches as make the activations fit."""
    room = capacity(device_of(case.device))
    plan = Plan(dp=case.devices or 1)
    for parts in (parts for parts in range(1, each + 1) if each % parts == 0):
        tried = plan if parts == 1 else Plan(dp=plan.dp, micro_batch=each // parts)
        if needed(model, tried).bytes <= room:
            if parts > 1:
                assumed.append("gradients accumulate over the fewest micro-batches that fit")
            return tried
    return plan


def _decoder(
    case: Case,
    shape: TrainingRun,
    sizes: dict[str, int | bool],
    source: str,
    note: str,
    basis: Basis,
    assumed: list[str],
) -> tuple[Row, float]:
    """The step of a decoder, and how many there are."""
    sequence = shape.seq or int(sizes["seq"])
    batch = shape.global_batch or _batch(shape, sequence, assumed)
    steps = shape.steps or _filled(shape, note, batch * sequence, assumed)
    case = case.model_copy(update={"dtype": named.decoder_format(case, source, note)})
    adapted = shape.model.endswith(named.ADAPTED)
    micro = MICRO.search(note)
    software = None if source in SOURCES else _written(shape, assumed)

    def row(tp: int, pp: int, cp: int) -> Row:
        dp, rest = divmod(case.devices or 1, tp * pp * cp)
        if rest or not dp:
            what = f"found {case.devices}, which tp {tp} pp {pp} cp {cp} do not divide"
            raise InputError("devices", what, "correct one of them")
        step = TransformerStep.model_validate(
            {
                **{**sizes, "seq": sequence, "global_batch": batch, "software": software},
                **{"dp": dp, "tp": tp, "pp": pp, "cp": cp},
                "micro_batch": int(micro[1]) if micro else None,
                "recompute": "none" if adapted else "unknown",
                "attention": "unknown",
            }
        )
        read = read_dense(case, step, source, note)
        if not adapted:
            return read
        held = Adapted.model_validate(read.workload.model_dump(exclude_unset=True))
        return read._replace(workload=held, assumed=(*read.assumed, FROZEN))

    stated = LAYOUT.search(note)
    if stated is None:
        return fastest(case, row, basis), steps
    tp, pp, cp = (int(degree or 1) for degree in stated.groups())
    return row(tp, pp, cp), steps


def _batch(shape: TrainingRun, sequence: int, assumed: list[str]) -> int:
    """Sequences of a step where a model's card names none."""
    tokens = next((n for name, n in BATCH_TOKENS.items() if shape.model.startswith(name)), None)
    if tokens is None:
        raise InputError("global_batch", "found nothing", "write it")
    assumed.append(f"{tokens // sequence} sequences of {sequence} tokens a step")
    return tokens // sequence


def _filled(shape: TrainingRun, note: str, tokens: int, assumed: list[str]) -> float:
    """Steps that the tokens of the note fill."""
    found = TOKENS.search(note)
    if found is None:
        return _steps(shape)
    assumed.append("as many steps as the tokens of the note fill")
    return float(found[1]) / tokens


def _written(shape: TrainingRun, assumed: list[str]) -> str:
    """The software of a source that says nothing of it."""
    name = next((s for begins, s in WRITTEN.items() if shape.model.startswith(begins)), OTHERS)
    assumed.append(f"software not stated: {name}")
    return name
