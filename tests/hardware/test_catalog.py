"""Finding, reading and refusing files."""

import errno
import io
import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.errors import InputError
from hwsim.hardware import catalog
from hwsim.hardware.spec import Device, System

DEVICE = {
    "kind": "device",
    "name": "mine",
    "vendor": "v",
    "architecture": "a",
    "multiprocessors": 80,
    "clock": {"boost": "1530 MHz"},
    "vector": {"fp32": "15.7 TFLOPS"},
    "memory": {"capacity": "16 GiB", "bandwidth": "900 GB/s"},
    "launch": {"kernel": "4 us", "dispatch": "8 us"},
}
SYSTEM = {
    "kind": "system",
    "name": "ours",
    "device": "v100-sxm2-16gb",
    "node": {
        "devices": 8,
        "topology": "switch",
        "link": {"kind": "NVLink", "bandwidth": "150 GB/s", "latency": "3.4 us"},
    },
    "network": [
        {
            "name": "ib",
            "kind": "InfiniBand EDR",
            "ports": 4,
            "bandwidth": "100 Gb/s",
            "latency": "14 us",
        }
    ],
}


def with_(base, path, value):
    """A copy of `base` with the value at a dotted path; ... takes the field away."""
    tree = json.loads(json.dumps(base))
    *way, last = path.split(".")
    inner = tree
    for part in way:
        inner = inner[int(part)] if isinstance(inner, list) else inner.setdefault(part, {})
    key = int(last) if isinstance(inner, list) else last
    if value is ...:
        del inner[key]
    else:
        inner[key] = value
    return tree


