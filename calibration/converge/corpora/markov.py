"""Seeded synthetic text whose entropy is known: what no model of it can beat.

Every symbol is drawn from a distribution that depends on the two before it. So a model's excess
loss, and whether more data closes it, are known exactly; of a natural text they are not.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from calibration.converge.corpora.corpus import Codes, Text

NAME = "markov"
SYMBOLS = 16
CONCENTRATION = 0.25  # of the Dirichlet prior: each context has a few likely successors
TRAINING, VALIDATION = 500_000, 48_000
SEED = 2018

Floats = npt.NDArray[np.float64]


def text(training: int = TRAINING, validation: int = VALIDATION, seed: int = SEED) -> Text:
    """`training` + `validation` symbols of the source, and its entropy on the validation part."""
    random = np.random.default_rng(seed)
    table = transitions(random)
    codes = _drawn(table, training + validation, random)
    held = codes[training:]
    return Text(
        name=NAME,
        sha256=hashlib.sha256(codes.astype("<i8").tobytes()).hexdigest(),
        unit="characters",
        vocabulary=SYMBOLS,
        training=codes[:training],
        validation=held,
        size=training,
        held=validation,
        entropy=cross_entropy(table, held),
    )


def transitions(random: np.random.Generator) -> Floats:
    """P(next | last but one, last), shape (SYMBOLS, SYMBOLS, SYMBOLS)."""
    prior = np.full(SYMBOLS, CONCENTRATION)
    return random.dirichlet(prior, size=(SYMBOLS, SYMBOLS))


def entropy_rate(table: Floats) -> float:
    """H = - sum_ij pi_ij sum_k P(k | i, j) ln P(k | i, j), in nats per symbol.

    pi is the stationary distribution of pairs.

    >>> round(entropy_rate(np.full((2, 2, 2), 0.5)), 4)
    0.6931
    """
    pairs = np.full(table.shape[:2], 1.0 / table[..., 0].size)
    for _ in range(1000):
        pairs = np.einsum("ij,ijk->jk", pairs, table)
    logarithm = np.log(table, where=table > 0, out=np.zeros_like(table))
    return float(-(pairs[..., None] * table * logarithm).sum())


def cross_entropy(table: Floats, codes: Codes) -> float:
    """The source's own mean loss on a text, in nats per symbol: close to its entropy rate."""
    return float(-np.log(table[codes[:-2], codes[1:-1], codes[2:]]).mean())


def _drawn(table: Floats, length: int, random: np.random.Generator) -> Codes:
    bounds = np.cumsum(table, axis=-1).tolist()
    codes = [0, 0]
    for chance in random.random(length):
        row = bounds[codes[-2]][codes[-1]]
        codes.append(next((i for i, bound in enumerate(row) if chance < bound), SYMBOLS - 1))
    return np.array(codes[2:], dtype=np.int64)
