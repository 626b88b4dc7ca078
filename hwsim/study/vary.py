"""One field over a range: the estimates, their optimum and the flat region around it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pydantic import BaseModel

from hwsim import records
from hwsim.errors import InputError
from hwsim.estimation import Estimate
from hwsim.hardware.spec import System
from hwsim.overheads import Overheads
from hwsim.parallel.plan import Plan
from hwsim.site import Site
from hwsim.software.spec import Software
from hwsim.study.subject import Subject

LONGEST = 400  # characters of a number with its unit
MOST_POINTS = 10_000
_NUMBER = re.compile(r"^\s*([0-9.eE+-]+)\s*(.*?)\s*$")


def _figure(text: str) -> re.Match[str] | None:
    """A number and its unit."""
    return _NUMBER.match(text) if len(text) <= LONGEST else None


@dataclass(frozen=True)
class Variation:
    """A path and the texts that it takes."""

    path: str
    values: tuple[str, ...]

    @property
    def in_order(self) -> bool:
        """Whether the values are numbers of one unit that rise, or fall, from first to last.

        >>> [Variation("", values).in_order for values in (("1", "8"), ("a", "b"), ("1", "3", "2"))]
        [True, False, False]
        """
        found = [_figure(value) for value in self.values]
        try:
            numbers = [float(match.group(1)) for match in found if match]
        except ValueError:
            return False
        units = {match.group(2) for match in found if match}
        rises = {after > before for before, after in pairwise(numbers)}
        return len(numbers) == len(self.values) and len(units) == 1 and len(rises) <= 1


def parse(text: str, subject: Subject, option: str = "--vary") -> Variation:
    """`PATH=a,b,c`, or `PATH=lo:hi:n` for n values from lo to hi, evenly spaced in their logarithm.

    `option` names it in faults. Integer fields are rounded and repeated values dropped. Raises
    InputError for another form, and for a range of a field that holds neither a number nor a
    quantity.
    """
    path, equals, values = text.partition("=")
    if not equals or not path or not values:
        raise InputError(
            option, f"found '{text}'", "write PATH=a,b,c or PATH=lo:hi:n (n values, geometric)"
        )
    if ":" not in values:
        texts = tuple(v.strip() for v in values.split(","))
        if len(texts) > MOST_POINTS:
            what, most = f"found {len(texts):,} values", f"write {MOST_POINTS:,} or fewer"
            raise InputError(f"{option} {path}", what, most)
        return Variation(path, texts)
    annotation = annotation_at(path, subject)
    kinds = records.plain_types(annotation)
    if annotation is not None and kinds.isdisjoint((int, float)):
        raise InputError(
            f"{option} {path}",
            f"found the range '{values}' of a field that is not a number",
            "write its values: a,b,c",
        )
    return Variation(path, _geometric(f"{option} {path}", values, whole=int in kinds))


def whole_numbers(path: str, values: str) -> tuple[int, ...]:
    """The positive integers of `a,b,c` or `lo:hi:n`. Raises InputError for anything else.

    >>> whole_numbers("workload.hidden", "32:512:5")
    (32, 64, 128, 256, 512)
    """
    texts = _geometric(f"--vary {path}", values, whole=True) if ":" in values else values.split(",")
    try:
        numbers = tuple(dict.fromkeys(int(text) for text in texts))
    except ValueError:
        numbers = ()
    if not numbers or min(numbers) < 1:
        raise InputError(
            f"--vary {path}", f"found '{values}'", "write whole numbers above 0: a,b,c or lo:hi:n"
        )
    return numbers


def run(
    subject: Subject, variation: Variation, answer: Callable[[Subject], Estimate]
) -> list[Estimate]:
    """The estimate at every value; a point that doesn't fit keeps its times.

    Raises InputError, with the value, where a point can't be answered.
    """
    return [_point(subject, variation.path, value, answer) for value in variation.values]


def numbers(subject: Subject, variation: Variation) -> list[float] | None:
    """What the values are in the units of the record (SI), factors times what there is; None where
    they are no numbers."""
    root, _, rest = variation.path.partition(".")
    found = []
    for text in variation.values:
        changed = subject.with_settings({variation.path: text})
        value: Any = getattr(changed, root, None) if rest else None
        parts = rest if value is not None else variation.path
        value = changed.system if value is None else value
        for part in parts.split("."):
            value = value[int(part)] if part.isdecimal() else getattr(value, part, None)
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            return None
        found.append(float(value))
    return found


def _point(
    subject: Subject, path: str, value: str, answer: Callable[[Subject], Estimate]
) -> Estimate:
    try:
        return answer(subject.with_settings({path: value}))
    except InputError as error:
        if error.where.startswith(path):
            raise
        raise error.inside(f"--vary {path}={value[:60]}") from None


def annotation_at(path: str, subject: Subject) -> Any:
    """The annotation of the field at a path; None if there is none."""
    root, _, rest = path.partition(".")
    own: dict[str, type[BaseModel]]
    own = {
        "workload": type(subject.workload),
        **{"plan": Plan, "software": Software, "run": Overheads, "site": Site},
    }
    parts = (rest if root in own else path).split(".")
    return records.field_at(
        own.get(root, System), [int(part) if part.isdecimal() else part for part in parts]
    )


def _geometric(where: str, values: str, whole: bool) -> tuple[str, ...]:
    shape = InputError(
        where,
        f"found '{values}'",
        f"write lo:hi:n with 0 < lo < hi and n from 2 to {MOST_POINTS}",
    )
    parts = values.split(":")
    if len(parts) != 3:
        raise shape
    low, high = _figure(parts[0]), _figure(parts[1])
    if low is None or high is None or not parts[2].strip().isdigit():
        raise shape
    unit = high.group(2) or low.group(2)
    whole = whole and unit != "x"  # factors of what is there
    if low.group(2) not in ("", unit):
        raise InputError(
            where, f"found two units in '{values}'", "write both ends in the same unit"
        )
    try:
        first, last, count = float(low.group(1)), float(high.group(1)), int(parts[2])
    except ValueError:
        raise shape from None
    if not 0 < first < last < math.inf or not 2 <= count <= MOST_POINTS:
        raise shape
    if math.isinf(last / first):
        raise shape
    ratio = (last / first) ** (1.0 / (count - 1))
    numbers = [first * ratio**i for i in range(count - 1)] + [last]
    texts = [str(round(x)) if whole else f"{x:.6g}" for x in numbers]
    return tuple(text + (f" {unit}" if unit else "") for text in dict.fromkeys(texts))
