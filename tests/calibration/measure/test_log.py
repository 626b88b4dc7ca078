"""The file of measurements, killed, continued and refused."""

import errno

import pytest

pytest.importorskip("torch")

from calibration.measure import log, place
from calibration.measure.place import Place
from calibration.measurement import Measurement, read
from calibration.shapes import Gemm
from hwsim.errors import InputError, SurroundingsError

HERE = place.provenance(Place("cpu"), "hwsim calibrate run x.jsonl")


def measured(side):
    shape = Gemm(m=side, n=side, k=side)
    return Measurement(shape=shape, device="local", dtype="fp32", seconds=1e-3, provenance=HERE)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "new" / "x.jsonl"
    with log.writing(path, HERE) as append:
        append(measured(8))
        append(measured(16))
    return path


def test_what_is_appended_is_read_back_at_once(tmp_path):
    path = tmp_path / "x.jsonl"
    assert log.held(path, HERE) == set()
    with log.writing(path, HERE) as append:
        append(measured(8))
        assert [one.seconds for one in read(str(path))] == [1e-3]
        append(measured(16))
    assert log.held(path, HERE) == {measured(8).case, measured(16).case}


@pytest.mark.parametrize("cut", [1, 2, 40, 200])
def test_a_line_that_a_kill_cut_short_is_dropped(path, cut, capsys):
    path.write_bytes(path.read_bytes()[:-cut])
    assert log.held(path, HERE) == {measured(8).case}
    with log.writing(path, HERE) as append:
        append(measured(32))
    assert [one.shape.m for one in read(str(path))] == [8, 32]
    assert "dropped a last line" in capsys.readouterr().err


def test_a_cut_first_line_leaves_an_empty_file(path):
    path.write_bytes(b'{"sha')
    with log.writing(path, HERE):
        assert path.read_bytes() == b""


@pytest.mark.parametrize("text", ["my notes", "a,b\n1,2\n", "{}", "{}\n"])
def test_a_file_of_something_else_stays_as_it_is(tmp_path, text):
    path = tmp_path / "notes"
    path.write_text(text)
    with pytest.raises(InputError, match="notes"), log.writing(path, HERE):
        pass
    assert path.read_text() == text


@pytest.mark.parametrize("name", ["machine", "versions", "note"])
def test_other_conditions_are_refused(path, name):
    before = path.read_bytes()
    other = HERE.model_copy(update={name: "another"})
    with pytest.raises(InputError, match=rf"provenance.{name}: .* now it is .another"):
        log.held(path, other)
    with pytest.raises(InputError, match="another file"), log.writing(path, other):
        pass
    assert path.read_bytes() == before


def test_a_later_day_and_another_command_go_on(path):
    note = HERE.note.replace("x.jsonl", "x.jsonl --quick")
    later = HERE.model_copy(update={"date": "2031-01-01", "note": note})
    assert len(log.held(path, later)) == 2


def test_one_process_writes_at_a_time(path):
    pytest.importorskip("fcntl")
    second = pytest.raises(InputError, match="another process")
    with log.writing(path, HERE), second, log.writing(path, HERE):
        pass
    with log.writing(path, HERE) as append:
        append(measured(32))


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(InputError, match="file's path"), log.writing(tmp_path, HERE):
        pass


class Full:
    """A disk that takes ten bytes more."""

    def __init__(self):
        self.taken = b""

    def write(self, data):
        if len(self.taken) == 10:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.taken += data[:10]
        return 10


def test_a_full_disk_is_said(path):
    with pytest.raises(SurroundingsError, match=r"No space left.*kept"):
        log._append(path, Full(), measured(64))
