"""Plans per second on one core, of a 175B transformer on 1,024 devices.

All ways to spread it over dp x tp x pp, with micro-batches, schedules, recomputation, ZeRO and
overlaps, are answered at once and once more with what the first time priced; the same function
says what no step is shorter than. A random sample is answered one by one for the ratio and the
largest difference. Prints one JSON object. Seconds are of the processor.
"""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

import hwsim
from hwsim.errors import InputError
from hwsim.hardware import catalog
from hwsim.study.plans import NO_FORM, Column, Plans
from hwsim.study.subject import Subject
from workloads.transformer import Transformer

# The sizes of Brown et al. 2020, arXiv 2005.14165, table 2.1.
GPT3 = Transformer(
    layers=96,
    hidden=12288,
    heads=96,
    sequence=2048,
    vocabulary=51200,
    batch=1536,
    dtype="bf16",
)
DEVICES = 1024
SAMPLE = 40
MIB = 2.0**20
BESIDE: dict[str, tuple[Any, ...]] = {
    "recompute": ("none", "selective", "full"),
    "sequence_parallel": (False, True),
    "tensor_overlap": (False, True),
    "zero": (0, 1, 2, 3),
    "overlap": (False, True),
    "first_bucket": (MIB, 25 * MIB),
    "bucket": (25 * MIB, 50 * MIB, 100 * MIB, 400 * MIB),
}


def spreads() -> list[dict[str, Any]]:
    """Degrees with a micro-batch that divides, and a schedule."""
    found = []
    for tp, pp, micro in product((1, 2, 4, 8), (1, 2, 4, 8, 16, 32, 64), (1, 2, 4, 8)):
        dp = DEVICES // tp // pp
        if GPT3.batch % (dp * micro):
            continue
        orders = [("1f1b", 1)]
        if pp > 1:
            orders += [("gpipe", 1), ("zero-bubble", 1)]
            turns = (GPT3.batch // dp // micro) % pp == 0
            orders += [("interleaved", v) for v in (2, 3, 4, 6) if turns and pp * v <= GPT3.layers]
        found += [
            {"dp": dp, "tp": tp, "pp": pp, "micro_batch": micro, "schedule": name, "virtual": v}
            for name, v in orders
        ]
    return found


def space() -> dict[str, Column]:
    """All of them with all that may stand beside, as columns."""
    ways = spreads()
    beside = [dict(zip(BESIDE, values, strict=True)) for values in product(*BESIDE.values())]
    columns = {}
    first, second = np.divmod(np.arange(len(ways) * len(beside)), len(beside))
    for some, codes in ((ways, first), (beside, second)):
        for name in some[0]:
            values = tuple(dict.fromkeys(one[name] for one in some))
            number = np.array([values.index(one[name]) for one in some])
            columns[name] = Column(values, number[codes])
    return columns


def timed(what: Callable[[], Any]) -> tuple[Any, float]:
    begun = time.process_time()
    found = what()
    return found, time.process_time() - begun


def one_by_one(subject: Subject, columns: dict[str, Column], rows: list[int]) -> list[float]:
    """Seconds of a step, NaN where there is no closed form."""
    found = []
    for row in rows:
        fields = {name: values[codes[row]] for name, (values, codes) in columns.items()}
        plan = subject.plan.model_copy(update=fields)
        try:
            made = hwsim.estimate(subject.system, subject.workload, plan, steps=1, engine="closed")
            found.append(made.step.seconds)
        except InputError:
            found.append(float("nan"))
    return found


def main() -> None:
    subject, columns = Subject(catalog.load("dgx-a100-80gb"), GPT3), space()
    number = len(columns["dp"].codes)
    plans = Plans(subject)
    found, first = timed(lambda: plans.answers(columns))
    _, again = timed(lambda: plans.answers(columns))
    least, bounded = timed(lambda: Plans(subject).bound(columns))
    rows = np.random.default_rng(1).integers(0, number, SAMPLE).tolist()
    scalar, alone = timed(lambda: one_by_one(subject, columns, rows))
    apart = np.abs(found.seconds[rows] / np.array(scalar) - 1)
    declined = [why.startswith(NO_FORM) for why in found.why]
    unlike = np.isnan(found.seconds[rows]) != np.isnan(scalar)
    print(
        json.dumps(
            {
                "plans": number,
                "plans_per_second": round(number / first),
                "again_per_second": round(number / again),
                "bounds_per_second": round(number / bounded),
                "one_by_one_per_second": round(SAMPLE / alone, 1),
                "ratio": round(number / first / (SAMPLE / alone)),
                "largest_difference": float(np.nanmax(np.where(unlike, np.inf, apart))),
                "closed_form": round(float(np.mean(found.why == "")), 3),
                "no_closed_form": round(float(np.mean(declined)), 3),
                "fit": round(float(np.mean(least.fits)), 3),
                "peak_memory_MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            }
        )
    )


if __name__ == "__main__":
    main()
