"""The command line in process."""

import io
import sys
from typing import NamedTuple

import pytest

from hwsim.cli.main import run


class Result(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def hwsim(monkeypatch, capsys):
    """Runs `hwsim WORD...` with text or bytes on standard input."""

    def call(*words, stdin=b""):
        data = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
        capsys.readouterr()
        code = run(list(words))
        return Result(code, *capsys.readouterr())

    return call
