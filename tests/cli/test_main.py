"""The command group: exit codes, streams, and what is loaded when."""

import errno
import json
import os
import subprocess
import sys

import pytest

import hwsim as package
from hwsim.cli import main
from hwsim.errors import DoesNotFit, HwsimError, InputError, SurroundingsError
from hwsim.hardware import catalog

ESTIMATE = ("estimate", "--hw", "volta", "--model", "charlm", "--steps", "10")


@pytest.fixture
def failing(monkeypatch, hwsim):
    """`hwsim estimate` on a machine where it raises."""

    def call(error):
        def refuse(*_, **__):
            raise error

        monkeypatch.setattr("hwsim.cli.asked.estimate", refuse)
        return hwsim(*ESTIMATE)

    return call


def test_the_version_is_printed(hwsim):
    code, out, err = hwsim("--version")
    assert (code, err) == (0, "")
    assert out.strip().count(".") == 2


def test_help_names_every_command(hwsim):
    code, out, _ = hwsim("--help")
    assert code == 0
    for name in main.COMMANDS:
        assert name in out
    assert hwsim().out.split() == out.split()


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_command_has_help(hwsim, name):
    code, out, err = hwsim(name, "--help")
    assert (code, err) == (0, "")
    assert name in out


def test_estimate_help_has_an_example(hwsim):
    assert "Example: hwsim estimate" in hwsim("estimate", "--help").out


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("here", "found this", "write that"), 2),
        (DoesNotFit("memory", "too much"), 3),
        (SurroundingsError("disk", "is full"), 4),
        (HwsimError("here", "a bug"), 1),
    ],
)
def test_each_kind_of_fault_has_its_code(failing, error, code):
    assert failing(error) == (code, "", f"error: {error}\n")


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt(), EOFError()])
def test_an_interrupt_ends_quietly(failing, interrupt):
    code, out, err = failing(interrupt)
    assert (code, out) == (130, "")
    assert err.strip() in ("", "interrupted")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_full_disk_is_no_bug(failing, number):
    code, out, err = failing(OSError(number, os.strerror(number), "picture.png"))
    assert (code, out) == (4, "")
    assert err == f"error: picture.png: {os.strerror(number)}\n"


def test_a_bug_is_not_hidden(failing):
    with pytest.raises(ZeroDivisionError):
        failing(ZeroDivisionError())


@pytest.mark.parametrize("words", [("estimat",), ("--nonsense",), ("estimate", "--nonsense")])
def test_wrong_usage_is_bad_input(hwsim, words):
    code, out, err = hwsim(*words)
    assert (code, out) == (2, "")
    assert err.splitlines()[-1].lower().startswith("error: ")
    assert "Traceback" not in err


def test_main_exits_with_the_code(monkeypatch):
    monkeypatch.setattr(main, "run", lambda _: 3)
    with pytest.raises(SystemExit) as stop:
        main.main([])
    assert stop.value.code == 3


@pytest.mark.parametrize("options", [["--json"], []], ids=["json", "table"])
def test_a_reader_that_goes_away_is_no_fault(options):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as stream:
        done = subprocess.run(
            [sys.executable, "-m", "hwsim", *ESTIMATE, *options],
            stdout=stream,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_command_is_loaded_when_it_is_called():
    code = "import sys, hwsim.cli.main; print([n for n in sys.modules if 'hwsim.cli.' in n])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['hwsim.cli.main']"


def test_letters_that_an_encoding_has_not_are_escaped(tmp_path):
    named = tmp_path / "mine.json"
    form = catalog.file_form(catalog.load("l4").device) | {"name": "日\x1b[31m"}
    named.write_text(json.dumps(form))
    done = subprocess.run(
        [sys.executable, "-m", "hwsim", "hardware", "show", str(named)],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        check=True,
    )
    assert rb"\u65e5\x1b[31m" in done.stdout


def test_too_little_memory_is_no_bug(failing):
    result = failing(MemoryError())
    assert result.code == 4
    assert "memory" in result.err


def test_the_package_loads_what_is_asked_for():
    code = "import hwsim, sys; print('numpy' in sys.modules, hwsim.Plan.__name__)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "False Plan\n"
    assert all(getattr(package, name) for name in package.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        _ = package.nothing


@pytest.mark.parametrize("module", ["typer", "numpy", "hwsim.study.search.find"])
def test_an_interrupt_while_a_command_loads_is_met(module):
    code = f"""
import sys
class Stop:
    def find_spec(self, name, *_):
        if name == "{module}":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Stop())
from hwsim.__main__ import main
sys.argv = "hwsim search --hw volta --model charlm --devices 8".split()
main()
"""
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert (found.returncode, found.stdout, found.stderr) == (130, "", "interrupted\n")
