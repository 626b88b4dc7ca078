"""A campaign that is killed, interrupted or robbed of a worker ends with the same curves."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest

pytest.importorskip("torch")

from calibration.converge.campaign import (
    Died,
    Processes,
    Run,
    Worker,
    campaign,
    check,
    grid,
    last_line,
)
from calibration.converge.corpora.load import load
from calibration.converge.train import Evaluation, Stop, train
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
    return load(CharLMSmall())


def measure(path, runs=RUNS, on_event=lambda *_: None, jobs=2):
    campaign(CharLMSmall(), None, runs, path, stop=STOP, jobs=jobs, on_event=on_event)


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
        evaluations = train(run.sized(workload), corpus, run.seed, STOP)
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


def kill(process, path, lines, pause):
    """Kill a command `lines` lines and `pause` seconds after its workers begin, or once it ends."""

    def begun():
        # The header and what was finished stand already; new lines come from now on.
        return count(path) > 0 and len(children(process.pid)) > 1

    def ended():
        return process.poll() is not None

    wait_for(lambda: begun() or ended())
    enough = count(path) + lines
    wait_for(lambda: count(path) >= enough or ended())
    time.sleep(pause)
    orphans = children(process.pid)
    process.kill()
    process.communicate()
    wait_for(lambda: not living(orphans))


def test_killed_at_any_moment_it_goes_on(tmp_path, whole):
    path, chance = tmp_path / "curves.jsonl", random.Random(5)
    for _ in range(3):
        kill(begin(path, jobs=2), path, chance.randrange(18), chance.random() * 0.1)
    process = begin(path, jobs=2)
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert "2 runs are in" in out
    assert curves(path) == whole


def test_ctrl_c_keeps_finished_runs(tmp_path, whole):
    path = tmp_path / "curves.jsonl"
    process = begin(path, jobs=1)
    wait_for(lambda: path.exists() and '"end"' in path.read_text())
    wait_for(lambda: len(children(process.pid)) > 1)  # the next worker, as it starts
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in err
    measure(path, RUNS[:1])  # drops what the second worker may have sent
    assert curves(path) == {RUNS[0].name: whole[RUNS[0].name]}


def test_a_killed_worker_is_started_again(tmp_path, whole):
    path, killed = tmp_path / "curves.jsonl", []

    def kill_once(run, evaluation):
        if evaluation is not None and not killed:
            killed.append(run.name)
            (worker,) = multiprocessing.active_children()
            os.kill(worker.pid, signal.SIGKILL)

    measure(path, RUNS[:1], kill_once, jobs=1)
    measure(path, RUNS[:1])  # drops what the first worker left
    assert curves(path) == {killed[0]: whole[killed[0]]}


def test_a_run_that_dies_twice_ends_the_campaign(tmp_path):
    path = tmp_path / "curves.jsonl"

    def kill(_, evaluation):
        if evaluation is not None:
            for worker in multiprocessing.active_children():
                os.kill(worker.pid, signal.SIGKILL)

    with pytest.raises(SurroundingsError, match=rf"{RUNS[0].name}: the run died 2 times"):
        measure(path, RUNS[:1], kill, jobs=1)
    measure(path, [])
    assert curves(path) == {}


class Ended:
    """The process of a worker that was killed."""

    exitcode = -9

    def join(self):
        pass


class Cut:
    """A connection whose worker was killed before, or within, a message."""

    def __init__(self, error):
        self.error = error

    def recv(self):
        raise self.error


@pytest.mark.parametrize("error", [EOFError(), OSError("got end of file during message")])
def test_a_message_cut_short_is_a_death(error):
    processes, connection = Processes((CharLMSmall(), None, STOP, "cpu"), 1), Cut(error)
    processes.workers[connection] = Worker(RUNS[0], Ended())
    assert processes._receive(connection) == Died("exit code -9")
    assert processes.workers == {}


def test_a_process_that_can_not_be_started_is_the_surroundings(tmp_path, monkeypatch):
    def refuse(_):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(multiprocessing.context.SpawnProcess, "start", refuse)
    with pytest.raises(SurroundingsError, match="can't be started") as caught:
        measure(tmp_path / "curves.jsonl")
    assert caught.value.where == RUNS[0].name
    assert "--jobs" in caught.value.instead


def test_a_grid_goes_seed_by_seed_with_the_longest_runs_first():
    runs = grid((8, 64), (1000, 9000), range(2))
    assert len(set(runs)) == 8
    assert [run.seed for run in runs] == [0] * 4 + [1] * 4
    for seed in (runs[:4], runs[4:]):
        assert (seed[0].hidden, seed[0].dataset) == (64, 9000)
        assert seed == sorted(seed, key=lambda run: -run.weight)


@pytest.mark.parametrize("dataset", [1, 30, 959, 400_000])
def test_a_data_set_must_hold_a_batch_and_fit_the_corpus(corpus, dataset):
    with pytest.raises(InputError, match=f"found {dataset} characters") as caught:
        check([Run(8, dataset, 0)], CharLMSmall(), corpus)
    assert "write a size from 960 to" in caught.value.instead


def test_a_corpus_smaller_than_a_batch(corpus):
    workload = CharLMSmall(batch=50_000)
    with pytest.raises(InputError, match="a batch of 50000 takes 1500000") as caught:
        check([Run(8, 25_000, 0)], workload, corpus)
    assert "larger corpus" in caught.value.instead


def test_a_data_set_of_one_batch_will_do(corpus):
    check([Run(8, 960, 0), Run(8, corpus.size, 0)], CharLMSmall(), corpus)
    workload = CharLMSmall(hidden=8, dataset=960, vocabulary=corpus.vocabulary)
    (evaluation,) = train(workload, corpus, 0, Stop(least=1, most=1))
    assert evaluation.step == 1


def test_a_grid_of_further_fields():
    runs = grid((8,), (1000,), range(2), {"depth": [1, 4], "optimizer": ["sgd"]})
    assert [run.name for run in runs[:2]] == [
        "h8-d1000-depth=1-optimizer=sgd-s0",
        "h8-d1000-depth=4-optimizer=sgd-s0",
    ]
    sized = runs[1].sized(CharLMSmall())
    assert (sized.depth, sized.optimizer, sized.hidden) == (4, "sgd", 8)


@pytest.mark.parametrize(
    ("losses", "end"),
    [
        ([3.0, 1.0, 2.0, 3.0], "minimum"),
        ([3.0, 2.0, 1.0, 0.5], "censored"),
        ([3.0, math.nan], "diverged"),
    ],
)
def test_how_a_run_ended(losses, end):
    run = Run(8, 1000, 0, (("depth", 4),))
    seen = [Evaluation(20 * 2**i, loss, loss, 0.0, 0.001 * i) for i, loss in enumerate(losses)]
    line = last_line(CharLMSmall(), run, seen, STOP)
    assert line["end"] == end
    assert line["varied"] == {"depth": 4}
    assert line["parameters"] == CharLMSmall(hidden=8, depth=4).graph().parameters
    assert line["noise"] == pytest.approx(statistics.median([e.noise for e in seen]))


def test_a_clock_that_jumps_moves_no_curve(monkeypatch, corpus):
    """The wall clock may be set while runs train: nothing is measured on it."""
    monkeypatch.setattr(time, "time", lambda: -1e9)
    workload = CharLMSmall(vocabulary=corpus.vocabulary, hidden=8)
    seconds = [e.seconds for e in train(workload, corpus, 0, Stop(least=40, most=40))]
    assert seconds == sorted(seconds)
    assert 0.0 < seconds[-1] < PATIENCE
