"""Every way in which a file is not a JSON object."""

from __future__ import annotations

import io

import pytest

from hwsim.errors import InputError, SurroundingsError
from hwsim.graph import jsonfile

FAULTS = {
    "empty": ("", "is empty"),
    "blank": (" \n", "is empty"),
    "cut short": ('{"a": 1,\n "b', "line 2, column 2: is not JSON"),
    "a list": ("[1]", "is not a JSON object"),
    "a number": ("3", "is not a JSON object"),
    "a field twice": ('{"a": 1, "a": 2}', "f.json: a: found this field twice"),
    "not a number": ('{"a": NaN}', "found NaN"),
    "infinite": ('{"a": -Infinity}', "found -Infinity"),
    "nested too deep": ("[" * 100_000, "nested too deep"),
    "too many digits": ('{"a": ' + "9" * 10_000 + "}", "too long"),
}


@pytest.mark.parametrize(("text", "message"), FAULTS.values(), ids=FAULTS.keys())
def test_text_that_is_refused(text, message):
    with pytest.raises(InputError, match=r"f\.json") as caught:
        jsonfile.parse(text, "f.json")
    assert message in str(caught.value)
    assert caught.value.instead


def test_an_object_is_read(tmp_path):
    path = tmp_path / "one.json"
    path.write_bytes(b'\xef\xbb\xbf{"a": [1, 2.5, null]}')
    assert jsonfile.parse(jsonfile.read(path), "one") == {"a": [1, 2.5, None]}


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        jsonfile.read(tmp_path / "none.json")


def test_a_directory(tmp_path):
    with pytest.raises(InputError, match="is a directory"):
        jsonfile.read(tmp_path)


def test_a_file_that_is_too_large(tmp_path):
    path = tmp_path / "large.json"
    path.write_bytes(b" " * (jsonfile.MOST_BYTES + 1))
    with pytest.raises(InputError, match="larger than 1 MiB"):
        jsonfile.read(path)


def test_a_binary_file(tmp_path):
    path = tmp_path / "binary.json"
    path.write_bytes(b"\x80\x81\xff")
    with pytest.raises(InputError, match="not UTF-8"):
        jsonfile.read(path)


@pytest.mark.parametrize("below", ["file/below.json", "null\0.json"])
def test_a_path_that_leads_nowhere(tmp_path, below):
    (tmp_path / "file").write_text("{}")
    with pytest.raises(InputError, match="no such file"):
        jsonfile.read(tmp_path / below)


def test_a_name_that_the_system_refuses(tmp_path):
    with pytest.raises(SurroundingsError, match="can't be read"):
        jsonfile.read(tmp_path / ("x" * 5000))


def test_a_stream_that_is_too_long_or_binary():
    with pytest.raises(InputError, match="standard input: is longer"):
        jsonfile.read_stream(io.StringIO(" " * (jsonfile.MOST_BYTES + 1)))
    with pytest.raises(InputError, match="standard input: is not UTF-8"):
        jsonfile.read_stream(io.TextIOWrapper(io.BytesIO(b"\xff\xfe\x80"), encoding="utf-8"))
