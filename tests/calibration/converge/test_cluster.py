"""A campaign on a Dask cluster gives the local curves, whatever becomes of its workers."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from contextlib import contextmanager, suppress

import pytest

pytest.importorskip("torch")
pytest.importorskip("distributed")

import dask
import distributed

from calibration.converge import campaign as campaigns
from calibration.converge import cluster as clusters
from calibration.converge.campaign import campaign, grid
from calibration.converge.corpora.load import load
from calibration.converge.train import Stop, train
from hwsim import cluster as dask_cluster
from hwsim.cli.main import run as hwsim
from hwsim.errors import SurroundingsError
from workloads.charlm import CharLMSmall

STOP = Stop(patience=1.6, least=20, most=40)
RUNS = grid((8, 12), (2000,), range(2))
FIRST, *REST = [run.name for run in RUNS]
DEATHS = 2  # of workers, until Dask gives a task up
PATIENCE = 120.0  # seconds, for what must happen at last on a busy machine
QUIET = {
    "distributed.scheduler.allowed-failures": DEATHS - 1,
    "distributed.logging": {"distributed": "critical"},  # workers here are killed on purpose
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with (
        dask.config.set(QUIET),
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs="CRITICAL",
            local_directory=str(tmp_path_factory.mktemp("workers")),
        ) as found,
    ):
        yield found


@pytest.fixture
def client(cluster):
    """Both workers are there, also where the test before has killed some."""
    with distributed.Client(cluster, set_as_default=False) as found:
        found.wait_for_workers(2)
        yield found


@pytest.fixture(scope="module")
def whole():
    """The curves of runs trained one after another in this process."""
    corpus = load(CharLMSmall())
    workload = CharLMSmall(vocabulary=corpus.vocabulary)
    found = {}
    for run in RUNS:
        evaluations = train(run.sized(workload), corpus, run.seed, STOP)
        found[run.name] = [(e.step, round(e.loss, 6)) for e in evaluations]
    return found


@pytest.fixture
def watched(client, tmp_path):
    """Workers do a deed at each run's second evaluation; what they began and ended, by name."""
    log = tmp_path / "log"
    log.touch()

    def install(deed):
        class Watch(distributed.WorkerPlugin):
            name = "watch"

            def setup(self, **_):
                from calibration.converge import campaign

                self.train = train = campaign.train

                def watching(workload, corpus, seed, *others):
                    name = f"h{workload.hidden}-d{workload.dataset}-s{seed}"
                    note("begin", name)
                    try:
                        for number, evaluation in enumerate(train(workload, corpus, seed, *others)):
                            if number == 1:
                                deed(name)
                            yield evaluation
                        note("end", name)
                    finally:
                        note("left", name)

                def note(*words):
                    with log.open("a") as file:
                        file.write(" ".join(words) + "\n")

                campaign.train = watching

            def teardown(self, **_):
                from calibration.converge import campaign

                campaign.train = self.train

        client.register_plugin(Watch())

    def seen(what):
        lines = [line.split() for line in log.read_text().splitlines()]
        return Counter(name for word, name in lines if word == what)

    yield install, seen
    client.unregister_worker_plugin("watch")


def measure(cluster, path, runs=RUNS, **options):
    scheduler = getattr(cluster, "scheduler_address", cluster)
    campaign(CharLMSmall(), None, runs, path, stop=STOP, scheduler=scheduler, **options)


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


def wait_for(condition):
    until = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < until:
        time.sleep(0.02)
    assert condition()


def test_a_killed_worker_costs_its_run_alone(cluster, watched, tmp_path, whole):
    install, seen = watched
    killed = tmp_path / "killed"

    def kill_once(name):
        if name == FIRST and not killed.exists():
            killed.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    install(kill_once)
    measure(cluster, tmp_path / "curves.jsonl")
    assert curves(tmp_path / "curves.jsonl") == whole
    assert seen("end") == Counter(list(whole))
    assert seen("begin") == Counter({FIRST: 2} | dict.fromkeys(REST, 1))


def test_interrupted_it_goes_on_with_the_rest(cluster, client, watched, tmp_path, whole):
    install, seen = watched
    path, free = tmp_path / "curves.jsonl", tmp_path / "free"
    finished = []

    def hold(name):
        while name == FIRST and not free.exists():
            time.sleep(0.02)

    def interrupt(run, evaluation):
        if evaluation is None:
            finished.append(run.name)
            raise KeyboardInterrupt

    def executing(dask_worker):
        return any(task.state == "executing" for task in dask_worker.state.tasks.values())

    install(hold)
    with pytest.raises(KeyboardInterrupt):
        measure(cluster, path, RUNS[:2], on_event=interrupt)
    wait_for(lambda: not any(client.run(executing).values()))
    free.touch()
    wait_for(lambda: seen("left")[FIRST] == 1)
    assert finished == REST[:1]
    assert seen("end") == Counter(finished)  # the other saw that nobody waits for it
    measure(cluster, path, jobs=1)
    assert curves(path) == whole
    assert seen("end") == Counter(list(whole))


