"""How often a parameter's 95 % interval holds the truth, on synthetic campaigns whose law is known.

    python benchmarks/recovery.py [--repeats 50] [--b 60]

Six models, four data sizes, three seeds; 5 % log-normal noise, one run in twenty twice as slow, and
the slowest censored. Once as steps, once as whole loss curves read off as a campaign's are.
Prints one JSON object: the share of repeats by parameter, which should be at least 0.90.
"""

import argparse
import json
import math
from pathlib import Path

import numpy as np

from calibration.converge.fit import law_of
from calibration.converge.fitting.choice import choose
from calibration.converge.fitting.parameters import parameters
from calibration.converge.fitting.points import Points
from calibration.converge.runs import Runs
from calibration.converge.user_curves import Run

MODELS, DATA, SEEDS = np.geomspace(1e4, 2e6, 6), np.geomspace(8e3, 2e5, 4), 3
CENTER = (math.sqrt(1e4 * 2e6), math.sqrt(8e3 * 2e5), 1.0)
NOISE, STRAY, SLOWER = 0.05, 0.05, 2.0
CENSORED = 0.94  # of the runs met the target before the campaign's last step
# Of a curve: evaluations 5 % apart, with noise, a parabola in log-steps, its minimum at twice the
# steps to 1 % above it.
SPACING, FLICKER, PATIENCE = 1.05, 2e-4, 1.6


def campaign(truth: dict[str, float], random: np.random.Generator) -> Points:
    """Steps as they would be met, and a last step at which the slowest are censored."""
    grid = np.meshgrid(MODELS, DATA, range(SEEDS), indexing="ij")
    model, data, _ = (axis.ravel() for axis in grid)
    power = truth["a"] * (data / CENTER[1]) ** truth["k1"] / (model / CENTER[0]) ** truth["k2"]
    steps = (power + truth["b"]) * np.exp(NOISE * random.standard_normal(len(model)))
    steps[random.random(len(steps)) < STRAY] *= SLOWER
    last = np.quantile(steps, CENSORED)
    one = np.ones(len(steps))
    return Points(model, data, one, np.minimum(steps, last), steps > last, model)


def curve(steps: float, last: float, random: np.random.Generator) -> tuple[list[int], list[float]]:
    """Evaluations of a run that meets its target at `steps` and ends at `last` at the latest."""
    lowest = 2.0 * steps
    end = min(last, 1.05 * PATIENCE * lowest)
    count = int(math.log(end / (steps / 10.0)) / math.log(SPACING))
    at = np.unique((end / SPACING ** np.arange(count)).round().astype(int))
    loss = 2.0 * (1.0 + 0.01 * (np.log(at / lowest) / math.log(2.0)) ** 2)
    loss *= 1.0 + FLICKER * random.standard_normal(len(at))
    return at.tolist(), loss.tolist()


def whole_curves(rows: Points, random: np.random.Generator) -> Runs:
    """The same campaign as training curves, and with its censored runs cut short."""
    last = 2.0 * PATIENCE * float(rows.steps.max())
    runs = []
    for i, (model, data, steps) in enumerate(zip(rows.model, rows.data, rows.steps, strict=True)):
        cut = 1.3 * 2.0 * steps if rows.censored[i] else 1.1 * last
        at, loss = curve(steps, cut, random)
        runs.append(Run(str(i), model, data, 1.0, at, loss, width=model))
    return Runs(Path("synthetic"), tuple(runs), "synthetic", {}, PATIENCE, {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--b", type=float, default=60.0, help="the plateau, steps")
    options = parser.parse_args()
    truth = {"a": 800.0, "k1": 0.7, "k2": 0.5, "b": options.b}
    inside = {way: dict.fromkeys(truth, 0) for way in ("points", "curves")}
    seen = 0
    for repeat in range(options.repeats):
        random = np.random.default_rng(repeat)
        rows = campaign(truth, random)
        choice = choose(rows, CENTER)
        law = law_of(whole_curves(rows, random))
        seen += law.plateau == "seen"
        for way, found in (("points", parameters(choice)), ("curves", law.parameters)):
            for name, value in truth.items():
                inside[way][name] += found[name].low <= value <= found[name].high
    shares = {
        way: {name: count / options.repeats for name, count in counts.items()}
        for way, counts in inside.items()
    }
    print(json.dumps({"repeats": options.repeats, "truth": truth, "plateau_seen": seen, **shares}))


if __name__ == "__main__":
    main()
