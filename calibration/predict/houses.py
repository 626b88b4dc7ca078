"""What runs a step: the software profile behind a row, and what its runs do unless a row says."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from hwsim.software.catalog import lineage, load

UNKNOWN = "software unknown: costed with the mean of all that was fitted"


class House(NamedTuple):
    """Habits: `rows` sequence parallelism beside tensor parallelism, `zero` what is sharded,
    `attention`, whether a GPT has `dropout`, how much of the device's memory hwsim's count may take
    before a run is thought to recompute what it could store (`room`), and whether exchanges of
    rows overlap products (`hidden`)."""

    rows: bool
    zero: int
    attention: Literal["eager", "fused"]
    dropout: bool
    room: float = 1.0
    hidden: bool = False


OTHER = House(rows=False, zero=0, attention="eager", dropout=False)
# Dropout of 0.1 is the default of Megatron-LM (megatron/arguments.py) and of NeMo's GPT
# configurations; torchtitan's tensor parallel plan always splits rows
# (torchtitan/parallelisms/parallelize_llama.py).
_MEGATRON = House(rows=False, zero=0, attention="eager", dropout=True)
_CORE = House(rows=True, zero=1, attention="fused", dropout=True)
# Runs that a vendor tuned do fit, and by less than recomputing whole layers: operands kept in 8
# bits, a few layers recomputed or offloaded, none of which is in hwsim's count. Their
# configurations set tp_comm_overlap (NeMo, Megatron-Bridge, NVIDIA's submissions to MLPerf).
_TUNED = _CORE._replace(room=2.0, hidden=True)
_TITAN = House(rows=True, zero=3, attention="fused", dropout=False)
HOUSES = {
    "megatron-2021": _MEGATRON,
    "megatron-deepspeed": _MEGATRON._replace(zero=1),
    "megatron-deepspeed-2023": _MEGATRON,
    "megatron-2022": _MEGATRON._replace(rows=True),
    "megatron-core-2024": _CORE,
    "nemo-2024": _TUNED,
    "megatron-bridge-2025": _TUNED,
    "megatron-bridge-2026": _TUNED,
    "fsdp-2023": _TITAN._replace(rows=False),
    "fsdp2-2024": _TITAN,
    "fsdp2-2024-compile": _TITAN,
    "fsdp2-2024-rowwise": _TITAN,
}


# How the name of a source begins -> its software.
SOURCES = {
    "narayanan2021": "megatron-2021",
    "megatron-readme": "megatron-2021",
    "korthikanti2022": "megatron-2022",
    "bigscience": "megatron-deepspeed",
    "vtrain": "megatron-deepspeed-2023",
    "megatron-core": "megatron-core-2024",
    "simumax": "megatron-core-2024",
    "nemo": "nemo-2024",
    "megatron-bridge": "megatron-bridge-2025",
    "mlperf": "nemo-2024",
    "llm-foundry": "fsdp-2023",
    "torchtitan": "fsdp2-2024",
}
# NVIDIA's stack by the year of a release; rounds 3 and 4 of MLPerf were 2023 and 2024.
YEARS = ((26, "megatron-bridge-2026"), (25, "megatron-bridge-2025"), (0, "nemo-2024"))
# Where a source tells it; round 3 of MLPerf was that of 2023.
RELEASED = {
    "nemo": re.compile(r"nemo-(\d+)[\d.]*"),
    "megatron-bridge": re.compile(r"release (\d+)\.[\d.]*"),
    "mlperf": re.compile(r"\bv(\d+)\.\d*"),
}


def software_of(source: str, note: str, stated: str | None = None) -> str | None:
    """The software profile: the one that is stated, else that of the source and its releases.

    >>> software_of("mlperf", "gpt3; v3.1 nvidia"), software_of("torchtitan", "no compile")
    ('nemo-2024', 'fsdp2-2024')
    >>> software_of("megatron-bridge", "llama3-8b; release 26.04.01"), software_of("lab", "")
    ('megatron-bridge-2026', None)
    """
    name = stated or next((SOURCES[n] for n in SOURCES if source.startswith(n)), None)
    if stated or name is None:
        return name
    if name == "fsdp2-2024" and "torch.compile" in note:
        return "fsdp2-2024-rowwise" if "float8 rowwise" in note else "fsdp2-2024-compile"
    year = _year(source, note)
    if year is None:
        return name
    return next(stack for since, stack in YEARS if year >= since)


def release_of(source: str, note: str) -> str | None:
    """A vendor's release, where source or note tells it.

    >>> release_of("megatron-bridge", "llama3-8b; release 26.04.01; fsdp 8")
    'release 26.04.01'
    """
    found = _released(source, note)
    return found and found[0]


def _year(source: str, note: str) -> int | None:
    """The year of a vendor's release, two digits, where source or note tells it."""
    found = _released(source, note)
    return found and int(found[1]) + (20 if source.startswith("mlperf") else 0)


def _released(source: str, note: str) -> re.Match[str] | None:
    patterns = (pattern for name, pattern in RELEASED.items() if source.startswith(name))
    return next((found for one in patterns if (found := one.search(f"{source} {note}"))), None)


def house_of(software: str | None) -> House:
    """The habits of a profile, else of the nearest that it descends from, else of a plain loop.

    Raises InputError for a profile that is not there.
    """
    names = lineage(load(software)) if software is not None else ()
    return next((HOUSES[name] for name in names if name in HOUSES), OTHER)
