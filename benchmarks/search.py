"""Searches of large spaces against a plain loop over `hwsim.estimate` through the same plans.

`gpt3` is GPT-3 175B (batch 1,536) on 64 A100 of 80 GB, `mt-nlg` a model of 530B on 5,128 of them;
both in a process of their own, as the command line runs them. The baseline estimates plans of the
space that are drawn at random, by closed form where there is one, as long as `BUDGET` allows; those
that are refused count too. Prints one JSON object: configurations, seconds of wall and CPU time of
the whole command, configurations per CPU second and their ratio to the baseline's.
"""

import json
import random
import resource
import subprocess
import sys
import time
from typing import Any

from hwsim import estimate
from hwsim.cost.calibration import load_for
from hwsim.errors import InputError
from hwsim.graph import workload as workloads
from hwsim.hardware import catalog
from hwsim.study.search.fields import space
from hwsim.study.subject import Subject

BUDGET = 20.0  # CPU seconds of each baseline
SEED = 1
GPT3 = {"layers": 96, "hidden": 12288, "heads": 96, "batch": 1536}
MT_NLG = {"layers": 105, "hidden": 20480, "heads": 128, "batch": 5128}
CASES = {"gpt3": (GPT3, 64), "mt-nlg": (MT_NLG, 5128)}
MORE = {"workload.sequence": 2048, "workload.dtype": "bf16"}
SYSTEM = "dgx-a100-80gb"


def settings(sizes: dict[str, int], devices: int) -> dict[str, str]:
    found = {f"workload.{name}": size for name, size in sizes.items()} | MORE
    return {name: str(value) for name, value in (found | {"nodes": devices // 8}).items()}


def searched(fields: dict[str, str], devices: int) -> dict[str, Any]:
    words = ["search", "--hw", SYSTEM, "--model", "transformer", "--devices", str(devices)]
    for name, value in fields.items():
        words += ["--set", f"{name}={value}"]
    before, begun = _used(), time.perf_counter()
    command = [sys.executable, "-m", "hwsim", *words, "--json"]
    done = subprocess.run(command, capture_output=True, check=True)
    wall, used = time.perf_counter() - begun, _used() - before
    told = json.loads(done.stdout)
    best = told["best"][0]
    return {
        "configurations": told["configurations"],
        "counts": told["counts"],
        "complete": told["complete"],
        "best": {"seconds": best["value"], "events": best["events"], "plan": best["plan"]},
        "wall": wall,
        "cpu": used,
        "rate": told["configurations"] / used,
    }


def _used() -> float:
    """CPU seconds of processes that have ended."""
    found = resource.getrusage(resource.RUSAGE_CHILDREN)
    return found.ru_utime + found.ru_stime


def looped(fields: dict[str, str], devices: int, best: float) -> dict[str, float]:
    """Configurations per CPU second of the plain loop; raises SystemExit if it finds a better."""
    random.seed(SEED)
    subject = Subject(catalog.load(SYSTEM), workloads.load("transformer")).with_settings(fields)
    calibration = load_for(subject.system.device)
    plans = space(subject, (devices,), {})
    begun, tried, answered = time.process_time(), 0, 0
    while (used := time.process_time() - begun) < BUDGET:
        shape, row = random.choice(plans.shapes), random.randrange(plans.rows)
        plan = plans.plan(shape, row)
        tried += 1
        for engine in ("closed", "events"):
            try:
                found = estimate(subject.system, subject.workload, plan, calibration, engine=engine)
            except InputError:
                continue
            answered += 1
            if found.memory.fits and found.step.seconds < best * (1 - 1e-9):
                raise SystemExit(f"a better plan than the best: {plan}")
            break
    return {"tried": tried, "answered": answered, "rate": tried / used}


def main() -> None:
    told = {}
    for name, (sizes, devices) in CASES.items():
        fields = settings(sizes, devices)
        found = searched(fields, devices)
        plain = looped(fields, devices, found["best"]["seconds"])
        told[name] = found | {"baseline": plain, "ratio": found["rate"] / plain["rate"]}
        print(
            f"{name}: {found['configurations']:,} configurations in {found['wall']:.1f} s "
            f"({found['cpu']:.1f} s CPU), {told[name]['ratio']:,.0f} x the plain loop",
            file=sys.stderr,
        )
    print(json.dumps(told))


if __name__ == "__main__":
    main()
