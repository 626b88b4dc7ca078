"""A campaign that is killed, interrupted or robbed of a worker ends with the same curves."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest

pytest.importorskip("torch")

from calibration.converge.campaign import Run, campaign, check, grid
from calibration.converge.corpus import load
from calibration.converge.train import Stop, train
from hwsim.errors import InputError, SurroundingsError
from workloads.charlm import CharLMSmall

STOP = Stop(patience=1.6, least=20, most=60)
RUNS = grid((8, 12), (2000,), range(1))
COMMAND = (
    *(sys.executable, "-m", "hwsim", "converge", "run", "--model", "charlm-small"),
    *("--vary", "workload.hidden=8,12", "--vary", "workload.dataset=2000"),
    *("--seeds", "1", "--min-steps", "20", "--max-steps", "60"),
)
PATIENCE = 120.0  # seconds, for what must happen at last on a busy machine


@pytest.fixture(scope="module")
def corpus():
    return load()


def measure(corpus, path, runs=RUNS, on_event=lambda *_: None, jobs=2):
    campaign(CharLMSmall(), corpus, runs, path, stop=STOP, jobs=jobs, on_event=on_event)


def curves(path):
    """Steps and losses by run, of a file in which nothing may be left over or come twice."""
    found, ended = defaultdict(list), []
    _, *lines = path.read_text().splitlines()
    for record in map(json.loads, lines):
        if "end" in record:
            ended.append(record["run"])
        else:
            found[record["run"]].append((record["step"], record["loss"]))
    assert sorted(ended) == sorted(found)
    return dict(found)


@pytest.fixture(scope="module")
def whole(corpus):
    """The curves of runs that nothing disturbed, trained one after another in this process."""
    workload = CharLMSmall(vocabulary=corpus.vocabulary)
    found = {}
    for run in RUNS:
        sized = workload.model_copy(update={"hidden": run.hidden, "dataset": run.dataset})
        evaluations = train(sized, corpus, run.seed, STOP)
        found[run.name] = [(e.step, round(e.loss, 6)) for e in evaluations]
    return found


def begin(path, jobs):
    """The command in a process group of its own, as a terminal starts it."""
    return subprocess.Popen(
        [*COMMAND, "--jobs", str(jobs), "--out", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(condition):
    until = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < until:
        time.sleep(0.005)
    assert condition()


def children(parent):
    """Process ids of the living children of `parent`."""
    return [pid for pid, (state, above) in processes().items() if above == parent and state != "Z"]


def living(pids):
    found = processes()
    return [pid for pid in pids if pid in found and found[pid][0] != "Z"]


def processes():
    """(state, parent) by process id."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            found[int(entry.name)] = fields[0], int(fields[1])
        except (OSError, ValueError, IndexError):
            continue  # not a process, or no longer one
    return found


def count(path):
    return path.read_text().count("\n") if path.exists() else 0


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on(tmp_path, whole):
    path, chance = tmp_path / "curves.jsonl", random.Random(5)
    for _ in range(3):
        process = begin(path, jobs=2)
        # The header and what was finished stand when a campaign begins; then come new lines.
        wait_for(lambda: count(path) > 0 and len(children(process.pid)) > 1)  # noqa: B023
        enough = count(path) + chance.randrange(18)
        wait_for(lambda: count(path) >= enough or process.poll() is not None)  # noqa: B023
        time.sleep(chance.random() * 0.1)
        orphans = children(process.pid)
        process.kill()
        process.communicate()
        wait_for(lambda: not living(orphans))  # noqa: B023
    process = begin(path, jobs=2)
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert "2 runs are in" in out
    assert curves(path) == whole


@pytest.mark.slow
def test_ctrl_c_keeps_finished_runs(tmp_path, corpus, whole):
    path = tmp_path / "curves.jsonl"
    process = begin(path, jobs=1)
    wait_for(lambda: path.exists() and '"end"' in path.read_text())
    wait_for(lambda: len(children(process.pid)) > 1)  # the next worker, as it starts
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in err
    measure(corpus, path, RUNS[:1])  # drops what the second worker may have sent
    assert curves(path) == {RUNS[0].name: whole[RUNS[0].name]}


@pytest.mark.slow
def test_a_killed_worker_is_started_again(tmp_path, corpus, whole):
    path, killed = tmp_path / "curves.jsonl", []

    def kill_once(run, evaluation):
        if evaluation is not None and not killed:
            killed.append(run.name)
            (worker,) = multiprocessing.active_children()
            os.kill(worker.pid, signal.SIGKILL)

    measure(corpus, path, RUNS[:1], kill_once, jobs=1)
    measure(corpus, path, RUNS[:1])  # drops what the first worker left
    assert curves(path) == {killed[0]: whole[killed[0]]}


@pytest.mark.slow
def test_a_run_that_dies_twice_ends_the_campaign(tmp_path, corpus):
    path = tmp_path / "curves.jsonl"

    def kill(_, evaluation):
        if evaluation is not None:
            for worker in multiprocessing.active_children():
                os.kill(worker.pid, signal.SIGKILL)

    with pytest.raises(SurroundingsError, match=rf"{RUNS[0].name}: the run died 2 times"):
        measure(corpus, path, RUNS[:1], kill, jobs=1)
    measure(corpus, path, [])
    assert curves(path) == {}


def test_a_grid_begins_with_the_longest_runs():
    runs = grid((8, 64), (1000, 9000), range(2))
    assert len(set(runs)) == 8
    assert runs[0] == Run(64, 9000, 0)
    assert [run.seed for run in runs] == [0] * 4 + [1] * 4


@pytest.mark.parametrize("dataset", [1, 31, 400_000])
def test_a_data_set_must_fit_the_corpus(corpus, dataset):
    with pytest.raises(InputError, match=f"found {dataset} characters") as caught:
        check([Run(8, dataset, 0)], CharLMSmall(), corpus)
    assert "write a size from 32 to" in caught.value.instead


def test_a_data_set_of_one_window_will_do(corpus):
    check([Run(8, 32, 0), Run(8, len(corpus.training), 0)], CharLMSmall(), corpus)
