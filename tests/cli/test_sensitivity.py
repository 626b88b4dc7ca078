"""`hwsim sensitivity`: a table, JSON, a tornado, and what is refused."""

import json

BASE = ("sensitivity", "--hw", "volta", "--model", "charlm", "--set", "workload.hidden=256")
QUICK = (*BASE, "--no-search")


def test_figures_and_limits_are_shown(hwsim):
    code, out, err = hwsim(*BASE, "--dp", "8")
    assert (code, err) == (0, "")
    for words in ("device.memory.bandwidth", "pays until", "critical path limited by", "launch"):
        assert words in out


def test_json_has_every_figure(hwsim):
    code, out, err = hwsim(*QUICK, "--dp", "8", "--of", "workload.batch", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["schema"] == "hwsim.sensitivity/1"
    paths = [one["path"] for one in found["figures"]]
    assert {"workload.batch", "node.link.bandwidth"} <= set(paths)
    sizes = [abs(one["step"]) for one in found["figures"]]
    assert sizes == sorted(sizes, reverse=True)
    step = found["estimate"]["step"]["seconds"]
    assert abs(sum(found["limits"].values()) / step - 1.0) < 1e-3


def test_both_engines_agree(hwsim):
    found = []
    for engine in ("events", "closed"):
        out = hwsim(*QUICK, "--engine", engine, "--json").out
        found.append({one["path"]: one["step"] for one in json.loads(out)["figures"]})
    assert found[0].keys() == found[1].keys()
    assert all(abs(found[0][path] - found[1][path]) < 0.01 for path in found[0])


def test_a_tornado_is_written(hwsim, tmp_path):
    code, _, err = hwsim(*QUICK, "--plot", str(tmp_path / "tornado.svg"))
    assert (code, err.strip()) == (0, f"wrote {tmp_path / 'tornado.svg'}")
    assert "device.memory.bandwidth (900 GB/s)" in (tmp_path / "tornado.svg").read_text()


def test_faults_are_input_errors(hwsim):
    for words in (("--of", "plan.nothing"), ("--plot", "a.gif"), ("--engine", "fast")):
        code, out, err = hwsim(*QUICK, *words)
        assert (code, out) == (2, "")
        assert words[1] in err


def test_what_does_not_fit_is_told(hwsim):
    small = ("--set", "device.memory.capacity=64MiB")
    code, out, err = hwsim(*QUICK, *small)
    assert (code, out) == (3, "")
    assert "memory" in err
    code, out, _ = hwsim(*QUICK, *small, "--json")
    assert code == 3
    assert not json.loads(out)["estimate"]["memory"]["fits"]
