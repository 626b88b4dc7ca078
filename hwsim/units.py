"""Text with a unit <-> a plain SI float. The only file that knows a prefix or a unit.

A dimension is a class of quantities that may stand in one place of a file. Bits and bytes are
told apart, and so are GB (1e9) and GiB (2**30):

>>> MEMORY.parse("16 GiB"), MEMORY.parse("16 GB")
(17179869184.0, 16000000000.0)
>>> BANDWIDTH.format(900e9)
'900 GB/s'
>>> BANDWIDTH.parse("900")
Traceback (most recent call last):
...
hwsim.errors.UnitError: found '900' without a unit; write for instance '900 GB/s'

A network's rate is quoted in bits; there both may be written, a memory's may not:

>>> LINK.parse("100 Gb/s")
12500000000.0
>>> MEMORY.parse("16 Gb")
Traceback (most recent call last):
...
hwsim.errors.UnitError: found '16 Gb', which is in bits, where bytes are wanted; write for instance '16 GiB'
"""  # noqa: E501

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError
from quantiphy import InvalidNumber, Quantity

from hwsim.errors import UnitError

LONGEST = 400  # characters of a quantity: the largest float has 309 digits
_NUMBER = r"[+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?:nan|inf(?:inity)?)"
_TEXT = re.compile(rf"^\s*({_NUMBER})\s*(.*?)\s*$", re.IGNORECASE)
_BITS = {"b": "B", "bit": "B", "bits": "B", "b/s": "B/s", "bps": "B/s", "bit/s": "B/s"}
_BITS_PER_BYTE = 8.0
# The first of these that reads back to the same float is printed.
_PREFIXES = tuple(
    (10.0**power, prefix)
    for power, prefix in zip(
        range(12, -12, -3), ("T", "G", "M", "k", "", "m", "u", "n"), strict=True
    )
)


@dataclass(frozen=True)
class Dimension:
    """One kind of quantity: its unit, other spellings with their factors, an example to show.

    ``zero`` admits 0 (a latency may be nothing, a bandwidth may not); ``bits`` admits bits and
    converts them to bytes; ``binary`` prints powers of 1024 where they come out even, ``prefixed``
    SI prefixes.
    """

    name: str
    unit: str
    example: str
    spellings: dict[str, float] = field(default_factory=dict)
    zero: bool = False
    bits: bool = False
    binary: bool = False
    prefixed: bool = True

    def parse(self, text: object) -> float:
        """The SI value of ``text``.

        Raises UnitError for a missing, unknown or foreign unit and for a value that is not a
        positive finite number.
        """
        wanted = f"write for instance '{self.example}'"
        if isinstance(text, bool) or not isinstance(text, (str, int, float)):
            raise UnitError("", f"found {_shown(text)} where a {self.name} is wanted", wanted)
        if len(str(text)) > LONGEST:
            raise UnitError("", f"found {len(str(text)):,} characters", wanted)
        match = _TEXT.match(str(text))
        if match is None:
            raise UnitError("", f"found '{text}', which is not a {self.name}", wanted)
        number, unit = match.groups()
        if not unit:
            raise UnitError("", f"found '{str(text).strip()}' without a unit", wanted)
        scale = self._scale(unit)
        if scale is None:
            raise UnitError("", f"found '{text}', which {self._mismatch(unit)}", wanted)
        # In decimals, so that "1.7 us" is the same float as 1.7e-6.
        try:
            value = float(Decimal(number) * Decimal(repr(scale)))
        except ArithmeticError:  # an exponent beyond those of decimals
            value = math.inf
        if not math.isfinite(value):
            raise UnitError("", f"found '{text}', which is not finite", wanted)
        if value < 0 or (value == 0 and not self.zero):
            least = "zero or more" if self.zero else "more than zero"
            raise UnitError("", f"found '{text}', but a {self.name} is {least}", wanted)
        return value

    def format(self, value: float) -> str:
        """Text that `parse` reads back to the same float."""
        if self.binary and value >= 1024 and value == int(value) and int(value) % 1024 == 0:
            for power, prefix in ((4, "Ti"), (3, "Gi"), (2, "Mi"), (1, "Ki")):
                scaled = value / 1024**power
                if 1 <= scaled < 1024 and scaled * 64 == int(scaled * 64):
                    return f"{scaled:.15g} {prefix}{self.unit}"
        if value == int(value) and (value < 1e3 or not self.prefixed):
            return f"{int(value)} {self.unit}"
        for scale, prefix in _PREFIXES if self.prefixed else ():
            if scale <= value < 1e6 * scale:
                text = f"{value / scale:.15g} {prefix}{self.unit}"
                if self.parse(text) == value:
                    return text
        return f"{value!r} {self.unit}"

    def _scale(self, unit: str) -> float | None:
        """What one `unit` is worth in SI; None if it is not of this dimension."""
        if unit in self.spellings:  # as it stands: "min" is no milli-inch
            return self.spellings[unit]
        base, scale = _split_prefix(unit)
        if base == self.unit:
            return scale
        if base in self.spellings:
            return scale * self.spellings[base]
        if self.bits and _BITS.get(base) == self.unit:
            return scale / _BITS_PER_BYTE
        return None

    def _mismatch(self, unit: str) -> str:
        if _BITS.get(_split_prefix(unit)[0]) == self.unit:
            return "is in bits, where bytes are wanted"
        for other in DIMENSIONS:
            if other is not self and other._scale(unit) is not None:
                return f"is a {other.name}, not a {self.name}"
        return f"has the unknown unit '{unit}'"


