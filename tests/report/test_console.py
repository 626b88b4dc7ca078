"""One console for all commands: text as it stands, whole lines in a pipe, codes for a terminal."""

import contextlib
import io

import pytest

from hwsim.report.console import make_console, plain_table, say


class Terminal(io.StringIO):
    def isatty(self):
        return True


def on_terminal(monkeypatch, *printed, no_color="", **options):
    """What a color terminal of 40 columns would be sent."""
    for name, value in (("TERM", "xterm-256color"), ("COLUMNS", "40"), ("NO_COLOR", no_color)):
        monkeypatch.setenv(name, value)
    with contextlib.redirect_stdout(Terminal()) as stream:
        make_console().print(*printed, **options)
    return stream.getvalue()


@pytest.mark.parametrize("text", ["[/b] x", "[red]x", ":smile:", "1234 'word' http://x.y"])
def test_text_is_printed_as_it_stands(capsys, text):
    table = plain_table(text, right=("n",))
    table.add_row(text, text)
    console = make_console()
    console.print(text)
    console.print(table)
    assert capsys.readouterr().out.count(text) == 4


def test_nothing_is_folded_in_a_pipe(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    long = "word " * 4000 + "end"
    table = plain_table("name", "text")
    table.add_row("x", long)
    console = make_console()
    console.print(long)
    console.print(table)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert [long in line for line in lines] == [True, False, True]


def test_a_terminal_folds_and_cuts_nothing(monkeypatch):
    table = plain_table("name", "words")
    table.add_row("n" * 20, "x" * 60)
    sent = on_terminal(monkeypatch, table)
    assert sent.count("x") == 60
    assert "n" * 20 in sent
    assert "\x1b[1m" in sent


def test_no_color_means_no_codes(monkeypatch):
    assert on_terminal(monkeypatch, "total", style="bold") == "\x1b[1mtotal\x1b[0m\n"
    assert on_terminal(monkeypatch, "total", style="bold", no_color="1") == "total\n"


def test_messages_go_to_standard_error(capsys):
    make_console(stderr=True).print("a message")
    assert capsys.readouterr() == ("", "a message\n")


CONTROLS = "a\x1b[31m\x1b]0;t\x07\u202eb\x9bc"


def test_control_characters_are_escaped(monkeypatch, capsys):
    table = plain_table(CONTROLS)
    table.add_row(CONTROLS)
    sent = on_terminal(monkeypatch, CONTROLS, table, no_color="1")
    say(CONTROLS)
    for text in (sent.replace("\x1b[1m", "").replace("\x1b[0m", ""), capsys.readouterr().err):
        assert text.replace("\n", "").isprintable()
        assert "\\x1b" in text
