"""Random bad input at every door of the command line: prints what was found as one JSON object.

Every input runs in a child of its own with 10 s and 1.5 GB. A fault is an exit code that is none of
0, 2, 3, 4 and 130, a traceback, a control character in what is printed, or JSON that is none. The
exit code is 1 if there is one; `--save FILE` keeps the inputs of faults, one JSON line each.
"""

import argparse
import collections
import json
import random
import shlex
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "fuzz"))

import isolated
import lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="commands that contain this")
    parser.add_argument("--save", type=Path)
    given = parser.parse_args()
    codes, kinds, wrong = collections.Counter(), collections.Counter(), []
    slowest, largest, begun = (0.0, ""), (0, ""), time.perf_counter()
    isolated.prepare()
    for number in range(given.inputs):
        rng = random.Random(f"{given.seed}/{number}")
        with tempfile.TemporaryDirectory() as folder:
            asked = lines.draw(rng, Path(folder), given.only)
            found = isolated.run(asked)
        line = shlex.join(asked.words)[:300]
        codes[found.code] += 1
        kinds.update(asked.kind.split())
        slowest, largest = max(slowest, (found.seconds, line)), max(largest, (found.memory, line))
        faults = isolated.faults(asked, found)
        if faults:
            wrong.append(f"{given.seed}/{number}: {', '.join(faults)}: {line}")
            print(wrong[-1].encode("ascii", "backslashreplace").decode(), file=sys.stderr)
            if given.save:
                record = {"number": number, "faults": faults, "words": asked.words}
                record |= {"err": found.err[-3000:], "out": found.out[:300]}
                with given.save.open("a") as stream:
                    stream.write(json.dumps(record) + "\n")
    record = {
        "inputs": given.inputs,
        "seed": given.seed,
        "faults": len(wrong),
        "by_kind": dict(kinds.most_common()),
        "exit_codes": {str(code): count for code, count in sorted(codes.items())},
        "slowest": {"seconds": round(slowest[0], 2), "words": slowest[1]},
        "largest": {"megabytes": round(largest[0] / 1e6), "words": largest[1]},
        "seconds": round(time.perf_counter() - begun, 1),
    }
    print(json.dumps(record))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
