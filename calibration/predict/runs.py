"""Whole training runs: a row -> one of its steps, how many there are, and what else takes time.

    seconds = steps x step seconds / share

`share` of a run is steps, the rest evaluation, checkpoints and interruptions.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from calibration.measurement import Case, Measurement
from calibration.predict import named
from calibration.predict.basis import Basis, device_of
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
    "b200-sxm": ("nvlink5-nvswitch", None),
    "b300-sxm": ("nvlink5-nvswitch", None),
    "gb200": ("nvlink5-nvswitch", 72),
    "gb300": ("nvlink5-nvswitch", 72),
}
SLOTS = {"Ampere": "pcie4", "Ada": "pcie4", "Hopper": "pcie4"}  # of boards without NVLink
OLD_SLOT = "pcie3-singleroot"
LAYOUT = re.compile(r"\btp (\d+) pp (\d+)(?: cp (\d+))?")
REPLICAS, MICRO = re.compile(r"\bdp (\d+)"), re.compile(r"\bmicro batch (\d+)")
TOKENS = re.compile(r"\btokens ([\d.]+e\+?\d+)")
TUNED = ("mlperf",)  # sources whose code was written for the one model
BERT = "mlperf-bert"
# The share of a run that is steps: of MLPerf's the median of steps x step_seconds / run_seconds of
# its own logs; of pre-training "more than 90 %" (Grattafiori et al. 2024, section 3.3.4).
SHARE = 0.957
PRETRAINING = 0.9
# Where a model card names no devices: their number hardly changes the seconds of all together.
UNNAMED = 1024
BATCH_TOKENS = {"llama-2": 4 * 2**20, "llama-3": 16 * 2**20}  # of the papers above
# Standard deviation of ln(measured / predicted) of the public runs, by their 80 % quantile.
SPREADS = {"decoder": 0.15, "bert": 0.25, "resnet": 0.15}


class Run(NamedTuple):
    """A run: `case` has the devices of a step of `workload` under `plan` and `software`, `copies`
    how many such devices' seconds are added up (1: those that pass by the clock)."""

    case: Case
    workload: Workload
    plan: Plan
    software: str | None
    steps: float
    share: float
    spread: float
    assumed: tuple[str, ...] = ()
    copies: int = 1


def run_of(measurement: Measurement, shape: TrainingRun, basis: Basis) -> Run:
    """What a row describes. Raises InputError for a model without description, and for what is
    missing."""
    told = measurement.provenance
    note, source = (told.note or "").lower(), told.source
    assumed: list[str] = []
    case, copies = _placed(measurement, shape, assumed)
    share = SHARE if source in TUNED else PRETRAINING if shape.benchmark == "pretraining" else SHARE
    assumed.append(f"steps are {share:.3g} of a run, the rest is evaluation and start-up")
    sizes = named.sizes_of(shape.model)
    if sizes is not None:
        row, steps = _decoder(case, shape, sizes, source, note, basis, assumed)
        about = (case, row.workload, row.plan, row.software, steps, share)
        return Run(*about, SPREADS["decoder"], (*assumed, *row.assumed), copies)
    if shape.model not in (*named.ENCODERS, *named.IMAGES):
        raise InputError("", f"the layers of {shape.model} are not described yet")
    steps, each = _steps(shape), _each(case, shape, assumed)
    if shape.model in named.ENCODERS:
        model: Workload = named.encoder(case, each, shape.seq is not None, assumed)
        software, spread = BERT, SPREADS["bert"]
    else:
        model = named.images(case, shape.model, shape.benchmark, each, source in TUNED)
        software, spread = None, SPREADS["resnet"]
    plan = _replicas(case, model, each, assumed)
    return Run(case, model, plan, software, steps, share, spread, tuple(assumed), copies)


def run_parts(run: Run, basis: Basis) -> dict[str, float]:
    """Seconds of a run by part of its steps, and of all else. Raises InputError for what can't be
    costed."""
    step = simulated(run.case, run.workload, run.plan, run.software, basis)
    many = run.steps * run.copies
    parts = {name: many * seconds for name, seconds in step.items()}
    if not basis.bare:
        parts["bubble"] += sum(parts.values()) * (1 / run.share - 1)
    return parts


def _placed(measurement: Measurement, shape: TrainingRun, assumed: list[str]) -> tuple[Case, int]:
    """The devices, with the links that such devices usually have."""
    case, device = measurement.case, device_of(measurement.device)
    devices, copies = case.devices, 1
    if devices is None:
        devices = copies = UNNAMED
        assumed.append(f"{devices} devices, whose seconds are added up: none are counted")
    begins = next((name for name in INSIDE if device.name.startswith(name)), None)
    link, domain = INSIDE[begins] if begins else (SLOTS.get(device.architecture, OLD_SLOT), None)
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
    batch, steps = shape.global_batch, shape.steps
    if batch is None:
        tokens = next((n for name, n in BATCH_TOKENS.items() if shape.model.startswith(name)), None)
        if tokens is None:
            raise InputError("global_batch", "found nothing", "write it")
        batch = tokens // sequence
        assumed.append(f"{batch} sequences of {sequence} tokens a step")
    if steps is None:
        found = TOKENS.search(note)
        if found is None:
            return _fail_steps(shape)
        steps = float(found[1]) / (batch * sequence)
        assumed.append("as many steps as the tokens of the note fill")
    case = case.model_copy(update={"dtype": named.decoder_format(case, source, note)})

    def row(tp: int, pp: int, cp: int, micro: int | None = None) -> Row:
        dp, rest = divmod(case.devices or 1, tp * pp * cp)
        if rest or not dp:
            what = f"found {case.devices}, which tp {tp} pp {pp} cp {cp} do not divide"
            raise InputError("devices", what, "correct one of them")
        given = {**sizes, "seq": sequence, "global_batch": batch, "micro_batch": micro}
        degrees = {"dp": dp, "tp": tp, "pp": pp, "cp": cp}
        step = TransformerStep.model_validate(
            {**given, **degrees, "recompute": "unknown", "attention": "unknown"}
        )
        return read_dense(case, step, source, note)

    stated = LAYOUT.search(note)
    if stated is None:
        return fastest(case, row, basis), steps
    micro = MICRO.search(note)
    tp, pp, cp = (int(degree or 1) for degree in stated.groups())
    return row(tp, pp, cp, int(micro[1]) if micro else None), steps


def _fail_steps(shape: TrainingRun) -> tuple[Row, float]:
    _steps(shape)
    raise InputError("steps", "found nothing", "write how many steps were taken")
