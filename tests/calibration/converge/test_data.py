"""The committed curves: what must be true of them whatever was measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibration.converge import curves

DATA = Path(curves.__file__).resolve().parents[1] / "data"
FILES = sorted(path for path in DATA.glob("*.jsonl") if curves.SCHEMA in path.read_text()[:100])


def least(curve):
    return min(curve.losses)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_campaign_is_read_and_names_no_place(path):
    found = curves.read(path)
    assert found.finished
    assert "/" not in found.header.command.replace("calibration/data/", "")
    assert found.header.workload.endswith("-small")


def test_no_model_beats_the_entropy_of_its_text():
    found = curves.read(DATA / "markov.jsonl")
    entropy = found.header.corpus.entropy
    assert all(least(curve) > entropy for curve in found.finished.values())


def test_with_more_data_models_come_closer_to_the_entropy():
    found = curves.read(DATA / "markov.jsonl")
    entropy = found.header.corpus.entropy
    excess = {
        (curve.end.hidden, curve.end.dataset): least(curve) - entropy
        for curve in found.finished.values()
    }
    for hidden in {width for width, _ in excess}:
        falling = [excess[key] for key in sorted(excess) if key[0] == hidden]
        assert falling == sorted(falling, reverse=True)
        assert falling[-1] < 0.6 * falling[0]