@pytest.mark.parametrize(
    ("kill", "message"),
    [
        (False, rf"{FIRST}: the run died 2 times \(ArithmeticError: no result\)"),
        (True, rf"{FIRST}: the run died {DEATHS} times with its worker"),
    ],
)
def test_a_run_that_fails_again_ends_the_campaign(cluster, watched, tmp_path, kill, message, whole):
    install, seen = watched
    path = tmp_path / "curves.jsonl"

    def fail(name):
        if name == FIRST:
            if kill:
                os.kill(os.getpid(), signal.SIGKILL)
            raise ArithmeticError("no result")

    install(fail)
    measure(cluster, path, RUNS[1:2])
    with pytest.raises(SurroundingsError, match=message):
        measure(cluster, path, RUNS[:2])
    assert curves(path) == {REST[0]: whole[REST[0]]}
    assert seen("begin") == Counter({FIRST: 2, REST[0]: 1})


def test_a_worker_of_several_threads_is_named(cluster, client, tmp_path):
    def threads(dask_worker, number):
        dask_worker.state.nthreads = number

    client.run(threads, number=3)
    with pytest.raises(SurroundingsError, match=r"has 3 threads.*--nthreads 1"):
        measure(cluster, tmp_path / "curves.jsonl", RUNS[:1])
    client.run(threads, number=1)


def test_a_worker_without_torch_is_named(cluster, client, tmp_path):
    def hide():
        sys.modules["hidden"], sys.modules["torch"] = sys.modules.get("torch"), None

    def show():
        sys.modules["torch"] = sys.modules.pop("hidden")

    client.run(hide)
    with pytest.raises(SurroundingsError, match="a worker can't import torch"):
        measure(cluster, tmp_path / "curves.jsonl", RUNS[:1])
    client.run(show)


def test_a_worker_with_another_torch_is_named(cluster, tmp_path, monkeypatch):
    here = campaigns.versions() | {"torch": "1.0"}
    monkeypatch.setattr(campaigns, "versions", lambda: here)
    with pytest.raises(SurroundingsError, match=r"the worker has torch 2.*this machine 1.0"):
        measure(cluster, tmp_path / "curves.jsonl", RUNS[:1])


def test_a_cluster_without_workers_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(clusters, "LOOK", 0.05)
    monkeypatch.setattr(clusters, "WITHOUT_WORKERS", 0.1)
    with (
        distributed.LocalCluster(
            n_workers=0, processes=True, host="127.0.0.1", dashboard_address="127.0.0.1:0"
        ) as empty,
        pytest.raises(SurroundingsError, match=r"has had no worker.*dask worker tcp://127"),
    ):
        measure(empty, tmp_path / "curves.jsonl", RUNS[:1])


def test_no_scheduler_at_the_address(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(dask_cluster, "CONNECT", 0.5)
    words = ("--vary", "workload.hidden=8", "--vary", "workload.dataset=2000")
    code = hwsim(
        [
            *("converge", "run", "--model", "charlm-small", *words),
            *("--scheduler", "tcp://127.0.0.1:9", "--out", str(tmp_path / "curves.jsonl")),
        ]
    )
    assert code == SurroundingsError.exit_code
    assert "error: tcp://127.0.0.1:9: no Dask scheduler answers" in capsys.readouterr().err


@pytest.mark.parametrize("greeting", [b"", b"SSH-2.0-none\r\n"], ids=["silent", "other"])
def test_a_server_of_another_kind(tmp_path, monkeypatch, greeting):
    monkeypatch.setattr(dask_cluster, "CONNECT", 0.5)

    def greet():
        with suppress(OSError), server.accept()[0] as connection:
            connection.sendall(greeting)
            connection.recv(1 << 20)
            ended.wait()

    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=greet)
        thread.start()
        with pytest.raises(SurroundingsError, match="no Dask scheduler answers"):
            measure(f"tcp://127.0.0.1:{server.getsockname()[1]}", tmp_path / "curves.jsonl")
        ended.set()
        thread.join()


@contextmanager
def process(tmp_path, tool, *words):
    module = f"distributed.cli.dask_{tool}"
    scheduler = ("--scheduler-file", str(tmp_path / "scheduler.json"), "--no-dashboard")
    with subprocess.Popen(
        [sys.executable, "-m", module, *scheduler, "--host", "127.0.0.1", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=tmp_path,
    ) as found:
        try:
            yield found
        finally:
            found.kill()


def test_a_scheduler_that_vanishes(tmp_path, whole):
    path, address = tmp_path / "curves.jsonl", tmp_path / "scheduler.json"
    with (
        process(tmp_path, "scheduler", "--port", "0") as scheduler,
        process(tmp_path, "worker", "--no-nanny", "--nthreads", "1"),
    ):
        wait_for(lambda: address.exists() and "}" in address.read_text())

        def vanish(_, evaluation):
            if evaluation is None:
                scheduler.kill()
                scheduler.wait()

        with pytest.raises(SurroundingsError, match="the cluster is lost"):
            measure(json.loads(address.read_text())["address"], path, on_event=vanish)
    assert curves(path) == {FIRST: whole[FIRST]}