MEMORY = Dimension("number of bytes", "B", "16 GiB", {"byte": 1.0, "bytes": 1.0}, binary=True)
BANDWIDTH = Dimension("bandwidth in bytes", "B/s", "900 GB/s", {"Bps": 1.0})
LINK = Dimension("link rate", "B/s", "25 GB/s", {"Bps": 1.0}, bits=True)
COMPUTE = Dimension(
    "compute rate", "FLOPS", "15.7 TFLOPS", {"FLOP/s": 1.0, "Flops": 1.0, "OPS": 1.0, "OP/s": 1.0}
)
TIME = Dimension(
    "time",
    "s",
    "5 us",
    {"sec": 1.0, "min": 60.0, "h": 3600.0, "hour": 3600.0, "d": 86400.0},
    zero=True,
)
FREQUENCY = Dimension("frequency", "Hz", "1530 MHz", {"hz": 1.0})
POWER = Dimension("power", "W", "300 W")
MONEY = Dimension(
    "price", "USD", "9000 USD", {"$": 1.0, "dollar": 1.0, "dollars": 1.0}, zero=True, prefixed=False
)
ELECTRICITY = Dimension(
    "price of electricity",
    "USD/kWh",
    "0.1 USD/kWh",
    {"USD/kWh": 1.0, "$/kWh": 1.0, "USD/MWh": 1e-3},
    zero=True,
    prefixed=False,
)
CARBON = Dimension(
    "carbon intensity",
    "kg/kWh",
    "0.4 kg/kWh",
    {"kg/kWh": 1.0, "g/kWh": 1e-3, "t/MWh": 1.0},
    zero=True,
    prefixed=False,
)
MASS = Dimension(
    "mass", "kg", "150 kg", {"kg": 1.0, "g": 1e-3, "t": 1e3}, zero=True, prefixed=False
)
DIMENSIONS = (
    *(MEMORY, BANDWIDTH, COMPUTE, TIME, FREQUENCY, POWER, MONEY),
    *(ELECTRICITY, CARBON, MASS),
)
KWH = 3.6e6  # joules
HOUR = 3600.0  # seconds


@lru_cache(maxsize=256)
def _split_prefix(unit: str) -> tuple[str, float]:
    """``"GiB/s"`` -> ``("B/s", 2.0**30)``; what can't be a unit at all comes back as it is."""
    try:
        one = Quantity("1 " + unit.replace(" ", ""), binary=True)
    except InvalidNumber:
        return unit, 1.0
    return str(one.units), float(one)


def _shown(value: object) -> str:
    return "nothing" if value is None else repr(value)


