"""A family's loss over model size and steps, read the other way round: steps to a loss.

    L(N, S) = E + A (N/N_0)^-a + u + (C + D ln(N/N_0) + v) (S/S_0)^-c + scatter

u and v are a model's own deviations (its shape, its learning rate). E, A, C and D enter linearly
and are integrated exactly (a Gaussian process of finite rank), the exponents and the three
deviations on a grid. A loss below a model's floor, E + A (N/N_0)^-a + u, is never reached.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from calibration.converge.tables.rows import Row
from calibration.converge.tables.spread import Floats, Prediction, of_draws
from hwsim.convergence.loss import steps_at

SIZE_EXPONENTS = (0.1, 0.2, 0.3, 0.4, 0.6)
STEP_EXPONENTS = (0.5, 0.6, 0.7, 0.8, 1.0, 1.2)
# Standard deviations, in loss, of a model's floor, of its step term, and of single rows.
FLOORS, SLOPES, ROWS = (0.005, 0.01, 0.02, 0.04), (0.01, 0.03, 0.1), (0.002, 0.004, 0.008, 0.016)
WIDE = np.array([10.0, 10.0, 10.0, 0.3])  # prior deviations of E, A, C, D
DRAWS = 4000
SEED = 2018
LEAST_ROWS, LEAST_MODELS = 8, 3


@dataclass(frozen=True)
class Point:
    """A point of the grid and what solving there left: the weights of the rows and their factor."""

    size: float
    step: float
    floor: float
    slope: float
    row: float
    evidence: float
    solved: Floats
    factor: Floats


@dataclass(frozen=True)
class Surface:
    """The rows of one family at one batch: model names, N / N_0, S / S_0 and losses."""

    names: tuple[str, ...]
    sizes: Floats
    steps: Floats
    losses: Floats
    center: tuple[float, float]

    @cached_property
    def points(self) -> list[Point]:
        """The grid with its evidence."""
        same = np.array(self.names)[:, None] == np.array(self.names)
        return [
            self._point(a, c, same, deviations)
            for a, c in itertools.product(SIZE_EXPONENTS, STEP_EXPONENTS)
            for deviations in itertools.product(FLOORS, SLOPES, ROWS)
        ]

    def _point(
        self, a: float, c: float, same: Floats, deviations: tuple[float, float, float]
    ) -> Point:
        floor, slope, row = deviations
        fall = self.steps**-c
        terms = _terms(self.sizes, fall, a) * WIDE
        cover = terms @ terms.T + same * (floor**2 + slope**2 * np.outer(fall, fall))
        cover[np.diag_indices_from(cover)] += row**2
        factor = np.linalg.cholesky(cover)
        half = np.linalg.solve(factor, self.losses)
        evidence = float(-0.5 * half @ half - np.log(np.diag(factor)).sum())
        return Point(a, c, floor, slope, row, evidence, np.linalg.solve(factor.T, half), factor)

    def predict(self, name: str, params: float, loss: float) -> Prediction:
        """Steps of a model to a loss; the model may be one of the family's or another."""
        return of_draws(np.log(self.draws(name, params, loss)))

    def draws(self, name: str, params: float, loss: float) -> Floats:
        """Draws of the steps, infinite where the loss lies below a draw's floor."""
        random = np.random.default_rng(SEED)
        found = []
        for point, count in self._drawn(random):
            mean, cover = self._ends(point, name, params / self.center[0])
            ends = _normal(random, mean, cover, count)
            target = loss + point.row * random.standard_t(4, count)
            found.append(steps_at(target, ends[:, 0], np.maximum(ends[:, 1], 0.0), point.step))
        return np.asarray(self.center[1] * np.concatenate(found))

    def parameters(self) -> dict[str, Floats]:
        """Draws of E, A, a, C, D and c, by name."""
        random = np.random.default_rng(SEED)
        found = []
        for point, count in self._drawn(random):
            terms = _terms(self.sizes, self.steps**-point.step, point.size) * WIDE
            half = np.linalg.solve(point.factor, terms)
            cover = WIDE[:, None] * (np.eye(4) - half.T @ half) * WIDE
            linear = _normal(random, WIDE * (terms.T @ point.solved), cover, count)
            found.append(np.column_stack((linear, np.full((count, 2), (point.size, point.step)))))
        return dict(zip(("E", "A", "C", "D", "a", "c"), np.concatenate(found).T, strict=True))

    def _drawn(self, random: np.random.Generator) -> Iterator[tuple[Point, int]]:
        """Points of the grid, each with how many of the draws are its."""
        evidence = np.array([point.evidence for point in self.points])
        weights = np.exp(evidence - evidence.max())
        chosen = random.choice(len(weights), DRAWS, p=weights / weights.sum())
        for index, count in zip(*np.unique(chosen, return_counts=True), strict=True):
            yield self.points[index], int(count)

    def _ends(self, point: Point, name: str, size: float) -> tuple[Floats, Floats]:
        """Mean and covariance of a model's floor and of its step term at S_0."""
        fall = self.steps**-point.step
        at = _terms(np.array([size, size]), np.array([0.0, 1.0]), point.size)
        at = np.stack((at[0], at[1] - at[0])) * WIDE
        own = np.array(self.names) == name
        cross = at @ (_terms(self.sizes, fall, point.size) * WIDE).T
        cross += own * np.stack((np.full(len(fall), point.floor**2), point.slope**2 * fall))
        prior = at @ at.T + np.diag([point.floor**2, point.slope**2])
        half = np.linalg.solve(point.factor, cross.T)
        return cross @ point.solved, prior - half.T @ half


def surface(rows: Sequence[Row]) -> Surface | None:
    """Of one family's rows at one batch; None if they are too few, or of too few models."""
    known = [row for row in rows if row.steps and row.asked.params and row.asked.target]
    names = tuple(row.asked.workload for row in known)
    repeated = {name for name in names if names.count(name) > 1}
    if len(known) < LEAST_ROWS or len({*names}) < LEAST_MODELS or len(repeated) < LEAST_MODELS:
        return None
    sizes = np.array([float(row.asked.params or 1) for row in known])
    steps = np.array([row.steps or 1.0 for row in known])
    losses = np.array([row.asked.target or 0.0 for row in known])
    center = (float(np.exp(np.log(sizes).mean())), float(np.exp(np.log(steps).mean())))
    return Surface(names, sizes / center[0], steps / center[1], losses, center)


def _terms(sizes: Floats, fall: Floats, a: float) -> Floats:
    """The columns of E, A, C and D, shape (rows, 4)."""
    return np.column_stack((np.ones_like(sizes), sizes**-a, fall, np.log(sizes) * fall))


def _normal(random: np.random.Generator, mean: Floats, cover: Floats, count: int) -> Floats:
    """Draws of a normal, shape (count, len(mean))."""
    factor = np.linalg.cholesky(cover + 1e-12 * np.eye(len(mean)))
    return np.asarray(mean + random.standard_normal((count, len(mean))) @ factor.T)
