"""Workloads by name, from files and with fields set; every fault named with its field."""

from __future__ import annotations

import io
import json
from importlib.metadata import EntryPoint

import pytest

from hwsim.errors import InputError, SurroundingsError
from hwsim.graph import workload as module
from hwsim.graph.workload import find, load, override, parse, registered
from workloads.charlm import CharLM, CharLMSmall
from workloads.transformer import Transformer

NAMES = ("charlm", "charlm-small", "speech", "transformer", "wordlm")


@pytest.mark.parametrize("name", NAMES)
def test_registered_names_load_and_read_back(name):
    workload = load(name)
    assert workload.name == name
    assert load("-", io.StringIO(json.dumps(workload.file_form()))) == workload


def test_a_file_wins_over_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "charlm").write_text('{"workload": "charlm-small", "hidden": 512}')
    assert load("charlm") == CharLMSmall(hidden=512)


def test_whole_numbers_may_be_written_as_floats():
    assert parse('{"workload": "charlm", "dataset": 3.48e5}', "f").dataset == 348_000


FAULTS = {
    "unknown field": ({"hiden": 3}, "f.json: workload.hiden", "did you mean 'hidden'?"),
    "foreign field": ({"zzz": 3}, "f.json: workload.zzz", "write one of batch, dtype"),
    "text": ({"hidden": "abc"}, 'workload.hidden: found "abc"', "a whole number"),
    "number as text": ({"hidden": "512"}, 'found "512"', "a whole number"),
    "fraction": ({"hidden": 1.5}, "found 1.5", "a whole number"),
    "negative": ({"hidden": -1}, "found -1", "more than 0"),
    "zero": ({"batch": 0}, "workload.batch: found 0", "more than 0"),
    "boolean": ({"depth": True}, "workload.depth: found true", "a whole number"),
    "nothing": ({"depth": None}, "found null", "a whole number"),
    "list": ({"depth": [1]}, "found [1]", "a whole number"),
    "huge": ({"hidden": 2**60}, "found 1152921504606846976", "at most 9007199254740992"),
    "huge float": ({"hidden": 1e300}, "workload.hidden: found 1", "at most 9007199254740992"),
    "rate of zero": ({"learning_rate": 0}, "workload.learning_rate: found 0", "more than 0"),
    "rate as text": ({"learning_rate": "fast"}, 'found "fast"', "write a number"),
    "dtype": ({"dtype": "fp23"}, 'workload.dtype: found "fp23"', "'fp32', "),
    "optimizer": ({"optimizer": "adan"}, 'found "adan"', "'adam'"),
    "empty corpus": ({"corpus": ""}, 'workload.corpus: found ""', "write text"),
    "corpus": ({"corpus": 3}, "workload.corpus: found 3", "write text"),
}


@pytest.mark.parametrize(("fields", "found", "instead"), FAULTS.values(), ids=FAULTS.keys())
def test_faults_of_a_file(fields, found, instead):
    with pytest.raises(InputError) as caught:
        parse(json.dumps({"workload": "charlm", **fields}), "f.json")
    message = str(caught.value)
    assert message.startswith("f.json: workload.")
    assert found in message
    assert instead in message
    assert len(caught.value.problems) == 1


def test_all_faults_are_kept_and_the_first_is_spoken_of():
    with pytest.raises(InputError, match=r"and 2 more") as caught:
        parse('{"workload": "charlm", "hidden": -1, "depth": "x", "nope": 1}', "f.json")
    assert [p.where for p in caught.value.problems] == [
        "f.json: workload.nope",
        "f.json: workload.hidden",
        "f.json: workload.depth",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "f.json: workload: found nothing; write one of bert, charlm"),
        ('{"workload": 3}', "f.json: workload: found 3; write one of bert, charlm"),
        ('{"workload": "charlmm"}', "found the unknown workload 'charlmm'; did you mean 'charlm'?"),
    ],
)
def test_faults_of_the_name(text, message):
    with pytest.raises(InputError) as caught:
        parse(text, "f.json")
    assert message in str(caught.value)


def test_relations_between_fields_are_met_in_files_too():
    with pytest.raises(InputError, match=r"f\.json: workload\.heads: found 5.*write 4"):
        parse('{"workload": "transformer", "heads": 5}', "f.json")


@pytest.mark.parametrize("ref", ["none.json", "some/where", "charlmm", "\0", "x" * 5000])
def test_a_ref_that_is_nothing(ref):
    with pytest.raises(InputError):
        load(ref)


def test_sizes_given_in_python_are_met_the_same_way():
    with pytest.raises(InputError, match=r"^workload\.hidden: found -3; write more than 0$"):
        CharLM(hidden=-3)


def test_override_reads_text():
    workload = override(
        Transformer(), {"hidden": "2e3", "heads": "8", "tied": "false", "kv_heads": "null"}
    )
    assert (workload.hidden, workload.heads, workload.tied) == (2000, 8, False)
    assert override(CharLM(), {"corpus": "2024", "dtype": "bf16"}).corpus == "2024"


@pytest.mark.parametrize(
    ("field", "text"),
    [("hiden", "3"), ("hidden", "NaN"), ("hidden", "big"), ("tied", "1"), ("dtype", "float32")],
)
def test_override_refuses(field, text):
    with pytest.raises(InputError, match=rf"^workload\.{field}:"):
        override(Transformer(), {field: text})


def test_a_graph_is_of_one_devices_share():
    workload = CharLMSmall()
    assert workload.graph().batch == workload.batch
    share = workload.graph(8)
    assert (share.batch, share.tokens) == (8, 8 * workload.sequence)
    assert 4 * share.matrix_flops == workload.graph().matrix_flops
    assert share.parameters == workload.graph().parameters


@pytest.mark.parametrize("batch", [0, -1, 1.5, True])
def test_a_share_is_a_positive_whole_number(batch):
    with pytest.raises(InputError, match=r"workload\.batch"):
        CharLM().graph(batch)


def test_a_workload_that_cannot_be_imported(monkeypatch):
    broken = {
        "gone": EntryPoint("gone", "no.such.module:Model", module.GROUP),
        "other": EntryPoint("other", "json:loads", module.GROUP),
    }
    monkeypatch.setattr(module, "registered", lambda: broken)
    with pytest.raises(SurroundingsError, match="can't be imported"):
        find("gone")
    with pytest.raises(SurroundingsError, match="not a Workload"):
        find("other")


def test_every_workload_here_is_registered():
    assert set(NAMES) <= set(registered())
