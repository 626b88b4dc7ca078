"""A row of a transformer -> workload, plan, software, and in words what it doesn't say.

Source and note of a row are read as its sizes are; results are not.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import NamedTuple

from calibration.measurement import Case, Measurement
from calibration.predict.basis import device_of, dtype_of
from calibration.predict.houses import UNKNOWN, House, house_of, release_of, software_of
from calibration.predict.moe import read_moe
from calibration.predict.plans import plan_of
from calibration.predict.systems import network_of
from calibration.shapes import MoeStep, TransformerStep
from hwsim.errors import InputError
from hwsim.parallel.fits import capacity
from hwsim.parallel.needs import needed
from hwsim.parallel.plan import Plan
from workloads.transformer import Transformer

SCALED = re.compile(r"float8 (tensorwise|rowwise)")
UNDROPPED = ("mlperf",)  # those whose GPT has no dropout where their software's has

# What was chosen, where the row leaves recomputation open -> the sentence.
RECOMPUTED = {
    "none": "nothing is recomputed: all activations fit by hwsim's count",
    "tuned": "nothing is recomputed: by hwsim's count activations do not quite fit a tuned run",
    "selective": "attention's core is recomputed: else activations do not fit by hwsim's count",
    "full": "all layers are recomputed: else activations do not fit by hwsim's count",
}


class Row(NamedTuple):
    """What a row describes. `plan` has set what the row or a rule says, the rest is the software's
    to choose. `software` is a profile's name, None where none is known; `scaling`
    how fp8 operands are scaled, where that is told ("tensorwise", "rowwise")."""

    workload: Transformer
    plan: Plan
    software: str | None
    assumed: tuple[str, ...]
    scaling: str | None = None


def row_of(measurement: Measurement) -> Row | None:
    """What a measurement's row describes, if it is a transformer's step."""
    case, shape, told = measurement.case, measurement.shape, measurement.provenance
    if isinstance(shape, TransformerStep):
        return read_dense(case, shape, told.source, told.note)
    if isinstance(shape, MoeStep):
        software = software_of(told.source, (told.note or "").lower(), shape.software)
        workload, plan, assumed = read_moe(case, shape, told.note or "")
        opened = (*([] if software else [UNKNOWN]), *assumed, *_network(case))
        return Row(workload, plan, software, opened)
    return None


def configuration_of(measurement: Measurement) -> Hashable:
    """What repeats share: the case; of a transformer's step also what its note adds to it, and the
    release of its software, but not who ran it."""
    told = measurement.provenance
    try:
        row = row_of(measurement)
    except InputError:  # a step that is not costed
        return measurement.case, told.note
    if row is None:
        return measurement.case
    return measurement.case, row, release_of(told.source, (told.note or "").lower())


def read_dense(case: Case, shape: TransformerStep, source: str, note: str | None) -> Row:
    """The workload, the plan and the software of a row. Raises InputError for what can't be."""
    if (shape.experts or 1) > 1:
        what = f"found {shape.experts}, but neither their width nor how they are spread"
        raise InputError("experts", what, "write it as a step of a mixture of experts")
    note = (note or "").lower()
    software = software_of(source, note, shape.software)
    house = house_of(software)
    assumed = [] if software else [UNKNOWN]
    workload = _workload(case, shape, source, note, house, assumed)
    plan, batch = plan_of(shape, source, note, house, assumed)
    workload = workload.model_copy(update={"batch": batch})
    if shape.recompute == "unknown":
        plan = _storing(case, workload, plan, house, assumed)
    found = SCALED.search(note)
    scaling = found[1] if found else None
    if "packed sequences" in note:
        assumed.append("attention spans the whole sequence, though several are packed into it")
    return Row(workload, plan, software, (*assumed, *_network(case)), scaling)


def _network(case: Case) -> list[str]:
    """What is taken for a network that isn't named."""
    sentence = network_of(case)[1]
    return [sentence] if sentence else []


def _workload(
    case: Case, shape: TransformerStep, source: str, note: str, house: House, assumed: list[str]
) -> Transformer:
    """With a gated network LLaMA's shape; MPT's; else GPT-2's."""
    llama, mpt = shape.gated_mlp, note.startswith("mpt") or source == "llm-foundry"
    dropout = house.dropout and not llama and not mpt and source not in UNDROPPED
    if llama:
        assumed.append("LLaMA's shape: rotary positions, RMS norms, no biases, not tied")
    elif mpt:
        assumed.append("MPT's shape: ALiBi, no biases, tied")
    else:
        dropped = "dropout" if dropout else "no dropout"
        assumed.append(f"GPT's shape: learned positions, biases, tied, {dropped}")
    attention = {"flash": "fused", "eager": "eager"}.get(shape.attention, house.attention)
    if shape.attention == "unknown":
        assumed.append(f"{attention} attention")
    return Transformer.model_validate(
        {
            "batch": shape.global_batch,
            "dtype": dtype_of(case),
            "layers": shape.layers,
            "hidden": shape.hidden,
            "heads": shape.heads,
            "kv_heads": shape.kv_heads,
            "ffn": shape.ffn,
            "gated": llama,
            "vocabulary": shape.vocab,
            "sequence": shape.seq,
            "tied": not llama,
            "positions": "rotary" if llama else "none" if mpt else "learned",
            "norm": "rmsnorm" if llama else "layernorm",
            "bias": not llama and not mpt,
            "attention": attention,
            "dropout": dropout,
        }
    )


def _storing(
    case: Case, workload: Transformer, plan: Plan, house: House, assumed: list[str]
) -> Plan:
    """The plan with the least recomputation that fits the device; full where nothing fits."""
    room = capacity(device_of(case.device))
    needs = needed(workload, plan).bytes
    if needs <= house.room * room:
        assumed.append(RECOMPUTED["none" if needs <= room else "tuned"])
        return plan
    selective, full = (plan.model_copy(update={"recompute": how}) for how in ("selective", "full"))
    chosen = selective if needed(workload, selective).bytes <= room else full
    assumed.append(RECOMPUTED[chosen.recompute])
    return chosen
