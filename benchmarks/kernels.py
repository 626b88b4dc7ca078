"""Measured over predicted seconds of published kernel timings, with the shipped calibration.

    python benchmarks/kernels.py FOLDER

FOLDER holds gemm.csv, pointwise.csv and recurrent.csv with one timing a row: device, dtype,
seconds, and the shape (batch, m, n, k and timing; rows, cols and bytes_moved; cell, pass, hidden,
batch and timesteps). Prints one JSON object: rows, median and standard deviation of the logarithm,
beside those of the bare roofline and of one constant per device and dtype. Rows of a device that
states no rate for the dtype are left out.
"""

from __future__ import annotations

import csv
import json
import math
import statistics
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from hwsim.cost.calibration import load as load_calibration
from hwsim.cost.rates import Rates, rates
from hwsim.cost.roofline import kernel_cost
from hwsim.errors import InputError
from hwsim.graph.ops import Kernel, gemm
from hwsim.graph.recurrent import LSTM_FLOPS
from hwsim.hardware.catalog import load as load_system

GATES = {"rnn": 1, "gru": 3, "lstm": 4}
Row = dict[str, str]
Ratio = tuple[tuple[str, str], float]


BARE = dict.fromkeys(("matrix", "vector", "memory", "cache", "resident"), 1.0)


@cache
def reachable(device: str, dtype: str, timed: str, bare: bool) -> Rates | None:
    """Rates, `bare` with every share 1 and nothing to launch; None where not offered.

    Without the host's time where kernels were timed back to back.
    """
    calibration = load_calibration()
    if bare:
        calibration = calibration.model_copy(update=BARE)
    try:
        found = rates(load_system(device).device, calibration, dtype)  # type: ignore[arg-type]
    except InputError:
        return None
    if bare:
        return found._replace(launch=0.0, chain=0.0, dispatch=0.0)
    return found._replace(dispatch=0.0) if timed == "kernel" else found


def product(row: Row) -> list[Kernel]:
    m, n, k, batch = (int(row[name] or 1) for name in ("m", "n", "k", "batch"))
    return [gemm("product", m, n, k, batch=batch)]


def pointwise(row: Row) -> list[Kernel]:
    return [
        Kernel(
            "pointwise",
            "vector",
            float(row["rows"]) * float(row["cols"]),
            float(row["bytes_moved"]) / 4,
        )
    ]


def recurrent(row: Row) -> list[Kernel]:
    """The chain alone: the rows time no input product. Only forward passes."""
    if row["pass"] != "forward":
        return []
    hidden, batch, steps = (int(row[name]) for name in ("hidden", "batch", "timesteps"))
    gates, units = GATES[row["cell"]], batch * hidden
    width = gates * hidden
    chain = gemm(
        "chain", batch, width, hidden, repeat=steps, sequential=True, weights=width * hidden
    )
    flops = LSTM_FLOPS * units * gates / GATES["lstm"]
    cell = Kernel("cell", "vector", flops, (2 * gates + 3) * units, repeat=steps, sequential=True)
    return [chain, cell]


def ratios(path: Path, kernels: Callable[[Row], list[Kernel]], bare: bool) -> Iterator[Ratio]:
    """(device and dtype, measured over predicted seconds) of each row that can be costed."""
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            dtype = row.get("dtype") or "fp32"
            timed = row.get("timing") or ("kernel" if kernels is recurrent else "call")
            reach = reachable(row["device"], dtype, timed, bare)
            work = kernels(row)
            if reach is None or not work:
                continue
            seconds = sum(kernel_cost(k, reach, dtype).seconds for k in work)  # type: ignore[arg-type]
            yield (row["device"], dtype), float(row["seconds"]) / seconds


def summary(path: Path, kernels: Callable[[Row], list[Kernel]], only: str = "") -> dict[str, Any]:
    """Rows, median and log deviation: of hwsim, of the bare datasheet roofline, and of the null
    model (the roofline times one constant for each device and dtype, fitted on these rows)."""

    def kept(bare: bool) -> list[Ratio]:
        return [r for r in ratios(path, kernels, bare) if " ".join(r[0]).startswith(only)]

    bare = kept(bare=True)
    groups: dict[tuple[str, str], list[float]] = {}
    for group, ratio in bare:
        groups.setdefault(group, []).append(ratio)
    null = [(g, ratio / statistics.median(groups[g])) for g, ratio in bare]
    return {"hwsim": spread(kept(bare=False)), "roofline": spread(bare), "null": spread(null)}


def spread(pairs: list[Ratio]) -> dict[str, float]:
    logs = [math.log(ratio) for _, ratio in pairs]
    return {
        "rows": len(logs),
        "median": round(math.exp(statistics.median(logs)), 3),
        "log_sd": round(statistics.pstdev(logs), 3),
    }


def main() -> None:
    folder = Path(sys.argv[1])
    chains = folder / "recurrent.csv"
    print(
        json.dumps(
            {
                "gemm": summary(folder / "gemm.csv", product),
                "pointwise": summary(folder / "pointwise.csv", pointwise),
                "recurrent forward": summary(chains, recurrent),
                "recurrent forward, V100 fp32": summary(chains, recurrent, "v100-pcie-16gb fp32"),
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
