"""A cluster of this machine: loopback alone, and a quiet end."""

import os
import signal
import subprocess
import sys

import pytest

pytest.importorskip("distributed")

import psutil

from hwsim.cli.main import run
from hwsim.errors import InputError, SurroundingsError

COMMAND = (sys.executable, "-m", "hwsim", "cluster")


@pytest.fixture(scope="module")
def cluster():
    command = [*COMMAND, "--workers", "2", "--port", "0"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, start_new_session=True, **pipes) as found:
        found.address = found.stdout.readline().strip()
        yield found
        if found.poll() is None:
            os.killpg(found.pid, signal.SIGKILL)


def listening(number):
    """The addresses on which a process and those it began wait for connections."""
    every = [psutil.Process(number)]
    every += every[0].children(recursive=True)
    return [
        one.laddr.ip
        for process in every
        for one in process.net_connections(kind="inet")
        if one.status == psutil.CONN_LISTEN
    ]


def test_every_port_is_on_loopback(cluster):
    found = listening(cluster.pid)
    assert len(found) >= 3  # the scheduler's and two workers'
    assert set(found) == {"127.0.0.1"}


def test_a_sweep_runs_there_as_here(cluster, tmp_path):
    here, there = tmp_path / "here.csv", tmp_path / "there.csv"
    sweep = ["sweep", "--hw", "volta", "--model", "charlm-small", "--grid", "plan.dp=1,2,4"]
    assert run([*sweep, "--out", str(here)]) == 0
    assert run([*sweep, "--out", str(there), "--scheduler", cluster.address]) == 0
    assert there.read_bytes() == here.read_bytes()


def test_a_taken_port_is_told(cluster):
    port = cluster.address.rpartition(":")[2]
    command = [*COMMAND, "--workers", "1", "--port", port]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == SurroundingsError.exit_code
    assert f"127.0.0.1:{port}: no scheduler can listen there" in found.stderr


def test_it_ends_quietly(cluster):
    os.killpg(cluster.pid, signal.SIGINT)  # as Ctrl-C in a terminal: workers are sent it too
    assert cluster.communicate() == ("", "interrupted\n")
    assert cluster.returncode == 130


@pytest.mark.parametrize("wrong", [["--workers", "-1"], ["--port", "65536"]])
def test_what_can_not_be(wrong, capsys):
    assert run(["cluster", *wrong]) == InputError.exit_code
    assert wrong[0] in capsys.readouterr().err
