"""One slow device, one slow link, or times that vary: what sixteen devices make of it.

GPT-2 in bf16 on two DGX A100, 256 sequences a step, under three plans, every device simulated. A
step waits for the slowest: for a device whose kernels take half as long again, for one whose way to
the network keeps a quarter of its rate; and where every pass (or a bucket's part of the last one)
varies by 5 %, for the unluckiest each time, so that the mean step is longer than the steady one.
"""

from statistics import fmean, stdev

import hwsim
from hwsim import Plan
from hwsim.cost.calibration import load_for
from hwsim.parallel.program import Link
from hwsim.simulate.disturbance import Disturbance
from hwsim.simulate.step import simulate
from hwsim.units import seconds_text

SYSTEM = hwsim.load_system("dgx-a100-80gb")
CALIBRATION = load_for(SYSTEM.device)
MODEL = hwsim.load_workload("transformer").model_copy(update={"batch": 256, "dtype": "bf16"})
PLANS = {
    "data 16": Plan(dp=16),
    "data 4, pipeline 4": Plan(dp=4, pp=4, micro_batch=4),
    "tensor 4, data 4": Plan(tp=4, dp=4),
}
SLOW, JITTER, RUNS = 5, 0.05, 20  # a device, a standard deviation, steps


def seconds(plan: Plan, disturbance: Disturbance | None = None) -> float:
    return simulate(SYSTEM, MODEL, plan, CALIBRATION, disturbance=disturbance, trace=False).seconds


def main() -> None:
    print(f"{'plan':19} {'steady':>8} {'slow device':>12} {'slow link':>10}   passes vary by 5 %")
    for name, plan in PLANS.items():
        steady = seconds(plan)
        device = seconds(plan, Disturbance(stragglers={SLOW: 1.5})) / steady
        link = seconds(plan, Disturbance(slow_links={Link(SLOW, "network"): 0.25})) / steady
        drawn = (Disturbance(jitter=JITTER, seed=seed) for seed in range(RUNS))
        runs = [seconds(plan, one) / steady for one in drawn]
        print(
            f"{name:19} {seconds_text(steady):>8} {device:>10.2f} x {link:>8.2f} x"
            f"   {fmean(runs):.3f} x +- {stdev(runs):.3f}"
        )


if __name__ == "__main__":
    main()
