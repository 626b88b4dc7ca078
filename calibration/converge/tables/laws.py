"""All laws of a table, and what they say about a row of another one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from calibration.converge.tables.posterior import Posterior, posterior
from calibration.converge.tables.priors import ENOUGH, Prior, learned
from calibration.converge.tables.rows import Asked, Row
from calibration.converge.tables.sizes import LEAST_SIZES, Family, family
from calibration.converge.tables.spread import Prediction
from calibration.converge.tables.surface import Surface, surface

# Of more rows of a group or of a family, and of more groups to learn priors from, evenly spread
# ones are looked at.
MOST_ROWS, MOST_OF_FAMILY, MOST_GROUPS = 200, 100, 100
T = TypeVar("T")
Key = tuple[Any, ...]


@dataclass(frozen=True)
class Laws:
    """The measured rows by group (they differ in batch alone), and by family and batch.

    `least_sizes` are the sizes that a family needs before it answers for others.
    """

    groups: dict[Key, list[Row]]
    families: dict[Key, list[Row]]
    least_sizes: int = LEAST_SIZES

    def posterior(self, key: Key) -> Posterior:
        """What a group's rows say."""
        return posterior(tuple(self.groups[key]))

    @cached_property
    def priors(self) -> dict[str, Prior]:
        """What the groups of each source have in common."""
        enough = _spread([key for key, rows in self.groups.items() if len(rows) >= ENOUGH])
        return learned(
            {str(key[0]) for key in self.groups},
            [(str(key[0]), self.posterior(key)) for key in enough],
        )

    @cached_property
    def surfaces(self) -> dict[Key, Surface]:
        """By family and batch."""
        found = {key: surface(rows) for key, rows in self.families.items()}
        return {key: one for key, one in found.items() if one is not None}

    @cached_property
    def sizes(self) -> dict[Key, Family]:
        """Batch laws along a family's sizes, by family."""
        members: dict[Key, dict[Key, float]] = defaultdict(dict)
        for key, rows in self.groups.items():
            asked = rows[0].asked
            if asked.params and len(rows) >= ENOUGH:
                members[asked.family][key] = float(asked.params)
        return {
            key: family(
                {one: (sizes[one], self.posterior(one)) for one in _spread(sorted(sizes, key=str))},
                self.priors[str(key[0])],
            )
            for key, sizes in members.items()
            if len({*sizes.values()}) >= self.least_sizes
        }

    def predict(self, asked: Asked) -> Prediction | str:
        """Steps with their intervals, or why there is no telling."""
        plane = self.surfaces.get((*asked.family, asked.batch))
        if plane and asked.params and asked.target is not None:
            return plane.predict(asked.workload, asked.params, asked.target)
        log_batch = float(np.log(asked.batch))
        if asked.group in self.groups:
            group = self.posterior(asked.group)
            prior = self.priors[asked.source].on_grid(group)
            return group.mixture(log_batch, prior).prediction()
        if asked.params and asked.family in self.sizes:
            return self.sizes[asked.family].predict(asked.params, log_batch)
        return self._why(asked)

    def _why(self, asked: Asked) -> str:
        same = [
            rows[0].asked
            for rows in self.groups.values()
            if (rows[0].asked.source, rows[0].asked.workload) == (asked.source, asked.workload)
        ]
        if not same:
            return f"the table has no steps of {asked.workload} from {asked.source}"
        names = ("params", "dataset", "target", "kind", "unit")
        other = [
            name for name in names if all(getattr(s, name) != getattr(asked, name) for s in same)
        ]
        found = " and ".join(f"{name} {getattr(asked, name)}" for name in other)
        return f"the table has no steps of {asked.workload} with {found or 'these together'}"


def fit(rows: Sequence[Row], least_sizes: int = LEAST_SIZES) -> Laws:
    """The laws of a table's measured rows."""
    groups: dict[Key, list[Row]] = defaultdict(list)
    families: dict[Key, list[Row]] = defaultdict(list)
    for row in rows:
        if row.steps is not None:
            groups[row.asked.group].append(row)
            families[(*row.asked.family, row.asked.batch)].append(row)
    return Laws(
        {key: _thinned(found, MOST_ROWS) for key, found in groups.items()},
        {
            key: _thinned(found, MOST_OF_FAMILY)
            for key, found in families.items()
            if key[3] == "absolute_loss"
        },
        least_sizes,
    )


def _thinned(rows: list[Row], most: int) -> list[Row]:
    def place(row: Row) -> tuple[int, str, float]:
        return row.asked.batch, row.asked.workload, row.steps or 0.0

    return _spread(sorted(rows, key=place), most)


def _spread(found: list[T], most: int = MOST_GROUPS) -> list[T]:
    """At most so many of them, evenly spread."""
    index = np.unique(np.linspace(0, len(found) - 1, min(most, len(found))).astype(int))
    return [found[i] for i in index]
