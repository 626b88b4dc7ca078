"""The numbers of a subject by their paths, and their texts when they are scaled."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from hwsim.errors import InputError, near
from hwsim.hardware.figures import leaves
from hwsim.study.subject import Subject

Kind = Literal["rate", "time", "other"]

_QUANTITY = re.compile(r"^([0-9.eE+-]+) ([^\d\s].*)$")
_LANES = re.compile(r"^([0-9.]+) (x)([0-9]+)$")  # of a PCIe generation, device.pcie
_RATES = ("/s", "FLOPS", "Hz")
_NO_TIME = ("W", "USD")  # what has such a unit says nothing about time
# What a plan is placed on, and what peaks are made of: each has the peak's own elasticity.
_STRUCTURE = ("devices", "nodes", "links_per_device", "year")
_PARTS = "device.operations_per_clock."


@dataclass(frozen=True)
class Quantity:
    """A number at a path: `value` times `unit`, after `lead` (a PCIe generation)."""

    path: str
    value: float
    unit: str = ""
    whole: bool = False
    lead: str = ""

    @property
    def kind(self) -> Kind:
        """Whether more of it is faster or slower.

        >>> [Quantity("", 1.0, unit).kind for unit in ("GB/s", "us", "GiB")]
        ['rate', 'time', 'other']
        """
        if self.unit.endswith(_RATES):
            return "rate"
        return "time" if self.unit.endswith(("s", "min", "h", "d")) else "other"

    @property
    def text(self) -> str:
        """As a file has it."""
        return self._with(f"{self.value:.15g}")

    def times(self, factor: float) -> Quantity:
        """The number times `factor`; a whole one at least 1 away from where it was, and from 1.

        Raises InputError where there is none.

        >>> Quantity("", 900.0, "GB/s").times(2.0).text, Quantity("", 8.0, whole=True).times(1.01)
        ('1800 GB/s', Quantity(path='', value=9.0, unit='', whole=True, lead=''))
        """
        value = self.value * factor
        if self.whole:
            value = float(round(value))
            if value == self.value:
                value += math.copysign(1.0, math.log(factor))
            if value < 1.0:
                raise InputError(self.path, f"found {self.value:g}", "no whole number is less")
        return Quantity(self.path, value, self.unit, self.whole, self.lead)

    @property
    def setting(self) -> str:
        """As `Subject.with_settings` takes it, to the last digit."""
        return self._with(f"{self.value:.0f}" if self.whole else repr(self.value))

    def _with(self, number: str) -> str:
        if self.lead:
            return f"{self.lead} {self.unit}{number}"
        return f"{number} {self.unit}" if self.unit else number


def machine(subject: Subject) -> list[Quantity]:
    """The numbers of the machine that a time may hang on."""
    return [
        one
        for path, value in _fields(subject)
        if path.partition(".")[0] in ("device", "node", "network")
        and not path.startswith(_PARTS)
        and path.rpartition(".")[2] not in _STRUCTURE
        and (one := _read(path, value)) is not None
        and one.unit.lstrip("kMGTmun") not in _NO_TIME
    ]


def at(subject: Subject, path: str) -> Quantity:
    """The number at a path. Raises InputError if there is none, or if it is 0."""
    fields = dict(_fields(subject))
    if path not in fields:
        numbers = [name for name, value in fields.items() if _read(name, value)]
        close = near(path, numbers)
        instead = "name a number, such as device.memory.bandwidth or workload.batch"
        raise InputError(
            f"--of {path}", "found no such number", instead if close.startswith("write") else close
        )
    found = _read(path, fields[path])
    if found is None:
        what = f"found {fields[path]!r}, which is no number above 0"
        raise InputError(f"--of {path}", what, "name a number, such as workload.batch")
    return found


def texts(subject: Subject) -> dict[str, str]:
    """The text of every number of the machine."""
    return {one.path: one.text for one in machine(subject)}


def _fields(subject: Subject) -> Iterator[tuple[str, Any]]:
    """Path and value, as a file has it, of every field."""
    yield from leaves(subject.system.model_dump(mode="json"))
    for root in ("workload", "plan", "software", "run"):
        record = getattr(subject, root)
        if record is not None:
            yield from leaves(record.model_dump(mode="json"), root)


def _read(path: str, value: Any) -> Quantity | None:
    """A number above 0; None for anything else."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return Quantity(path, float(value), whole=isinstance(value, int)) if value > 0 else None
    if not isinstance(value, str):
        return None
    if lanes := _LANES.match(value):
        return Quantity(path, float(lanes[3]), lanes[2], whole=True, lead=lanes[1])
    if found := _QUANTITY.match(value):
        try:
            number = float(found[1])
        except ValueError:
            return None
        return Quantity(path, number, found[2]) if number > 0 else None
    return None
