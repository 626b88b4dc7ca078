"""A sweep on a Dask cluster writes what one process writes."""

import pytest

pytest.importorskip("distributed")

import dask
import distributed

from hwsim import cluster as connecting
from hwsim.cli.main import run
from hwsim.errors import SurroundingsError

SWEEP = (
    *("sweep", "--hw", "volta", "--model", "charlm-small"),
    *("--grid", "workload.hidden=16:64:6", "--grid", "plan.dp=1,2,3,4", "--engine", "closed"),
    *("--set", "plan.bucket=1 MiB", "--grid", "workload.batch=32,48"),
)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with (
        dask.config.set({"distributed.logging": {"distributed": "critical"}}),
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
            silence_logs="CRITICAL",
            local_directory=str(tmp_path_factory.mktemp("workers")),
        ) as found,
    ):
        yield found


@pytest.mark.parametrize("end", ["csv", "jsonl"])
def test_the_rows_are_those_of_one_process(cluster, tmp_path, end):
    here, there = tmp_path / f"here.{end}", tmp_path / f"there.{end}"
    assert run([*SWEEP, "--out", str(here)]) == 0
    assert run([*SWEEP, "--out", str(there), "--scheduler", cluster.scheduler_address]) == 0
    assert there.read_bytes() == here.read_bytes()
    assert here.read_bytes().count(b"\n") == 48 + (end == "csv")


def test_an_interrupted_sweep_goes_on_there(cluster, tmp_path):
    here, there = tmp_path / "here.csv", tmp_path / "there.csv"
    run([*SWEEP, "--out", str(here)])
    run([*SWEEP, "--out", str(there)])
    there.write_bytes(b"\n".join(there.read_bytes().split(b"\n")[:21])[:-7])
    run([*SWEEP, "--out", str(there), "--resume", "--scheduler", cluster.scheduler_address])
    assert there.read_bytes() == here.read_bytes()


def test_no_scheduler_leaves_no_file(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(connecting, "CONNECT", 0.5)
    path = tmp_path / "out.csv"
    code = run([*SWEEP, "--out", str(path), "--scheduler", "tcp://127.0.0.1:9"])
    assert code == SurroundingsError.exit_code
    assert "no Dask scheduler answers" in capsys.readouterr().err
    assert not path.exists()
