"""The file of a campaign: what a kill leaves is read, what someone broke is refused."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from calibration.converge import curves
from hwsim.errors import InputError, SurroundingsError

LINE = {
    "schema": curves.SCHEMA,
    "workload": "charlm-small",
    "setting": {"depth": 2, "batch": 32},
    "corpus": {
        "name": "help",
        "sha256": "00",
        "items": 9000,
        "validation": 1000,
        "vocabulary": 50,
        "unit": "characters",
        "entropy": None,
    },
    "stop": {"patience": 1.6, "least": 400, "most": 40_000, "rise": 0.0},
    "date": "2026-01-01",
    "machine": "x86_64",
    "versions": {"python": "3.11"},
    "command": "hwsim converge run",
}
HEADER = curves.Header.model_validate(LINE)


def evaluations(run, losses, begin=20):
    return [
        {"run": run, "step": begin + 5 * i, "loss": loss, "train_loss": loss, "seconds": 0.1}
        for i, loss in enumerate(losses)
    ]


def end(run):
    return {
        "run": run,
        "end": "minimum",
        "hidden": 8,
        "dataset": 1000,
        "seed": 0,
        "parameters": 999,
        "batch": 32,
    }


def lines(*records):
    return "".join(json.dumps(record) + "\n" for record in records)


WHOLE = lines(LINE, *evaluations("a", [3.0, 2.0, 1.0]), end("a"))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "curves.jsonl"


def resume(path, header=HEADER):
    """Open and close as a campaign does; the runs that it needn't train again."""
    with curves.writing(path, header) as (_, done):
        return done


def test_a_finished_run_is_read(path):
    path.write_text(WHOLE)
    found = curves.read(path)
    assert found.header == HEADER
    (curve,) = found.finished.values()
    assert (curve.run, curve.steps, curve.losses) == ("a", [20, 25, 30], [3.0, 2.0, 1.0])
    assert (curve.end.end, curve.end.hidden, curve.end.dataset) == ("minimum", 8, 1000)
    assert (curve.end.parameters, curve.end.batch, curve.end.varied) == (999, 32, {})


def test_runs_may_be_interleaved(path):
    a, b = evaluations("a", [3.0, 2.0]), evaluations("b", [5.0, 4.0])
    path.write_text(lines(LINE, a[0], b[0], b[1], a[1], end("b"), end("a")))
    found = curves.read(path).finished
    assert found["a"].losses == [3.0, 2.0]
    assert found["b"].losses == [5.0, 4.0]


def test_an_unfinished_run_is_dropped(path):
    path.write_text(WHOLE + lines(*evaluations("b", [3.0, 2.0])))
    assert set(curves.read(path).finished) == {"a"}
    assert resume(path) == {"a"}
    assert path.read_text() == WHOLE


@pytest.mark.parametrize("cut", [1, 10, 60])
def test_a_last_line_cut_short_is_dropped(path, cut):
    last = lines(*evaluations("b", [3.0]))
    path.write_text(WHOLE + last[:cut])
    assert set(curves.read(path).finished) == {"a"}
    assert resume(path) == {"a"}
    assert path.read_text() == WHOLE


@pytest.mark.parametrize("cut", range(2, 40, 6))
def test_a_cut_end_is_no_end(path, cut):
    path.write_text(WHOLE[:-cut])
    assert curves.read(path).finished == {}


def test_a_last_line_without_its_line_end_counts(path):
    path.write_text(WHOLE[:-1])
    assert resume(path) == {"a"}
    assert path.read_text() == WHOLE


def test_a_run_that_began_anew_keeps_its_second_attempt(path):
    first, second = evaluations("a", [9.0, 8.0]), evaluations("a", [3.0, 2.0, 1.0])
    path.write_text(lines(LINE, *first, *second, end("a")))
    assert curves.read(path).finished["a"].losses == [3.0, 2.0, 1.0]
    assert resume(path) == {"a"}
    assert path.read_text() == WHOLE


def test_a_broken_line_in_the_middle_is_named(path):
    good = WHOLE.splitlines(keepends=True)
    path.write_text("".join([*good[:2], '{"run": "a", "st\n', *good[2:]]))
    with pytest.raises(InputError, match=r"line 3: not a JSON object"):
        curves.read(path)


