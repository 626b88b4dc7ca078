"""Every way in which a file is not a JSON object."""

from __future__ import annotations

import io

import pytest

from hwsim import jsonfile
from hwsim.errors import InputError, SurroundingsError

FAULTS = {
    "empty": ("", "empty file"),
    "blank": (" \n", "empty file"),
    "cut short": ('{"a": 1,\n "b', "line 2, column 2: found the end of a file that is cut off"),
    "broken": ('{"a" 1}', "line 1, column 6: found text that is not JSON"),
    "a list": ("[1]", "found [1]; write one JSON object"),
    "a number": ("3", "found 3; write one JSON object"),
    "a field twice": ('{"a": {"b": 1, "b": 1}}', "f.json: a.b: found the key twice"),
    "not a number": ('{"a": NaN}', "f.json: a: found NaN"),
    "infinite": ('{"a": [1, -Infinity]}', "f.json: a.1: found -Infinity"),
    "nested too deep": ("[" * 100_000, "nested too deep"),
    "too many digits": ('{"a": ' + "9" * 10_000 + "}", "thousands of digits"),
}


@pytest.mark.parametrize(("text", "message"), FAULTS.values(), ids=FAULTS.keys())
def test_text_that_is_refused(text, message):
    with pytest.raises(InputError, match=r"f\.json") as caught:
        jsonfile.read_object(text, "f.json")
    assert message in str(caught.value)
    assert caught.value.instead


def test_an_object_is_read(tmp_path):
    path = tmp_path / "one.json"
    path.write_bytes(b'\xef\xbb\xbf{"a": [1, 2.5, null]}')
    text = jsonfile.file_text(str(path), "one")
    assert jsonfile.read_object(text, "one") == {"a": [1, 2.5, None]}


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match="found no file"):
        jsonfile.file_text(str(tmp_path / "none.json"), "f.json")


def test_a_directory(tmp_path):
    with pytest.raises(InputError, match="found a directory"):
        jsonfile.file_text(str(tmp_path), "f.json")


def test_a_file_that_is_too_large(tmp_path):
    path = tmp_path / "large.json"
    path.write_bytes(b" " * (jsonfile.LARGEST + 1))
    with pytest.raises(InputError, match="more than 1 MiB"):
        jsonfile.file_text(str(path), "f.json")


def test_a_binary_file(tmp_path):
    path = tmp_path / "binary.json"
    path.write_bytes(b"\x80\x81\xff")
    with pytest.raises(InputError, match="not UTF-8"):
        jsonfile.file_text(str(path), "f.json")


@pytest.mark.parametrize(
    ("below", "message"), [("file/below.json", "found no file"), ("null\0.json", "can't be read")]
)
def test_a_path_that_leads_nowhere(tmp_path, below, message):
    (tmp_path / "file").write_text("{}")
    with pytest.raises(InputError, match=message):
        jsonfile.file_text(str(tmp_path / below), "f.json")


def test_a_name_that_the_system_refuses(tmp_path):
    with pytest.raises(InputError, match="can't be read"):
        jsonfile.file_text(str(tmp_path / ("x" * 5000)), "f.json")


def test_a_stream_that_is_too_long_or_binary():
    with pytest.raises(InputError, match="standard input: found more than"):
        jsonfile.stream_text(io.StringIO(" " * (jsonfile.LARGEST + 1)))
    with pytest.raises(InputError, match="standard input: found bytes that are not UTF-8"):
        jsonfile.stream_text(io.TextIOWrapper(io.BytesIO(b"\xff\xfe\x80"), encoding="utf-8"))


def test_a_file_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    with jsonfile.replaced(path) as stream:
        stream.write("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupt_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")

    def interrupted(stream):
        stream.write("new")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), jsonfile.replaced(path) as stream:
        interrupted(stream)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link(tmp_path):
    path, link = tmp_path / "a.json", tmp_path / "b.json"
    path.write_text("old")
    link.symlink_to(path)
    with jsonfile.replaced(link) as stream:
        stream.write("new")
    assert link.is_symlink()
    assert path.read_text() == "new"


def test_bytes_may_be_written_too(tmp_path):
    with jsonfile.replaced(tmp_path / "a.bin", "wb") as stream:
        stream.write(b"\xff")
    assert (tmp_path / "a.bin").read_bytes() == b"\xff"


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(SurroundingsError, match="can't be written"), jsonfile.replaced(tmp_path):
        pass
