"""Suites: statistics by hand, what is counted, repeats, and the file of predictions."""

import csv
from pathlib import Path

import pytest

from calibration.measurement import Measurement, Provenance, write
from calibration.predict import Part, Prediction, Skipped
from calibration.shapes import Gemm, TransformerStep
from calibration.sources.files import read
from calibration.validation import outcomes as validate
from calibration.validation.outcomes import (
    outcomes,
    repeat_floor,
    suites,
    write_assumptions,
    write_predictions,
)
from calibration.validation.score import errors
from hwsim.errors import InputError

PUBLIC = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"


def case(seconds, m=64, source="lab", device="p4", row=0):
    return Measurement(
        shape=Gemm(m=m, n=64, k=64),
        device=device,
        dtype="fp32",
        seconds=seconds,
        provenance=Provenance(source=source),
        row=row,
    )


def twice(measurement):
    """Says 2 s of everything, whose roofline is 1 s, and nothing of a device it doesn't know."""
    if measurement.device == "x":
        return Skipped("no such device")
    parts = (Part("product", {"compute": 2.0}),)
    return Prediction(2.0, 1.5, 2.5, 1.0, 1.0, 4.0, parts)


def test_a_suite_counts_its_cases():
    cases = [case(2.0), case(4.0, m=128), case(None), case(1.0, device="x"), case(9.0, source="t")]
    first, second = suites(outcomes(cases, predictor=twice))
    assert (first["name"], second["name"]) == ("gemm/lab", "gemm/t")
    assert first["cases"] == 2
    assert first["blank"] == 1
    assert first["skipped"] == [
        {"case": "x fp32 gemm batch 1 m 64 n 64 k 64", "why": "no such device"}
    ]
    assert first["hwsim"] == errors([(2.0, 2.0), (2.0, 4.0)])
    assert first["roofline"] == errors([(1.0, 2.0), (1.0, 4.0)])
    assert first["null"]["max"] == pytest.approx(2**0.5 - 1)  # both at the mean of 2 and 4
    assert (first["coverage80"], first["coverage95"]) == (0.5, 1.0)
    assert [one["measured"] for one in first["worst"]] == [4.0, 2.0]
    assert not first["in_sample"]


def assuming(measurement):
    """Assumes one thing of all and another of the first row."""
    said = ("always",) if measurement.row else ("always", "first")
    return Prediction(2.0, 1.5, 2.5, 1.0, 1.0, 4.0, (), said)


def test_a_suite_tells_what_was_assumed_of_which_rows(tmp_path):
    found = outcomes([case(2.0), case(None, row=1)], predictor=assuming)
    assert suites(found)[0]["assumed"] == [
        {"assumed": "always", "rows": [0, 1]},
        {"assumed": "first", "rows": [0]},
    ]
    path = tmp_path / "assumed.csv"
    write_assumptions(path, found)
    assert path.read_text() == "row,assumed\n0,always\n0,first\n1,always\n"
    with pytest.raises(InputError, match="--assumptions"):
        write_assumptions(tmp_path, found)


def test_blank_results_leave_a_suite_without_statistics():
    (suite,) = suites(outcomes([case(None), case(None)], predictor=twice))
    assert (suite["cases"], suite["blank"], suite["worst"]) == (0, 2, [])
    names = ("hwsim", "roofline", "null", "repeat_floor", "coverage80", "clustered", "skill")
    assert [suite[name] for name in names] == [None] * 7
    assert suite["devices"] == []


def test_tables_that_set_the_shares_are_marked():
    found = suites(outcomes([case(1.0, source="deepbench"), case(1.0)], predictor=twice))
    assert [suite["in_sample"] for suite in found] == [True, False]


def test_the_floor_is_the_median_spread_of_repeats():
    repeats = [case(1.0), case(1.1), case(1.05), case(2.0, m=8), case(2.6, m=8), case(7.0, m=9)]
    assert repeat_floor(repeats) == pytest.approx((0.1 + 0.3) / 2)
    assert repeat_floor(repeats[-1:]) is None


