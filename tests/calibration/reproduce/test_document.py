"""claims.md and claims.json."""

import json
import math

import pytest

pytest.importorskip("scipy")
pytest.importorskip("matplotlib")

from calibration.reproduce import document, settings
from calibration.reproduce.campaigns import DOMAINS as KINDS
from calibration.reproduce.campaigns import FILES, load
from calibration.reproduce.figures.catalog import FIGURES, draw
from hwsim.errors import SurroundingsError


@pytest.fixture
def some(tmp_path, campaign, truth):
    name = "a|b"
    folder = tmp_path / "curves"
    folder.mkdir()
    path = folder / "charlm-small.jsonl"
    campaign(path, truth, hidden=(32, 64), seeds=1, data=(8000, 20_000), name=name)
    return load(folder)


def test_both_files_tell_the_same(some, tmp_path):
    claims = document.judged(some)
    page, data = document.write(some, claims, tmp_path)
    record = json.loads(data.read_text())
    assert record["schema"] == "hwsim.claims/1"
    assert [one["verdict"] for one in record["claims"]] == [one.verdict for one in claims]
    assert record["curves"]["charlm-small"]["runs"] == 4
    assert record["curves"]["wordlm-small"] is None
    lines = page.read_text().splitlines()
    for claim in claims:
        assert any(claim.statement in line and claim.verdict in line for line in lines)


def test_the_papers_sizes_stand_beside_ours(some):
    rows = settings.rows(some)
    told = {(domain, quantity): (paper, here) for domain, quantity, paper, here in rows}
    paper, here = told["character LM", "training"]
    assert (paper, here) == ("batch 128, Adam at 0.001", "batch 32, adam at 0.001")
    assert told["character LM", "data"][1] == "8,000 to 20,000 characters of a|b"
    assert told["speech", "model"][1] == "not measured"
    assert settings.SCALED in settings.markdown(some)
    assert r"a\|b" in settings.markdown(some)


def test_a_disk_that_refuses_is_told(some, tmp_path):
    with pytest.raises(SurroundingsError, match="can't be written"):
        document.write(some, [], tmp_path / "nowhere")


@pytest.mark.parametrize("kept", [1, 0])
def test_files_with_a_run_or_none_are_no_fault(kept, tmp_path, campaign, truth):
    """A run that diverged at once is the only one of its file; or the file has a header alone."""
    for name in FILES:
        workload = name if name in KINDS else "charlm-small"
        path = campaign(
            tmp_path / f"{name}.jsonl",
            truth,
            workload=workload,
            hidden=(32,),
            data=(8000,),
            seeds=1,
        )
        header, first, *_, last = path.read_text().splitlines()
        first = json.dumps(json.loads(first) | {"loss": math.nan})
        last = last.replace('"minimum"', '"diverged"')
        path.write_text("\n".join([header, first, last][: 1 + 2 * kept]) + "\n")
    found = load(tmp_path)
    claims = document.judged(found)
    measured = {claim.id for claim in claims if claim.verdict != "not measured"}
    assert measured <= {"linear-step", "parallel-growth"}
    document.write(found, claims, tmp_path)
    assert len(list(draw(list(FIGURES), found, tmp_path))) == 2 * len(FIGURES)
