"""How well laws of a table of steps predict rows that they haven't seen.

    python benchmarks/laws.py steps_to_target.csv

Rows are left out, everything (the priors too) is fitted to the others, and the left-out ones are
predicted: each row of a group of three batches or more; its largest batch; all rows but one or two
of a group; each model size of a family; each target and each model of a loss surface. Prints one
JSON object: errors are |predicted / measured - 1|.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from itertools import combinations
from pathlib import Path

from calibration.converge.tables import laws, records, rows, score
from calibration.converge.tables.rows import Row
from calibration.converge.tables.score import Answer

Left = Iterable[tuple[list[Row], list[Row]]]  # rows that are left out, those of them to predict


def left_out(table: list[Row], left: Left) -> list[Answer]:
    """The answers for rows that were left out."""
    found: list[Answer] = []
    for out, wanted in left:
        numbers = {row.number for row in out}
        rest = [row for row in table if row.number not in numbers]
        fitted = laws.fit(rest, least_sizes=2)
        found += score.answers(fitted, wanted)
    return found


def by(table: list[Row], key: Callable[[Row], Hashable]) -> list[list[Row]]:
    found: dict[Hashable, list[Row]] = defaultdict(list)
    for row in table:
        found[key(row)].append(row)
    return list(found.values())


def summed(found: list[Answer]) -> dict[str, object]:
    """Of all, and of each source."""
    sources = dict.fromkeys(row.asked.source for row, _ in found)
    parts = {
        source: score.summary([answer for answer in found if answer[0].asked.source == source])
        for source in sources
    }
    return {"all": score.summary(found), **(parts if len(parts) > 1 else {})}


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: python benchmarks/laws.py STEPS_TO_TARGET.csv")
    path = Path(sys.argv[1])
    table = [row for row in rows.parse(path.read_text(), path.name) if row.steps]
    full = laws.fit(table)
    planes = {(*row.asked.family, row.asked.batch) for row in table} & full.surfaces.keys()
    flat = [row for row in table if (*row.asked.family, row.asked.batch) in planes]
    curved = [row for row in table if row not in flat]
    groups = [g for g in by(curved, lambda row: row.asked.group) if len(g) >= 3]
    one = [[row for row in group if row is not kept] for group in groups for kept in group]
    two = [
        [row for row in group if row not in pair]
        for group in groups
        for pair in list(combinations(group, 2))[:: max(len(group) * (len(group) - 1) // 8, 1)]
    ]
    sized = [row for row in curved if row.asked.family in full.sizes]
    largest = {max(group, key=lambda row: row.asked.batch) for group in groups}
    single = left_out(table, [([row], [row]) for group in groups for row in group])
    print(
        json.dumps(
            {
                "row": summed(single),
                "largest_batch": summed([answer for answer in single if answer[0] in largest]),
                "one_batch_kept": summed(left_out(table, [(out, out) for out in one])),
                "two_batches_kept": summed(left_out(table, [(out, out) for out in two])),
                "size": summed(
                    left_out(table, [(g, g) for g in by(sized, lambda r: r.asked.params)])
                ),
                "surface_target": summed(
                    left_out(table, [(g, g) for g in by(flat, lambda r: r.asked.target)])
                ),
                "surface_model": summed(
                    left_out(table, [(g, g) for g in by(flat, lambda r: r.asked.workload)])
                ),
                "critical_batch": {
                    f"{law['workload']} ({law['target']})": law["parameters"]["B_crit"]
                    for law in records.records(full)
                    if "B_crit" in law["parameters"]
                },
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
