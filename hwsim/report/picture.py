"""Pictures as files: which formats there are, a canvas, and how it is written (matplotlib)."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from warnings import catch_warnings

from hwsim.errors import InputError, SurroundingsError, printable
from hwsim.jsonfile import replaced

FORMATS = (".svg", ".png", ".pdf")
LONGEST = 200  # characters of a text
UNDATED = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}


def plain(text: str) -> str:
    """A text from a file or an argument as it stands: a dollar opens no formula.

    >>> plain("$x$"), plain("a\\x1b")
    ('\\\\$x\\\\$', 'a\\\\x1b')
    """
    return printable(text, LONGEST).replace("\n", " ").replace("$", r"\$")


def check(path: Path) -> None:
    """Raises InputError for another file type."""
    if path.suffix.lower() not in FORMATS:
        raise InputError("--plot", f"found '{path}'", f"end it in one of {', '.join(FORMATS)}")


def canvas(path: Path, width: float, height: float) -> Any:
    """An empty figure of so many inches for the file `path`.

    Raises InputError for another file type, SurroundingsError if matplotlib is missing.
    """
    check(path)
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise SurroundingsError(
            "--plot", "matplotlib is not installed", 'pip install "hwsim[plot]"'
        ) from None
    return Figure(figsize=(width, height), layout="constrained")


def write(figure: Any, path: Path, **options: Any) -> None:
    """The figure as a file, whole or not at all; the same figures make the same file.

    Raises SurroundingsError if it can't be written.
    """
    from matplotlib import rc_context

    suffix = path.suffix.lower()[1:]
    with (
        rc_context({"svg.hashsalt": "hwsim"}),
        catch_warnings(category=UserWarning, action="ignore"),  # letters that the font has not
        replaced(path, "wb") as stream,
    ):
        figure.savefig(stream, format=suffix, dpi=150, metadata=UNDATED.get(suffix), **options)