@pytest.mark.parametrize(
    "fault",
    [
        {"run": "b", "loss": 1.0},
        {"run": "b", "step": 20},
        {"run": "b", "step": "soon", "loss": 1.0},
        {"run": "b", "step": 0, "loss": 1.0},
        {"run": "b", "step": 20, "loss": None},
        {"run": "b", "step": float("inf"), "loss": 1.0},
    ],
)
def test_an_evaluation_needs_its_step_and_loss(path, fault):
    path.write_text(WHOLE + lines(fault, end("c")))
    with pytest.raises(InputError, match="run b: an evaluation has no proper"):
        curves.read(path)


def test_an_end_needs_evaluations(path):
    path.write_text(WHOLE + lines(end("b")))
    with pytest.raises(InputError, match="run b: it ends without an evaluation"):
        curves.read(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("parameters", None),
        ("parameters", 0),
        ("hidden", -8),
        ("dataset", 0),
        ("dataset", "1000"),
        ("seed", -1),
        ("seed", True),
        ("end", "soon"),
    ],
)
def test_an_end_has_sizes_above_zero(path, key, value):
    path.write_text(WHOLE + lines(*evaluations("b", [1.0]), end("b") | {key: value}))
    with pytest.raises(InputError, match=f"run b: {key}: found") as caught:
        curves.read(path)
    assert caught.value.instead


@pytest.mark.parametrize(
    "content", ["", "\n", "hello\n", '{"run": 1}\n', "[]\n", "\ufeff{}\n", "[" * 100_000]
)
def test_what_is_no_campaign(path, content):
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=r"curves\.jsonl"):
        curves.read(path)


def test_a_header_lacks_nothing(path):
    path.write_text(lines({k: v for k, v in LINE.items() if k != "stop"}))
    with pytest.raises(InputError, match="line 1: stop: found nothing"):
        curves.read(path)


@pytest.mark.parametrize(
    ("key", "value", "place"),
    [
        ("workload", 3, "workload"),
        ("setting", [1], "setting"),
        ("corpus", {"name": "help"}, r"corpus\.sha256"),
        ("stop", {}, r"stop\.patience"),
        ("stop", 3, "stop"),
        ("stop", {"patience": 1.0, "least": 1, "most": 2}, r"stop\.patience"),
        ("stop", {"patience": float("nan"), "least": 1, "most": 2}, r"stop\.patience"),
        ("stop", {"patience": 1.6, "least": 0, "most": 2}, r"stop\.least"),
        ("versions", "3.11", "versions"),
        ("more", 1, "more"),
    ],
)
def test_a_header_is_checked(path, key, value, place):
    path.write_text(lines(LINE | {key: value}))
    with pytest.raises(InputError, match=rf"line 1: {place}: found") as caught:
        curves.read(path)
    assert caught.value.instead


def test_what_can_not_be_read(path):
    for prepare in (lambda: None, lambda: path.write_bytes(b"\xff\xfe"), path.mkdir):
        path.unlink(missing_ok=True)
        prepare()
        with pytest.raises(InputError, match=r"found no file|not UTF-8|found a directory"):
            curves.read(path)


def test_a_header_alone_has_no_runs(path):
    path.write_text(lines(LINE))
    assert curves.read(path).finished == {}
    assert resume(path) == set()
    assert path.read_text() == lines(LINE)


@pytest.mark.parametrize("before", [None, ""])
def test_a_new_or_empty_file_gets_its_header(path, before):
    if before is not None:
        path.write_text(before)
    assert resume(path) == set()
    assert path.read_text() == lines(LINE)


@pytest.mark.parametrize("where", [".", "..", "/", "folder"])
def test_a_directory_is_no_file_to_write(tmp_path, monkeypatch, where):
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    with pytest.raises(InputError, match="is a directory"):
        resume(Path(where))
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


def test_folders_are_made(tmp_path):
    path = tmp_path / "some" / "where" / "curves.jsonl"
    assert resume(path) == set()
    assert curves.read(path).header == HEADER


def test_what_is_appended_is_there_at_once(path):
    with curves.writing(path, HEADER) as (file, _):
        for record in (*evaluations("a", [3.0, 2.0, 1.0]), end("a")):
            curves.append(file, record)
        assert path.read_text() == WHOLE


