"""The same answers in the same order from however many processes, and an end when told to."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from calibration import processes
from calibration.measurement import Measurement, Provenance
from calibration.predict import Predictor, Skipped
from calibration.shapes import Gemm, TransformerStep
from calibration.validation import answers
from calibration.validation.answers import answered
from hwsim.errors import SurroundingsError

ROOT = Path(__file__).resolve().parents[3]
LAB = Provenance(source="lab")
SIZES = {"hidden": 256, "heads": 4, "kv_heads": 4, "ffn": 1024, "vocab": 1000, "seq": 128}
PLAN = {"global_batch": 8, "micro_batch": 2, "dp": 1, "tp": 1, "pp": 1, "cp": 1}
forked = pytest.mark.skipif(sys.platform != "linux", reason="processes are forks")


def step(layers, device="v100-sxm2-16gb"):
    shape = TransformerStep(
        layers=layers, gated_mlp=False, recompute="none", attention="flash", **SIZES, **PLAN
    )
    return Measurement(shape=shape, device=device, dtype="fp16", seconds=1.0, provenance=LAB)


CASES = [step(1 + number % 7, "unheard-of" if number == 5 else "p4") for number in range(40)]


@forked
def test_processes_answer_as_one_does():
    with answered(CASES, Predictor(), 2) as found:
        shared = list(found)
    assert shared == list(map(Predictor(), CASES))
    assert isinstance(shared[5], Skipped)


@forked
def test_no_process_outlives_the_answers():
    with answered(CASES, Predictor(), 2) as shared:
        next(iter(shared))
    assert multiprocessing.active_children() == []


@forked
def test_a_fault_in_the_middle_ends_the_processes():
    def spoiled(case):
        if case is CASES[20]:
            raise KeyError(case.device)
        return Skipped("")

    with pytest.raises(KeyError), answered(CASES, spoiled, 2) as shared:
        list(shared)
    assert multiprocessing.active_children() == []


@forked
def test_a_killed_process_is_said():
    def fatal(case):
        if case is CASES[20]:
            os.kill(os.getpid(), signal.SIGKILL)
        return Skipped("")

    with pytest.raises(SurroundingsError, match="killed"), answered(CASES, fatal, 2) as shared:
        list(shared)


@forked
def test_an_interrupted_reader_waits_for_nothing():
    def slow(_):
        time.sleep(60)
        return Skipped("")

    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt), answered(CASES, slow, 2):
        raise KeyboardInterrupt
    assert time.monotonic() - begun < 30


def test_few_simulated_cases_and_kernels_are_answered_here(monkeypatch):
    monkeypatch.setattr(processes, "multiprocessing", None)
    product = Measurement(
        shape=Gemm(m=8, n=8, k=8), device="p4", dtype="fp32", timing="call", provenance=LAB
    )
    with answered([product] * 500 + CASES[:10], Predictor()) as found:
        assert len(list(found)) == 510


def test_one_core_answers_here(monkeypatch):
    monkeypatch.setattr(processes, "multiprocessing", None)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    with answered(CASES * 4, lambda _: Skipped("")) as found:
        assert list(found) == [Skipped("")] * 160


@forked
@pytest.mark.skipif(answers._worth(CASES * 5) < 2, reason="one core")
def test_ctrl_c_ends_the_command_without_a_traceback(tmp_path):
    table = tmp_path / "steps.csv"
    columns = (
        "source,device,devices,devices_per_node,intra_link,inter_link,layers,hidden,heads,kv_heads,"
        "ffn,gated_mlp,experts,topk,vocab,seq,dtype,global_batch,micro_batch,dp,tp,pp,virtual_pp,"
        "cp,sequence_parallel,zero_stage,recompute,attention,seconds,note"
    )
    row = (
        "lab,a100-sxm-80gb,512,8,nvlink3-nvswitch,8xib-hdr,64,8192,64,64,32768,0,,,50000,2048,bf16,"
        "2048,1,1,8,64,,1,0,0,full,flash,1.0,"
    )
    table.write_text("\n".join([columns, *[row] * 200]) + "\n")
    command = [sys.executable, "-m", "hwsim", "validate", str(table), "--json"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while process.poll() is None and len(children.read_text().split()) < 2:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130, err
    assert out == ""
    assert err.split() == ["interrupted"]
