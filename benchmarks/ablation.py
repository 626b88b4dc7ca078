"""What each piece of physics buys: errors of `hwsim validate` with it and without it.

Prints two tables in Markdown, of the median |ln (predicted / measured)| of each suite: as it is,
and once the median factor of a suite is divided out, so that a piece isn't credited with a mean
level that any constant would give. `-` where a piece changes none of a suite's cases; the second has
no suite of fewer than 5. Predictions are those of the shipped calibrations. `--every N` takes every N-th row of a file.

    python benchmarks/ablation.py --every 10 gemm.csv collectives.csv transformer_steps.csv
"""

import argparse
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from statistics import median

from calibration.measurement import Measurement
from calibration.pieces import PIECES
from calibration.predict import Prediction, Predictor
from calibration.sources import files
from calibration.validation.answers import answered
from calibration.validation.outcomes import outcomes
from calibration.validation.sheets import Sheet, markdown

ALL = "everything"
FEWEST = 5  # cases that are left once a factor is fitted to them
SAME = 1e-9  # difference of logarithms that is none
Logs = dict[str, list[float]]
Error = Callable[[Sequence[float]], float]


def errors(cases: Sequence[Measurement], without: Sequence[str]) -> Logs:
    """ln (predicted / measured) of each suite's cases."""
    found: Logs = defaultdict(list)
    with answered(cases, Predictor(without=without)) as answers:
        for outcome in outcomes(cases, answers=answers):
            answer, truth = outcome.answer, outcome.measurement.seconds
            if isinstance(answer, Prediction) and truth is not None:
                found["/".join(outcome.suite)].append(math.log(answer.seconds / truth))
    return found


def as_it_is(logs: Sequence[float]) -> float:
    return median(map(abs, logs))


def leveled(logs: Sequence[float]) -> float:
    level = median(logs)
    return median(abs(log - level) for log in logs)


def sheet(title: str, found: dict[str, Logs], error: Callable[[Sequence[float]], float]) -> Sheet:
    """A line a suite: with everything, then without each piece."""
    rows = []
    for suite, whole in found[ALL].items():
        if len(whole) < fewest:
            continue
        cells = [f"{error(whole):.3f}"]
        for piece in PIECES:
            logs = found[piece][suite]
            moved = any(abs(a - b) > SAME for a, b in zip(logs, whole, strict=True))
            cells.append(f"{error(logs):.3f}" if moved else "-")
        rows.append((suite, f"{len(whole):,}", *cells))
    return Sheet(title, ("suite",), ("cases", ALL, *PIECES), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description="Errors without each piece of physics.")
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take every N-th row")
    given = parser.parse_args()
    cases = [case for path in given.files for case in files.read(path, None)[:: given.every]]
    found = {ALL: errors(cases, ())}
    for piece in PIECES:
        found[piece] = errors(cases, (piece,))
    print(markdown(sheet("As it is", found, as_it_is)))
    print()
    print(
        markdown(sheet("With a constant factor of each suite divided out", found, leveled, FEWEST))
    )


if __name__ == "__main__":
    main()