def step(seconds, source, note):
    shape = TransformerStep(
        **{"layers": 2, "hidden": 64, "heads": 4, "kv_heads": 4, "ffn": 256, "gated_mlp": False},
        **{"vocab": 100, "seq": 16, "global_batch": 8, "micro_batch": 2, "dp": 1, "tp": 1},
        **{"pp": 1, "cp": 1, "recompute": "none", "attention": "flash"},
    )
    told = Provenance(source=source, note=note)
    return Measurement(
        shape=shape, device="h100-sxm-80gb", dtype="bf16", seconds=seconds, provenance=told
    )


@pytest.mark.parametrize(
    ("source", "notes", "floor"),
    [
        ("bigscience", ("182B", "182B"), 0.5),
        ("mlperf", ("gpt3; v3.1 nvidia", "gpt3; v3.1 azure"), 0.5),
        ("mlperf", ("gpt3; v3.0 nvidia", "gpt3; v3.1 nvidia"), None),
        ("megatron-bridge", ("x; release 26.04", "x; release 26.04.01"), None),
        ("torchtitan", ("no compile", "torch.compile"), None),
    ],
)
def test_other_software_is_no_repeat(source, notes, floor):
    assert repeat_floor([step(1.0, source, notes[0]), step(1.5, source, notes[1])]) == floor


def test_at_most_five_are_the_worst():
    (suite,) = suites(outcomes([case(float(n), m=n) for n in range(1, 9)], predictor=twice))
    assert len(suite["worst"]) == 5


def test_the_worst_is_so_by_factors_and_tells_its_parts():
    measured = [case(seconds, m=row, row=row) for row, seconds in enumerate((0.9, 9.0, 2.0), 1)]
    (suite,) = suites(outcomes(measured, predictor=twice), worst=2)
    assert [one["row"] for one in suite["worst"]] == [2, 1]
    assert suite["worst"][0]["parts"] == [{"name": "product", "compute": 2.0}]


def test_the_parts_of_a_prediction_sum_to_it():
    (outcome,) = outcomes([case(1.0)])
    answer = outcome.answer
    assert sum(s for part in answer.parts for s in part.seconds.values()) == answer.seconds


def test_devices_and_strata_are_scored_apart():
    cases = [case(2.0), case(4.0, device="titanv"), case(2.0, m=9), case(1.0, device="x")]
    (suite,) = suites(outcomes(cases, predictor=twice))
    assert [(one["device"], one["cases"]) for one in suite["devices"]] == [("p4", 2), ("titanv", 1)]
    assert [one["hwsim"]["median"] for one in suite["devices"]] == [0.0, 0.5]
    assert suite["strata"] == []


def test_predictions_are_one_line_a_row(tmp_path):
    path = tmp_path / "out.csv"
    write_predictions(path, outcomes([case(None), case(1.0, device="x", row=1)], predictor=twice))
    assert path.read_text() == (
        "row,predicted,low,high,roofline,why\n0,2,1.5,2.5,1,\n1,,,,,no such device\n"
    )


def test_predictions_go_to_no_folder(tmp_path):
    with pytest.raises(InputError):
        write_predictions(tmp_path, [])


def test_json_lines_are_told_from_tables(tmp_path):
    path = tmp_path / "any.name"
    write(path, [case(1.0)])
    assert read(str(path)) == [case(1.0)]


@pytest.mark.skipif(not PUBLIC.is_dir(), reason="the published tables are not here")
@pytest.mark.parametrize("name", ["collectives", "recurrent", "model_steps", "steps_to_target"])
def test_the_counts_of_published_tables_add_up(name, tmp_path):
    cases = read(str(PUBLIC / f"{name}.csv"))
    found = outcomes(cases)
    for suite in suites(found):
        of_source = [c for c in cases if suite["name"].endswith(f"/{c.provenance.source}")]
        assert suite["cases"] + suite["blank"] + len(suite["skipped"]) == len(of_source)
    path = tmp_path / "out.csv"
    validate.write_predictions(path, found)
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [int(row["row"]) for row in rows] == list(range(len(cases)))
    assert all(bool(row["why"]) != bool(row["predicted"]) for row in rows)