# (base, field, value, what the message says was found, what it says to write)
FIELD_FAULTS = [
    (DEVICE, "memory.bandwidth", "900", "'900' without a unit", "900 GB/s"),
    (DEVICE, "memory.bandwidth", 900, "'900' without a unit", "900 GB/s"),
    (DEVICE, "memory.bandwidth", 900.5, "'900.5' without a unit", "900 GB/s"),
    (DEVICE, "memory.bandwidth", "900 GB", "number of bytes, not a bandwidth", "900 GB/s"),
    (DEVICE, "memory.bandwidth", "900 Gb/s", "in bits, where bytes", "900 GB/s"),
    (DEVICE, "memory.bandwidth", "900 GX/s", "unknown unit", "900 GB/s"),
    (DEVICE, "memory.bandwidth", "-900 GB/s", "more than zero", "900 GB/s"),
    (DEVICE, "memory.bandwidth", "0 GB/s", "more than zero", "900 GB/s"),
    (DEVICE, "memory.bandwidth", "nan GB/s", "not finite", "900 GB/s"),
    (DEVICE, "memory.bandwidth", "1e999 GB/s", "not finite", "900 GB/s"),
    (DEVICE, "memory.bandwidth", "", "", "900 GB/s"),
    (DEVICE, "memory.bandwidth", "fast", "'fast'", "900 GB/s"),
    (DEVICE, "memory.bandwidth", None, "nothing", "900 GB/s"),
    (DEVICE, "memory.bandwidth", True, "True", "900 GB/s"),
    (DEVICE, "memory.bandwidth", ["900 GB/s"], "['900 GB/s']", "900 GB/s"),
    (DEVICE, "memory.bandwidth", ..., "nothing", "900 GB/s"),
    (DEVICE, "memory.capacity", "16 W", "a power", "16 GiB"),
    (DEVICE, "launch.kernel", "-1 us", "zero or more", "5 us"),
    (DEVICE, "clock.boost", "1530", "without a unit", "1530 MHz"),
    (DEVICE, "power", {"limit": "300"}, "without a unit", "300 W"),
    (DEVICE, "vector.fp23", "1 TFLOPS", "does not exist", "did you mean 'fp32'?"),
    (DEVICE, "memry", {}, "does not exist", "did you mean 'memory'?"),
    (DEVICE, "bandwidth", "1 GB/s", "does not exist", "write one of kind, name"),
    (DEVICE, "memory", ..., "nothing", "an object with the fields capacity, bandwidth"),
    (DEVICE, "memory", "16 GiB", '"16 GiB"', "an object with the fields capacity, bandwidth"),
    (DEVICE, "launch", ["4 us"], '["4 us"]', "an object with the fields kernel, dispatch"),
    (DEVICE, "name", ..., "nothing", "text"),
    (DEVICE, "name", 5, "5", "text"),
    (DEVICE, "name", "", '""', "text"),
    (DEVICE, "multiprocessors", 0, "0", "at least 1"),
    (DEVICE, "multiprocessors", -80, "-80", "at least 1"),
    (DEVICE, "multiprocessors", 80.5, "80.5", "a whole number"),
    (DEVICE, "multiprocessors", "80", '"80"', "a whole number"),
    (DEVICE, "multiprocessors", True, "true", "a whole number"),
    (DEVICE, "multiprocessors", 10**12, "1000000000000", "at most"),
    (DEVICE, "sparsity", 0, "0", "more than 0"),
    (DEVICE, "sparsity", "2", '"2"', "a number"),
    (DEVICE, "sparsity", True, "true", "a number"),
    (DEVICE, "sparsity", float("nan"), "NaN", "a finite number"),
    (DEVICE, "sparsity", float("inf"), "Infinity", "a finite number"),
    (DEVICE, "sources", {"memory": 5}, "5", "text"),
    (DEVICE, "sources", "datasheet", '"datasheet"', "an object"),
    (DEVICE, "kind", "gpu", '"gpu"', '"kind": "device" or "kind": "system"'),
    (DEVICE, "kind", ..., "nothing", '"kind": "device" or "kind": "system"'),
    (SYSTEM, "device", "v100-sxm2", "neither a file nor a shipped name", "v100-sxm2-16gb"),
    (SYSTEM, "device", "volta", "of the kind 'alias'", "the name of a device"),
    (SYSTEM, "device", "dgx-1-v100", "of the kind 'system'", "the name of a device"),
    (SYSTEM, "device", "missing.json", "no file", "a path that exists"),
    (SYSTEM, "device", 5, "5", "an object"),
    (SYSTEM, "device", ..., "nothing", "an object"),
    (SYSTEM, "node.topology", "ring", '"ring"', "'switch'"),
    (SYSTEM, "node.devices", 0, "0", "at least 1"),
    (SYSTEM, "node.link", ..., "no link", '"link"'),
    (SYSTEM, "node.in_switch_reduction", "yes", '"yes"', "true or false"),
    (SYSTEM, "node.pairs", [[0, 1]], "nothing", "[[0, 1, 2]]"),
    (SYSTEM, "node.pairs", [[0, 1, "2"]], '"2"', "[[0, 1, 2]]"),
    (SYSTEM, "network", {}, "{}", "a list of objects"),
    (SYSTEM, "network.0.oversubscription", 0.5, "0.5", "at least 1"),
    (SYSTEM, "network.0.latency", "14", "without a unit", "5 us"),
    (SYSTEM, "network.0.bandwith", "1 GB/s", "does not exist", "did you mean 'bandwidth'?"),
    (SYSTEM, "nodes", 0, "0", "at least 1"),
]

TEXT_FAULTS = [
    ("", "empty file", "{...}"),
    ("  \n", "empty file", "{...}"),
    ('{"kind": "device", "name"', "cut off", "valid JSON"),
    ('{"kind": "dev', "cut off", "valid JSON"),
    ('{"kind": "device",}', "not JSON", "valid JSON"),
    ("name: volta", "not JSON", "valid JSON"),
    ("[]", "[]", "one JSON object"),
    ("5", "5", "one JSON object"),
    ("null", "null", "one JSON object"),
    ('{"a":' * 100_000, "nested too deep", "flat"),
    ('{"kind": "device", "clock": ' + '{"a":' * 400 + "1" + "}" * 401, "nested too deep", "flat"),
    ('{"kind": "device", "year": ' + "1" * 5000 + "}", "thousands of digits", "shorter"),
    ('{"kind": "device", "name": "\\ud800"}', "can't carry", "plain text"),
]