def test_a_second_campaign_on_the_same_file_is_refused(path):
    with (
        curves.writing(path, HEADER),
        pytest.raises(InputError, match="another campaign is writing it"),
        curves.writing(path, HEADER),
    ):
        pass
    assert resume(path) == set()


def test_a_lock_whose_file_is_gone_is_none(path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def lock_late(file, _):
        os.unlink(file.name)  # the campaign that held it has just ended

    monkeypatch.setattr(fcntl, "flock", lock_late)
    with pytest.raises(InputError, match="another campaign is writing it"):
        resume(path)
    assert not path.exists()


def test_without_file_locks_nothing_is_written(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with pytest.raises(SurroundingsError, match="no fcntl; run it on Linux or macOS"):
        resume(path)
    assert not path.exists()


def test_a_fault_of_the_campaign_is_not_the_files(path):
    with pytest.raises(BlockingIOError), curves.writing(path, HEADER):
        raise BlockingIOError(11, "Resource temporarily unavailable")


def test_no_lock_is_left(path):
    resume(path)
    with pytest.raises(InputError):
        resume(path, HEADER.model_copy(update={"workload": "charlm"}))
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("workload", "charlm"),
        ("setting", {"depth": 3, "batch": 32}),
        ("corpus", HEADER.corpus.model_copy(update={"sha256": "01"})),
        ("stop", HEADER.stop.model_copy(update={"most": 50_000})),
    ],
)
def test_another_setting_is_refused(path, key, value):
    path.write_text(WHOLE)
    with pytest.raises(InputError, match=f"{key}: the file holds runs of") as caught:
        resume(path, HEADER.model_copy(update={key: value}))
    assert "--out" in caught.value.instead
    assert path.read_text() == WHOLE


def test_another_day_or_version_is_not(path):
    path.write_text(WHOLE)
    later = {"date": "2026-02-02", "versions": {}, "command": ""}
    assert resume(path, HEADER.model_copy(update=later)) == {"a"}
    assert curves.read(path).header == HEADER


def test_a_full_disk_is_the_surroundings(path):
    path.symlink_to("/dev/full")
    with pytest.raises(SurroundingsError, match="No space left") as caught:
        resume(path)
    assert caught.value.exit_code == 4


def test_a_disk_that_fills_up_keeps_what_was_finished(path, monkeypatch):
    path.write_text(WHOLE)

    def full(*_):
        raise OSError(28, "No space left on device")

    def append_two():
        with curves.writing(path, HEADER) as (file, _):
            curves.append(file, evaluations("b", [3.0])[0])
            with monkeypatch.context() as patch:
                patch.setattr(curves.json, "dumps", full)
                curves.append(file, end("b"))

    with pytest.raises(SurroundingsError, match="finished runs are kept"):
        append_two()
    assert set(curves.read(path).finished) == {"a"}


def test_a_disk_too_full_to_resume_leaves_the_file(path):
    path.write_text(WHOLE + lines(*evaluations("b", [3.0])))
    before = path.read_text()
    path.with_name(path.name + ".part").symlink_to("/dev/full")
    with pytest.raises(SurroundingsError):
        resume(path)
    assert path.read_text() == before


def test_files_of_character_models_alone_are_read(path):
    """They counted their corpus in `characters`, named no unit, and asked for no rise."""
    about = {"name": "help", "sha256": "00", "characters": 9000, "validation": 1000}
    stop = {"patience": 1.6, "least": 400, "most": 40_000}
    line = {**LINE, "corpus": about | {"vocabulary": 50}, "stop": stop}
    path.write_text(lines(line, *evaluations("a", [3.0, 2.0, 1.0]), end("a")))
    assert curves.read(path).header == HEADER
    assert resume(path) == {"a"}


def test_a_run_says_where_it_differs_from_the_setting(path):
    line = end("a") | {"varied": {"depth": 4}, "noise": 0.001, "batch": 8}
    path.write_text(lines(LINE, *evaluations("a", [3.0, 2.0, 1.0]), line))
    found = curves.read(path).finished["a"].end
    assert (found.varied, found.noise, found.batch) == ({"depth": 4}, 0.001, 8)
