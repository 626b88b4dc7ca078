"""Measurements: a file of JSON lines reads back, faults have their line, cases hold no results."""

import json
import os
from pathlib import Path

import pytest

from calibration.measurement import Case, Measurement, Provenance, parse, read, write
from calibration.shapes import KINDS, SHAPES, AttentionCore, Gemm, Update
from hwsim.errors import InputError, SurroundingsError

GEMM = {"kind": "gemm", "m": 2, "n": 3, "k": 4}
LINE = {"device": "p4", "dtype": "fp32", "shape": GEMM, "provenance": {"source": "here"}}


def made(**fields):
    return Measurement(
        shape=Gemm(m=2, n=3, k=4), device="p4", provenance=Provenance(source="here"), **fields
    )


def line(**changed):
    return json.dumps(LINE | changed)


def test_measurements_read_back_as_they_were_written(tmp_path):
    every = [
        made(dtype="fp32", seconds=1e-5, spread=0.1, results={"clock": 1.3e9}, timing="kernel"),
        made(seconds=None).model_copy(update={"row": 1}),
        Measurement(
            shape=AttentionCore(way="backward", batch=1, heads=2, kv_heads=1, seq=8, head_dim=4),
            device="p4",
            dtype="bf16",
            seconds=0.2,
            provenance=Provenance(source="here", machine="box", versions="torch 2", note="n"),
            row=2,
        ),
        Measurement(
            shape=Update(optimizer="adam", parameters=1000),
            device="p4",
            provenance=Provenance(source="here", derived=True),
            row=3,
        ),
    ]
    path = tmp_path / "m.jsonl"
    write(path, every)
    assert read(str(path)) == every
    assert len(path.read_text().splitlines()) == 4


def test_the_kinds_are_ten_families():
    families = "gemm convolution recurrent pointwise attention update launch collective step run"
    assert {kind.family for kind in KINDS} == set(families.split())
    assert made().kind == "gemm"


def test_a_case_holds_no_result():
    full = made(dtype="fp32", seconds=1.0, spread=0.5, results={"x": 1.0})
    assert full.case == full.blank().case
    assert type(full.case) is Case
    assert not set(vars(full.case)) & {"seconds", "spread", "results", "provenance", "row"}
    assert hash(full.case) == hash(full.blank().case)


FAULTS = {
    "not JSON": ("{]", "line 1, column 2", "JSON"),
    "a list": ("[1]", "line 1", "[1]"),
    "no shape": (json.dumps({"device": "p4"}), "line 1: shape", "nothing"),
    "a shape without kind": (line(shape={"m": 1}), "line 1: shape.kind", "null"),
    "an unknown kind": (line(shape={"kind": "gemmm"}), "line 1: shape.kind", "gemmm"),
    "a missing size": (line(shape={"kind": "gemm", "m": 1, "n": 1}), "line 1: shape.k", "nothing"),
    "a bad size": (line(shape=GEMM | {"m": -1}), "line 1: shape.m", "-1"),
    "an unknown size": (line(shape=GEMM | {"depth": 1}), "line 1: shape.depth", "not exist"),
    "an unknown field": (line(speed=1), "line 1: speed", "not exist"),
    "a bad time": (line(seconds=0), "line 1: seconds", "0"),
    "an unknown dtype": (line(dtype="float"), "line 1: dtype", "float"),
    "no provenance": (json.dumps({"shape": GEMM}), "line 1: provenance", "nothing"),
    "an empty source": (line(provenance={"source": ""}), "line 1: provenance.source", '""'),
    "a nameless result": (line(results={"a b": 1}), "line 1: results", "a b"),
    "an empty file": ("\n\n", "", "no measurement"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_names_its_line_and_field(fault):
    text, where, what = FAULTS[fault]
    with pytest.raises(InputError) as error:
        parse(text, "m.jsonl")
    first = error.value.each[0]
    assert first.where == f"m.jsonl: {where}".removesuffix(": ")
    assert what in first.what


def test_faulty_lines_are_all_told():
    with pytest.raises(InputError) as error:
        parse("\n".join([line(), line(dtype="x"), "", line(seconds=-1)]), "m.jsonl")
    places = [fault.where for fault in error.value.each]
    assert places == ["m.jsonl: line 2: dtype", "m.jsonl: line 4: seconds"]


def test_a_path_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    with pytest.raises(InputError):
        write(tmp_path / "none" / "m.jsonl", [made()])
    with pytest.raises(InputError):
        write(Path(), [made()])

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(SurroundingsError):
        write(tmp_path / "m.jsonl", [made()])


def test_a_pipe_is_written_and_stays_one(tmp_path):
    pipe = tmp_path / "m.jsonl"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write(pipe, [made()])
    assert parse(os.read(reader, 1 << 16).decode(), "m.jsonl") == [made()]
    os.close(reader)
    assert pipe.is_fifo()


def test_every_shape_says_its_sizes():
    assert Gemm(m=2, n=3, k=4, transpose_a=True).describe() == "batch 1 m 2 n 3 k 4 transpose_a"
    assert made(dtype="fp32").describe() == "p4 fp32 gemm batch 1 m 2 n 3 k 4"
    assert set(SHAPES) == {kind.model_fields["kind"].default for kind in KINDS}


def test_a_name_that_is_too_long_is_refused(tmp_path):
    with pytest.raises(SurroundingsError, match="too long"):
        write(tmp_path / ("x" * 5000), [made()])
