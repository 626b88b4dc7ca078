"""The file of a sweep, whatever happens to it."""

import errno
import io

import pytest

from hwsim.errors import InputError, SurroundingsError
from hwsim.study.sweep.sheet import Sheet

HEADER = b"a,b\n"
SAME = {"columns": ["a", "b"], "machine": "abc"}


def sheet(path, resume=False, identity=SAME, header=HEADER):
    return Sheet(path, header, identity, resume=resume)


@pytest.fixture
def path(tmp_path):
    found = tmp_path / "rows.csv"
    with sheet(found) as rows:
        rows.write(b"1,2\n3,4\n", 2)
    return found


def test_rows_stand_behind_the_header(path):
    assert path.read_bytes() == b"a,b\n1,2\n3,4\n"
    assert path.with_name("rows.csv.sweep").exists()


def test_it_goes_on_behind_the_last_whole_row(path):
    path.write_bytes(path.read_bytes() + b"5,")
    with sheet(path, resume=True) as rows:
        assert rows.rows == 2
        rows.write(b"5,6\n", 1)
    assert path.read_bytes() == b"a,b\n1,2\n3,4\n5,6\n"


def test_json_lines_go_on_without_a_header(tmp_path):
    path = tmp_path / "rows.jsonl"
    with sheet(path, header=b"") as rows:
        rows.write(b"{}\n", 1)
    with sheet(path, resume=True, header=b"") as rows:
        assert rows.rows == 1


def test_resume_begins_where_nothing_is(tmp_path):
    with sheet(tmp_path / "new.csv", resume=True) as rows:
        assert rows.rows == 0


def test_a_file_that_is_there_is_not_written_over(path):
    with pytest.raises(InputError, match="is there already; add --resume"):
        sheet(path)
    assert path.read_bytes() == b"a,b\n1,2\n3,4\n"


def test_rows_of_another_sweep_are_refused_with_what_differs(path):
    with pytest.raises(InputError, match="differs in: machine;"):
        sheet(path, resume=True, identity=SAME | {"machine": "xyz"})
    path.write_bytes(b"a,c\n1,2\n")
    with pytest.raises(InputError, match="the rows of another sweep"):
        sheet(path, resume=True)


def test_a_file_of_no_sweep_is_refused(path):
    path.with_name("rows.csv.sweep").unlink()
    with pytest.raises(InputError, match=r"found no rows.csv.sweep beside it"):
        sheet(path, resume=True)
    with pytest.raises(InputError, match="is no file"):
        sheet(path.parent)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(SurroundingsError, match="can't be written"):
        sheet(tmp_path / "none" / "rows.csv")


class Full(io.RawIOBase):
    """A disk with room for some bytes."""

    def __init__(self, stream, room):
        self.stream, self.room = stream, room

    def write(self, data):
        taken = bytes(data)[: self.room]
        if not taken:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.room -= len(taken)
        return self.stream.write(taken)

    def truncate(self, size=None):
        return self.stream.truncate(size)

    def close(self):
        self.stream.close()


def test_a_full_disk_keeps_whole_rows(tmp_path):
    path = tmp_path / "rows.csv"

    def fill():
        with sheet(path) as rows:
            rows.stream = Full(rows.stream, 6)
            rows.write(b"1,2\n", 1)
            rows.write(b"3,4\n", 1)

    with pytest.raises(SurroundingsError, match=r"No space left on device\); 1 rows are kept"):
        fill()
    assert path.read_bytes() == b"a,b\n1,2\n"


def test_what_stops_a_sweep_keeps_whole_rows(path):
    def stop():
        with sheet(path, resume=True) as rows:
            rows.stream.write(b"5,")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    assert path.read_bytes() == b"a,b\n1,2\n3,4\n"
