"""A campaign on a Dask cluster gives the local curves, whatever becomes of its workers."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter, defaultdict

import json
import logging
import pytest

pytest.importorskip("torch")
distributed = pytest.importorskip("distributed")

import dask

from calibration.converge.campaign import campaign, grid
from calibration.converge.train import Stop
from workloads.charlm import CharLMSmall

STOP = Stop(patience=1.6, least=20, most=60)
RUNS = grid((8, 12), (2000,), range(2))

@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with dask.config.set({"distributed.scheduler.allowed-failures": 1}), distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address=None,
        local_directory=str(tmp_path_factory.mktemp("workers")),
    ) as found:
        yield found

def test_plain(cluster, tmp_path):
    t=time.time()
    campaign(CharLMSmall(), None, RUNS, tmp_path/"c", stop=STOP, scheduler=cluster.scheduler_address, on_event=lambda r,e: print(r.name, time.time()-t) if e is None else 0)
    t=time.time()
    campaign(CharLMSmall(), None, RUNS, tmp_path/"d", stop=STOP, scheduler=cluster.scheduler_address, on_event=lambda r,e: print(r.name, time.time()-t) if e is None else 0)
    t=time.time()
    campaign(CharLMSmall(), None, RUNS, tmp_path/"e", stop=STOP)
    print(time.time()-t)
    strip = lambda p: sorted((json.loads(l).get("run",""),json.loads(l).get("step",-1), json.loads(l).get("loss")) for l in p.read_text().splitlines()[1:])
    assert strip(tmp_path/"c")==strip(tmp_path/"d")==strip(tmp_path/"e")