def refused(text, where="mine.json"):
    with pytest.raises(InputError) as error:
        catalog.parse(text, where)
    return error.value


@pytest.mark.parametrize(("base", "field", "value", "found", "instead"), FIELD_FAULTS)
def test_a_fault_names_file_field_what_was_found_and_what_to_write(
    base, field, value, found, instead
):
    error = refused(json.dumps(with_(base, field, value)))
    first, message = error.where, str(error)
    assert first.startswith(f"mine.json: {field}")
    assert "found" in error.what
    assert found in error.what
    assert instead in error.instead
    assert message == f"{first}: {error.what}; {error.instead}"


@pytest.mark.parametrize(("text", "found", "instead"), TEXT_FAULTS)
def test_text_that_is_no_object_is_refused(text, found, instead):
    error = refused(text)
    assert error.where.startswith("mine.json")
    assert found in error.what
    assert instead in error.instead


def test_broken_json_names_line_and_column():
    assert refused('{\n  "kind": device\n}').where == "mine.json: line 2, column 11"


def test_a_key_that_stands_twice_is_refused():
    error = refused('{"kind": "device", "memory": {"capacity": "1 GiB", "capacity": "2 GiB"}}')
    assert error.where == "mine.json: memory.capacity"
    assert "twice" in error.what


def test_all_problems_come_at_once():
    tree = with_(with_(with_(DEVICE, "memory.bandwidth", "900"), "nam", "x"), "launch", ...)
    text = json.dumps(tree)
    error = refused(text)
    assert len(error.problems) == 3
    assert str(error).endswith("(and 2 more: `hwsim hardware check mine.json` lists all)")
    assert [str(one) for one in catalog.check(text, "mine.json")] == [
        str(one) for one in error.problems
    ]


def test_a_wrong_kind_shows_in_the_fields_of_the_other():
    error = refused(json.dumps({**SYSTEM, "kind": "device"}))
    assert [one.where for one in error.problems[:3]] == [
        "mine.json: device",
        "mine.json: node",
        "mine.json: network",
    ]


def test_an_unknown_device_does_not_hide_the_other_problems():
    tree = with_(with_(SYSTEM, "device", "nothing-like-it"), "node.devices", 0)
    places = [one.where for one in refused(json.dumps(tree)).problems]
    assert places == ["mine.json: device", "mine.json: node.devices"]


def test_a_right_file_has_no_problem():
    assert catalog.check(json.dumps(DEVICE), "mine.json") == []
    assert isinstance(catalog.parse(json.dumps(DEVICE), "mine.json"), Device)
    assert isinstance(catalog.parse(json.dumps(SYSTEM), "mine.json"), System)


def test_the_schema_key_is_ignored():
    tree = {"$schema": "../schema/device.schema.json", **DEVICE}
    assert catalog.parse(json.dumps(tree), "a") == catalog.parse(json.dumps(DEVICE), "a")


def test_a_device_loads_as_a_node_of_one(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(DEVICE))
    system = catalog.load(str(path))
    assert (system.name, system.node.devices, system.nodes) == ("mine", 1, 1)


def test_names_work_with_and_without_suffix():
    assert catalog.load("volta.json") == catalog.load("volta")


def test_an_existing_file_wins_over_a_shipped_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "volta").write_text(json.dumps(DEVICE))
    assert catalog.load("volta").name == "mine"


def test_a_directory_does_not_hide_a_shipped_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "volta").mkdir()
    assert catalog.load("volta").name == "volta"


@pytest.mark.parametrize("binary", [True, False])
def test_a_dash_is_standard_input(binary):
    text = json.dumps(DEVICE)
    stream = io.TextIOWrapper(io.BytesIO(text.encode())) if binary else io.StringIO(text)
    assert catalog.load("-", stdin=stream).name == "mine"


