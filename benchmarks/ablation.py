"""What each piece of physics buys on published tables, as Markdown.

    python benchmarks/ablation.py FILE... [--every N]

Median |ln(predicted / measured)| of each table and source with everything and without a piece: as
it is, and after one constant factor for the source, so that a piece is not credited with the level
alone; - where a piece changes no case. Parameters are those that ship and are not fitted anew.
"""

import argparse
import math
import statistics
from collections import defaultdict

from calibration.measurement import Measurement
from calibration.pieces import PIECES
from calibration.predict import Prediction, Predictor
from calibration.processes import cores, mapped
from calibration.sources.files import read
from calibration.validation.outcomes import Outcome
from calibration.validation.score import scatter_of

EVERYTHING = "everything"
SAME = 1e-9  # difference of two logarithms that is none


def ratios(cases: list[Measurement], predict: Predictor) -> list[float | None]:
    """Predicted over measured seconds; None where a case is skipped."""

    def ratio(case: Measurement) -> float | None:
        answer = predict(case)
        known = isinstance(answer, Prediction) and case.seconds
        return answer.seconds / case.seconds if known else None

    with mapped(cases, ratio, cores()) as found:
        return list(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+")
    parser.add_argument("--every", type=int, default=1, help="take every n-th row")
    options = parser.parse_args()
    cases = [case for file in options.files for case in read(file, None)][:: options.every]
    suites = [" ".join(Outcome(case, None).suite) for case in cases]
    made = {EVERYTHING: ratios(cases, Predictor())}
    made |= {name: ratios(cases, Predictor(without=[name])) for name in PIECES}
    print(f"| suite | cases | {' | '.join((EVERYTHING, *(f'no {name}' for name in PIECES)))} |")
    print("|---|---:|" + "---:|" * (1 + len(PIECES)))
    numbers: dict[str, list[int]] = defaultdict(list)
    for number, suite in enumerate(suites):
        if made[EVERYTHING][number] is not None:
            numbers[suite].append(number)
    for suite, own in numbers.items():
        cells = []
        whole: list[float] = []
        for found in made.values():
            logs = [math.log(found[n]) for n in own if found[n] is not None]
            plain = statistics.median(map(abs, logs))
            same = whole and all(abs(a - b) < SAME for a, b in zip(logs, whole, strict=True))
            cells.append("-" if same else f"{plain:.1%} ({scatter_of(logs):.1%})")
            whole = whole or logs
        print(f"| {suite} | {len(own):,} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
