"""Text of a known source: its entropy is what no model beats."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.converge.corpora import markov


@pytest.fixture(scope="module")
def short():
    return markov.text(training=60_000, validation=20_000)


def test_the_same_seed_gives_the_same_text(short):
    again, other = markov.text(60_000, 20_000), markov.text(60_000, 20_000, seed=1)
    assert again.sha256 == short.sha256 != other.sha256
    assert np.array_equal(again.training, short.training)


def test_a_symbol_follows_its_table(short):
    table = markov.transitions(np.random.default_rng(markov.SEED))
    codes = short.training
    counts = np.zeros_like(table)
    np.add.at(counts, (codes[:-2], codes[1:-1], codes[2:]), 1)
    seen = counts.sum(-1)
    often = np.unravel_index(seen.argmax(), seen.shape)
    assert counts[often] / seen[often] == pytest.approx(table[often], abs=0.05)


def test_the_validation_part_has_the_sources_entropy(short):
    table = markov.transitions(np.random.default_rng(markov.SEED))
    assert short.entropy == pytest.approx(markov.entropy_rate(table), rel=0.02)


def test_no_table_beats_the_source_but_by_overfitting(short):
    """Counts of the training part predict the validation part worse than the source itself."""
    codes = short.training
    counts = np.ones((markov.SYMBOLS,) * 3)
    np.add.at(counts, (codes[:-2], codes[1:-1], codes[2:]), 1)
    learned = counts / counts.sum(-1, keepdims=True)
    excess = markov.cross_entropy(learned, short.validation) - short.entropy
    assert 0.0 < excess < 0.1
