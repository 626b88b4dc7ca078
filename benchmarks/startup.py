"""Wall time of `hwsim estimate` against importing its packages, in turn, in one run.

Prints the median of each and their ratio as one JSON object; `torch` and `scipy` must not be
imported on the way.
"""

import json
import statistics
import subprocess
import sys
import time

ROUNDS = 15
ESTIMATE = ["-m", "hwsim", "estimate", "--hw", "volta.json", "--model", "charlm"]
IMPORTS = ["-c", "import pydantic, simpy, rich, numpy"]


def wall(arguments: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - begun


def imported() -> set[str]:
    """Top-level modules that the command touches."""
    command = [sys.executable, "-X", "importtime", *ESTIMATE]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stderr.splitlines()
    names = (line.rsplit("|", 1)[-1].strip() for line in lines if line.startswith("import time:"))
    return {name.split(".")[0] for name in names}


def main() -> None:
    pairs = [(wall(ESTIMATE), wall(IMPORTS)) for _ in range(ROUNDS + 1)][1:]
    ratios = sorted(a / b for a, b in pairs)
    print(
        json.dumps(
            {
                "estimate_seconds": round(statistics.median(a for a, _ in pairs), 4),
                "imports_seconds": round(statistics.median(b for _, b in pairs), 4),
                "ratio": round(statistics.median(ratios), 3),
                "ratio_range": [round(ratios[0], 3), round(ratios[-1], 3)],
                "rounds": ROUNDS,
                "heavy_imports": sorted({"torch", "scipy", "matplotlib"} & imported()),
            }
        )
    )


if __name__ == "__main__":
    main()
