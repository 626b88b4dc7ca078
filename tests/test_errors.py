"""Errors: three parts, one exit code each, seen from further out."""

import copy
import pickle

import pytest

from hwsim.errors import DoesNotFit, HwsimError, InputError, SurroundingsError, UnitError


@pytest.mark.parametrize(
    ("kind", "code"),
    [(InputError, 2), (UnitError, 2), (DoesNotFit, 3), (SurroundingsError, 4)],
)
def test_each_kind_has_its_exit_code(kind, code):
    assert issubclass(kind, HwsimError)
    assert kind("here", "this").exit_code == code


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        (("file: field", "found 5", "write 6"), "file: field: found 5; write 6"),
        (("file", "found 5"), "file: found 5"),
        (("", "found 5", "write 6"), "found 5; write 6"),
    ],
)
def test_text_leaves_out_what_is_empty(parts, text):
    assert str(InputError(*parts)) == text


def test_inside_puts_a_place_in_front_and_keeps_the_kind():
    error = UnitError("memory", "found 5", "write 5 GB").inside("volta.json")
    assert isinstance(error, UnitError)
    assert str(error) == "volta.json: memory: found 5; write 5 GB"
    assert InputError("", "found 5").inside("volta.json").where == "volta.json"


def test_problems_are_kept():
    faults = [InputError("a", "found 1"), InputError("b", "found 2")]
    assert InputError("a", "found 1", "", faults).problems == tuple(faults)
    assert InputError("a", "found 1").problems == ()


@pytest.mark.parametrize("again", [copy.copy, lambda e: pickle.loads(pickle.dumps(e))])
def test_an_error_crosses_a_process(again):
    error = DoesNotFit("memory", "needs more", "use more devices")
    assert str(again(error)) == str(error)
    assert type(again(error)) is DoesNotFit


def test_a_message_cannot_take_hold_of_a_terminal():
    text = str(InputError("a\x1b[31m", "found '\u202e\x07\x9b'", "write \ud800"))
    assert text.isprintable()
    assert "a\\x1b[31m" in text


def test_a_message_has_an_end():
    error = InputError("--set", f"found '{'x' * 10**6}'", "write less")
    assert len(str(error)) < 5000
    assert str(error).endswith("'; write less")
    assert len(error.what) > 10**6
