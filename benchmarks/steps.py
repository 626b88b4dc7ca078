"""Training steps of charlm-small on this CPU, measured over predicted for `cpu-epyc`.

Each width's torch twin takes whole steps (forward, backward, Adam) on one thread, in interleaved
rounds; the least time of a round counts. Prints one JSON object. The calibration was fitted on one
machine of the kind: what this prints is how far off another one, or this one today, is.
"""

from __future__ import annotations

import json
import time

import torch

import hwsim
from calibration.modules import twin
from workloads.charlm import CharLMSmall

WIDTHS = (64, 128, 256, 512)
ROUNDS, STEPS = 6, 5


def main() -> None:
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    system = hwsim.load_system("cpu-epyc")
    steps = {}
    for width in WIDTHS:
        workload = CharLMSmall(hidden=width)
        module = twin(workload)
        model = module.build(workload)
        optimizer = torch.optim.Adam(model.parameters(), workload.learning_rate, fused=True)
        steps[width] = (model, optimizer, module.example(workload, workload.batch))
    least = dict.fromkeys(WIDTHS, float("inf"))
    for _ in range(ROUNDS):
        for width, (model, optimizer, batch) in steps.items():
            for _ in range(STEPS):
                begun = time.perf_counter()
                optimizer.zero_grad()
                model(*batch).backward()
                optimizer.step()
                least[width] = min(least[width], time.perf_counter() - begun)
    predicted = {w: hwsim.estimate(system, CharLMSmall(hidden=w), steps=1).step for w in WIDTHS}
    print(
        json.dumps(
            {
                str(width): {
                    "measured_ms": round(1e3 * least[width], 2),
                    "predicted_ms": round(1e3 * predicted[width].seconds, 2),
                    "ratio": round(least[width] / predicted[width].seconds, 2),
                }
                for width in WIDTHS
            }
        )
    )


if __name__ == "__main__":
    main()
