"""The picture of predicted against measured seconds."""

import struct

import pytest

from calibration.measurement import Measurement, Provenance
from calibration.predict import Prediction, Skipped
from calibration.shapes import Gemm, Pointwise
from calibration.validation.outcomes import Outcome
from calibration.validation.scatter import save
from hwsim.errors import InputError

pytest.importorskip("matplotlib")
SHAPES = {
    "gemm": Gemm(m=8, n=8, k=8),
    "pointwise": Pointwise(op="add", rows=1, cols=1, bytes_moved=9),
}


def outcome(predicted, kind="gemm", source="lab", seconds=1.0):
    case = Measurement(
        shape=SHAPES[kind], device="p4", seconds=seconds, provenance=Provenance(source=source)
    )
    answer = Prediction(predicted, *(5 * [predicted])) if predicted else Skipped("unknown")
    return Outcome(case, answer)


def words(found, tmp_path, split="none"):
    from matplotlib import rc_context

    with rc_context({"svg.fonttype": "none"}):
        save(tmp_path / "picture.svg", found, split)
    return (tmp_path / "picture.svg").read_text()


def test_kinds_are_told_with_how_many_are_near(tmp_path):
    found = [outcome(1.2), outcome(1.3), outcome(100.0, "pointwise"), outcome(None)]
    drawn = words(found, tmp_path)
    for text in ("products: 50 % of 2", "elementwise: 0 % of 1", "3 cases", "what is shipped"):
        assert text in drawn


def test_sources_of_one_kind_are_told_apart(tmp_path):
    drawn = words([outcome(1.0), outcome(1.0, source="other")], tmp_path, "device")
    for text in ("lab: 100 % of 1", "other: 100 % of 1", "every other device"):
        assert text in drawn


def test_a_picture_of_thousands_of_points_stays_small(tmp_path):
    found = [outcome(1.0 + n % 7, seconds=1.0 + n % 11) for n in range(3000)]
    out = tmp_path / "picture.png"
    save(out, found)
    content = out.read_bytes()
    assert struct.unpack(">2I", content[16:24])[0] > 800
    assert len(content) < 300_000


def test_nothing_measured_is_no_picture(tmp_path):
    with pytest.raises(InputError, match="measured"):
        save(tmp_path / "picture.png", [outcome(None)])
