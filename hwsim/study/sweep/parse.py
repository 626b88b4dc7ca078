"""The options of a sweep -> what it varies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hwsim import records
from hwsim.errors import InputError
from hwsim.study import vary
from hwsim.study.subject import Subject
from hwsim.study.sweep import paths, sobol
from hwsim.study.sweep.axes import Axis, Choice, Drawn, Listed, Range
from hwsim.study.sweep.paths import RELATIVE

MOST = 10**9  # points


class Drawing(NamedTuple):
    """How many points are drawn, from which seed, and whether by Sobol's sequence."""

    points: int | None = None
    seed: int = 1
    even: bool = False


def parse(
    subject: Subject,
    grid: Sequence[str],
    paired: Sequence[str] = (),
    random: Sequence[str] = (),
    drawing: Drawing = Drawing(),  # noqa: B008
) -> list[Axis]:
    """The axes whose product a sweep is: those of `grid`, all `paired` as one, all `random` as one.

    Raises InputError for an unknown path, a value that it can't have, a path that is given twice,
    pairs of unequal numbers, and a product of more than `MOST` points.
    """
    axes: list[Axis] = [
        Listed((one.path,), (one.values,))
        for one in (_listed(text, subject, "--grid") for text in grid)
    ]
    if paired:
        axes.append(_paired([_listed(text, subject, "--paired") for text in paired]))
    if random:
        axes.append(_drawn(random, subject, drawing))
    elif drawing.points is not None or drawing.even:
        what = "found without --random"
        raise InputError("--points" if drawing.points else "--sobol", what, "add --random PATH=...")
    if not axes:
        raise InputError("sweep", "found nothing to vary", "add --grid PATH=lo:hi:n")
    every = [path for axis in axes for path in axis.paths]
    twice = next((path for path in every if every.count(path) > 1), None)
    if twice:
        raise InputError(twice, "found twice", "vary it once")
    points = 1
    for axis in axes:
        points *= axis.size
    if points > MOST:
        raise InputError("sweep", f"found {points:,} points", f"write at most {MOST:,}")
    return axes


def _listed(text: str, subject: Subject, option: str) -> vary.Variation:
    found = vary.parse(text, subject, option)
    shown = (found.values[0], found.values[-1]) if ":" in text else found.values
    paths.check(found.path, shown, subject, option)
    return found


def _paired(found: Sequence[vary.Variation]) -> Listed:
    sizes = {len(one.values) for one in found}
    if len(sizes) > 1:
        told = ", ".join(f"{one.path} {len(one.values)}" for one in found)
        what = f"found unequal numbers of values: {told}"
        raise InputError("--paired", what, "write equally many of each")
    return Listed(tuple(one.path for one in found), tuple(one.values for one in found))


def _drawn(texts: Sequence[str], subject: Subject, drawing: Drawing) -> Drawn:
    if not drawing.points or drawing.points < 1:
        told = "nothing" if drawing.points is None else str(drawing.points)
        raise InputError("--points", f"found {told}", "write how many points to draw: --points N")
    if drawing.seed < 0:
        raise InputError("--seed", f"found {drawing.seed}", "write 0 or more")
    if drawing.even and len(texts) > sobol.MOST:
        what = f"found {len(texts)} paths"
        raise InputError("--sobol", what, f"draw at most {sobol.MOST}, or leave --sobol out")
    names, sources = zip(*(_source(text, subject) for text in texts), strict=True)
    return Drawn(names, sources, drawing.points, drawing.seed, drawing.even)


def _source(text: str, subject: Subject) -> tuple[str, Range | Choice]:
    """`PATH=lo:hi` or `PATH=a,b,c`."""
    path, _, values = text.partition("=")
    shape = InputError(
        f"--random {path}", f"found '{values}'", "write lo:hi, 0 < lo < hi, or a,b,c"
    )
    if values.count(":") > 1:
        raise shape
    try:
        found = _listed(f"{text}:2" if ":" in values else text, subject, "--random")
    except InputError as error:
        raise shape if "lo:hi:n" in error.instead else error from None
    if ":" not in values:
        return found.path, Choice(found.values)
    kinds = records.plain_types(vary.annotation_at(found.path, subject))
    (low, unit), (high, _) = (paths.parted(end) for end in (found.values[0], found.values[-1]))
    return found.path, Range(low, high, unit, int in kinds and unit != RELATIVE)
