"""`hwsim reproduce`: the paper's figures and claims from the measured curves."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from calibration.extras import need
from hwsim.errors import InputError, SurroundingsError, near
from hwsim.report.console import make_console, plain_table, say

if TYPE_CHECKING:
    from calibration.reproduce.campaigns import Campaigns
    from calibration.reproduce.claims.judged import Claim

# Those of figures.catalog, which needs scipy to be imported.
NAMES = ("1", "2", "3", "depth", "optimizer", "batch", "parallelism", "total")
app = typer.Typer(add_completion=False)


@app.command(
    help="""Draw the paper's figures from measured curves, and judge its claims by stated rules.

    Example: hwsim reproduce --out paper

    Example: hwsim reproduce --out paper --figures 1,2 --json
    """
)
def command(
    out: Annotated[Path, typer.Option(help="A folder for pictures, claims.md and claims.json.")],
    figures: Annotated[
        str | None, typer.Option(help=f"Some of {', '.join(NAMES)}; all by default.")
    ] = None,
    curves: Annotated[
        Path | None, typer.Option(help="A folder with charlm-small.jsonl, ...; the shipped one.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    need("scipy", "hwsim reproduce")
    need("matplotlib", "hwsim reproduce", "plot")
    from calibration.reproduce import document
    from calibration.reproduce.campaigns import load, shipped
    from calibration.reproduce.figures.catalog import draw

    names = _names(figures)
    if curves is not None and not os.path.isdir(curves):
        raise InputError(f"--curves {curves}", "found no such folder", "write one of curve files")
    found = load(curves or shipped())
    _folder(out)
    _say_missing(found)
    files = list(draw(names, found, out))
    say("judging the claims")
    claims = document.judged(found)
    files += document.write(found, claims, out)
    if json_:
        record = document.record(found, claims)
        print(json.dumps(record | {"files": [str(path) for path in files]}, indent=2))
    else:
        _show(claims, files)


def _names(text: str | None) -> list[str]:
    names = list(NAMES) if text is None else [name.strip() for name in text.split(",")]
    for name in names:
        if name not in NAMES:
            raise InputError("--figures", f"found '{name}'", near(name, NAMES))
    return list(dict.fromkeys(names))


def _folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise InputError(f"--out {out}", "found a file", "write a folder") from None
    except OSError as error:
        raise SurroundingsError(str(out), f"can't be written ({error.strerror})") from None


def _say_missing(found: Campaigns) -> None:
    missing = [f"{name}.jsonl" for name, campaign in found.items() if campaign is None]
    if missing:
        say(f"not measured: there is no {', '.join(missing)}")


def _show(claims: Sequence[Claim], files: Sequence[Path]) -> None:
    console = make_console()
    table = plain_table("claim", "domain", "95 % interval", "rule", "verdict")
    for claim in claims:
        table.add_row(claim.statement, claim.domain, claim.number, claim.rule, claim.verdict)
    console.print(table)
    for path in files:
        console.print(f"wrote {path}")