def test_a_dash_without_standard_input_is_refused():
    with pytest.raises(InputError, match="no standard input"):
        catalog.load("-")


def test_a_system_may_name_a_device_file_beside_it(tmp_path):
    (tmp_path / "mine.json").write_text(json.dumps(DEVICE))
    path = tmp_path / "ours.json"
    path.write_text(json.dumps({**SYSTEM, "device": "mine.json"}))
    assert catalog.load(str(path)).device.name == "mine"


def test_a_fault_in_a_device_file_names_that_file(tmp_path):
    (tmp_path / "mine.json").write_text(json.dumps(with_(DEVICE, "name", 5)))
    path = tmp_path / "ours.json"
    path.write_text(json.dumps({**SYSTEM, "device": "mine.json"}))
    with pytest.raises(InputError) as error:
        catalog.load(str(path))
    assert error.value.where == f"{tmp_path / 'mine.json'}: name"


def test_an_alias_may_stand_in_a_file():
    text = json.dumps({"kind": "alias", "name": "ours", "of": "dgx-2"})
    system = catalog.parse(text, "ours.json")
    assert (system.name, system.node.devices) == ("ours", 16)


@pytest.mark.parametrize("of", ["volta", "unheard-of"])
def test_an_alias_of_an_alias_or_of_nothing_is_refused(of):
    error = refused(json.dumps({"kind": "alias", "name": "ours", "of": of}))
    assert error.where == "mine.json: of"


@pytest.mark.parametrize("ref", ["volt", "v100-sxm2-16g", "nowhere/volta.json", "", "a\0b"])
def test_a_missing_file_suggests_names(ref):
    with pytest.raises(InputError) as error:
        catalog.load(ref)
    assert "neither a file nor a shipped name" in error.value.what
    assert (
        "volta" in error.value.instead
        or "v100" in error.value.instead
        or ("hwsim hardware list" in error.value.instead)
    )


def test_a_directory_is_refused(tmp_path):
    with pytest.raises(InputError, match="directory"):
        catalog.load(str(tmp_path))


def test_an_unreadable_file_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "mine.json"
    path.write_text("{}")

    def refuse(*_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(InputError, match=r"can't be read \(Permission denied\)"):
        catalog.load(str(path))


@pytest.mark.parametrize(
    ("data", "found"),
    [(b"\x89PNG\xff\xfe", "not UTF-8"), (b" " * (1 << 20) + b"{}", "more than 1 MiB")],
)
def test_what_is_no_text_file_is_refused(tmp_path, data, found):
    path = tmp_path / "mine.json"
    path.write_bytes(data)
    with pytest.raises(InputError, match=found) as error:
        catalog.load(str(path))
    assert error.value.where == str(path)
    assert error.value.instead


def test_a_byte_order_mark_is_read_over(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(DEVICE), encoding="utf-8-sig")
    assert catalog.load(str(path)).name == "mine"


def test_problems_cover_a_file_that_is_not_there():
    assert len(catalog.problems("unheard-of.json")) == 1
    assert catalog.problems("volta") == []


def test_an_unknown_schema_is_refused():
    with pytest.raises(InputError, match="did you mean 'system'"):
        catalog.schema("sytem")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
FIELDS = ("kind", "device", "node", "node.devices", "node.pairs", "network", "network.0", "nodes")


@given(st.sampled_from(FIELDS), ANYTHING)
@settings(deadline=None, max_examples=100)
def test_whatever_stands_in_a_field_is_read_or_refused(field, value):
    problems = catalog.check(json.dumps(with_(SYSTEM, field, value)), "mine.json")
    assert all(problem.what.startswith("found") for problem in problems)


def test_a_text_of_a_file_is_one_line():
    form = catalog.load("volta").model_dump(mode="json", exclude_none=True)
    system = catalog.parse(json.dumps(form | {"name": "a\nwarning: b", "notes": "c\r\nd"}), "x")
    assert (system.name, system.notes) == ("a warning: b", "c d")