def _field(dimension: Dimension) -> Any:
    """The Pydantic annotation: unit text in files, a float inside."""

    def read(value: object, info: Any) -> float:
        if isinstance(value, float) and info.mode == "python":
            return value  # made by hwsim itself (a default, a copy); files are read as text
        try:
            return dimension.parse(value)
        except UnitError as error:
            raise PydanticCustomError(
                "unit", "{what}|{instead}", {"what": error.what, "instead": error.instead}
            ) from None

    return Annotated[
        float,
        BeforeValidator(read),
        PlainSerializer(dimension.format, return_type=str, when_used="json"),
        WithJsonSchema(
            {
                "type": "string",
                "description": f"a {dimension.name} with its unit",
                "examples": [dimension.example],
            }
        ),
    ]


Bytes = _field(MEMORY)
BytesPerSecond = _field(BANDWIDTH)
LinkRate = _field(LINK)
FlopsPerSecond = _field(COMPUTE)
Seconds = _field(TIME)
Hertz = _field(FREQUENCY)
Watts = _field(POWER)
Dollars = _field(MONEY)
DollarsPerKwh = _field(ELECTRICITY)
KilogramsPerKwh = _field(CARBON)
Kilograms = _field(MASS)


class _Rounded(Quantity):
    """What a reader sees, with the prefixes of large machines too."""


_Rounded.set_prefs(output_sf="EPTGMkmunpfa")


def seconds_text(seconds: float) -> str:
    """A duration for a reader: three digits and the unit that fits.

    >>> seconds_text(0.01234), seconds_text(5400.0), seconds_text(86400 * 45.0)
    ('12.3 ms', '1.5 h', '45 d')
    """
    for unit, size in (("years", 365.25 * 86400.0), ("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= size * (2.0 if unit in ("d", "years") else 1.0):
            count = seconds / size
            return f"{count:.3g} {unit}" if count < 1e3 or count >= 1e6 else f"{count:,.0f} {unit}"
    return str(Quantity(seconds, "s").render(prec=2))


def si_text(value: float, unit: str) -> str:
    """A figure for a reader, three digits with an SI prefix.

    >>> si_text(12_345_678_901, "B"), si_text(2.5e15, "FLOP/s")
    ('12.3 GB', '2.5 PFLOP/s')
    """
    return str(_Rounded(value, unit).render(prec=2))


def short_text(text: str) -> str:
    """A quantity for a reader, three digits and the prefix that fits.

    >>> short_text("13217 us"), short_text("0.0384 TFLOPS")
    ('13.2 ms', '38.4 GFLOPS')
    """
    return str(_Rounded(text).render(prec=2))


def energy_text(joules: float) -> str:
    """Energy for a reader, in watt hours.

    >>> energy_text(3.6e6), energy_text(1.0)
    ('1 kWh', '278 uWh')
    """
    return si_text(1e3 * joules / KWH, "Wh")


def money_text(dollars: float) -> str:
    """Dollars for a reader: three digits, or whole ones.

    >>> money_text(0.0123), money_text(4.5), money_text(1234567.8)
    ('0.0123 USD', '4.5 USD', '1,234,568 USD')
    """
    return f"{dollars:,.0f} USD" if dollars >= 100 else f"{dollars:.3g} USD"


def mass_text(kilograms: float) -> str:
    """Mass for a reader, in grams, kilograms or tonnes.

    >>> mass_text(0.012), mass_text(512.0), mass_text(24_700.0)
    ('12 g', '512 kg', '24.7 t')
    """
    for unit, size in (("t", 1e3), ("kg", 1.0)):
        if kilograms >= size:
            count = kilograms / size
            return f"{count:,.0f} {unit}" if count >= 1e3 else f"{count:.3g} {unit}"
    return f"{1e3 * kilograms:.3g} g"


def bytes_text(size: float) -> str:
    """Bytes for a reader, in powers of 1024 like the sizes of memories.

    >>> bytes_text(16 * 2.0**30), bytes_text(6.52e9), bytes_text(0.0), bytes_text(1014 * 2.0**20)
    ('16 GiB', '6.07 GiB', '0 B', '1,014 MiB')
    """
    for power, prefix in ((4, "Ti"), (3, "Gi"), (2, "Mi"), (1, "Ki")):
        if size >= 1024.0**power:
            count = size / 1024.0**power
            whole = 999.5 <= count < 1024.0  # three digits would have an exponent
            return f"{count:,.0f} {prefix}B" if whole else f"{count:.3g} {prefix}B"
    return f"{size:.3g} B"
