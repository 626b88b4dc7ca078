"""Text with a unit <-> a float, and what is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from hwsim.errors import UnitError
from hwsim.units import (
    BANDWIDTH,
    COMPUTE,
    DIMENSIONS,
    FREQUENCY,
    LINK,
    MEMORY,
    MONEY,
    POWER,
    TIME,
    Bytes,
    Seconds,
    seconds_text,
    si_text,
)

ALL = (*DIMENSIONS, LINK)


@pytest.mark.parametrize("dimension", ALL, ids=lambda d: d.name)
@given(mantissa=st.floats(1.0, 10.0), exponent=st.integers(-18, 30))
@settings(deadline=None, max_examples=100)
def test_format_is_read_back_exactly(dimension, mantissa, exponent):
    value = mantissa * 10.0**exponent
    assert dimension.parse(dimension.format(value)) == value


@pytest.mark.parametrize("dimension", ALL, ids=lambda d: d.name)
@given(value=st.floats(min_value=0.0, exclude_min=True, allow_nan=False, allow_infinity=False))
@settings(deadline=None, max_examples=50)
def test_any_positive_float_survives(dimension, value):
    assert dimension.parse(dimension.format(value)) == value


@given(st.integers(1, 2**50))
@settings(deadline=None, max_examples=50)
def test_whole_bytes_survive(size):
    assert MEMORY.parse(MEMORY.format(float(size))) == size


@pytest.mark.parametrize("dimension", ALL, ids=lambda d: d.name)
def test_the_example_can_be_written(dimension):
    assert dimension.parse(dimension.example) > 0


@pytest.mark.parametrize(
    ("dimension", "text", "value"),
    [
        (MEMORY, "16 GiB", 16 * 2**30),
        (MEMORY, "16 GB", 16e9),
        (MEMORY, "16GB", 16e9),
        (MEMORY, "512 bytes", 512),
        (MEMORY, "1_000 B", 1000),
        (BANDWIDTH, "1.8TB/s", 1.8e12),
        (BANDWIDTH, "900 GBps", 900e9),
        (LINK, "400 Gb/s", 50e9),
        (LINK, "400 Gbps", 50e9),
        (LINK, "100 Gbit/s", 12.5e9),
        (LINK, "25 GB/s", 25e9),
        (COMPUTE, "15.7 TFLOPS", 15.7e12),
        (COMPUTE, "15.7 TFLOP/s", 15.7e12),
        (COMPUTE, "624 TOPS", 624e12),
        (TIME, "0 s", 0),
        (TIME, "5us", 5e-6),
        (TIME, "3 min", 180),
        (TIME, "2 h", 7200),
        (FREQUENCY, "1.53 GHz", 1.53e9),
        (POWER, "10.2 kW", 10_200),
        (TIME, "1 hour", 3600),
        (TIME, "2 sec", 2),
        (MONEY, "0 USD", 0),
        (MONEY, "5 dollars", 5),
        (MONEY, "9 k$", 9000),
        (MONEY, "9 $", 9),
        (MONEY, "149000 USD", 149_000),
    ],
)
def test_text_has_its_value(dimension, text, value):
    assert dimension.parse(text) == pytest.approx(value, rel=1e-15)


def test_decimal_and_binary_prefixes_differ():
    assert MEMORY.parse("1 GiB") / MEMORY.parse("1 GB") == pytest.approx(1.073741824)
    assert MEMORY.format(16 * 2.0**30) == "16 GiB"
    assert MEMORY.format(16e9) == "16 GB"


def test_eight_bits_are_a_byte():
    assert LINK.parse("8 Gb/s") == LINK.parse("1 GB/s")


@pytest.mark.parametrize(
    ("dimension", "text", "found"),
    [
        (BANDWIDTH, "900", "without a unit"),
        (BANDWIDTH, 900, "without a unit"),
        (BANDWIDTH, 900.0, "without a unit"),
        (BANDWIDTH, "900 GB", "is a number of bytes, not a bandwidth"),
        (BANDWIDTH, "900 Gb/s", "in bits, where bytes are wanted"),
        (MEMORY, "16 GiB/s", "is a bandwidth in bytes, not a number of bytes"),
        (MEMORY, "16 Gb", "in bits"),
        (MEMORY, "16 parsec", "unknown unit 'parsec'"),
        (MEMORY, "lots", "not a number of bytes"),
        (MEMORY, "", "not a number of bytes"),
        (MEMORY, None, "nothing"),
        (MEMORY, True, "True"),
        (MEMORY, [1], "[1]"),
        (MEMORY, "0 B", "more than zero"),
        (MEMORY, "-1 GB", "more than zero"),
        (TIME, "-1 us", "zero or more"),
        (TIME, "nan s", "not finite"),
        (TIME, "inf s", "not finite"),
        (COMPUTE, "1e400 FLOPS", "not finite"),
        (COMPUTE, "5 us", "is a time, not a compute rate"),
        (POWER, "1 2 W", "unknown unit"),
    ],
)
def test_what_is_no_such_quantity_is_refused(dimension, text, found):
    with pytest.raises(UnitError) as error:
        dimension.parse(text)
    assert found in error.value.what
    assert dimension.example in error.value.instead


class Holder(BaseModel):
    size: Bytes = 1.0
    latency: Seconds = 0.0


def test_a_field_reads_text_and_writes_text():
    held = Holder.model_validate_json('{"size": "16 GiB", "latency": "5 us"}')
    assert (held.size, held.latency) == pytest.approx((16 * 2.0**30, 5e-6), rel=1e-15)
    assert Holder.model_validate_json(held.model_dump_json()) == held
    assert held.model_dump(mode="json") == {"size": "16 GiB", "latency": "5 us"}


@pytest.mark.parametrize("text", ['{"size": 5}', '{"size": 5.0}', '{"size": null}', '{"size": {}}'])
def test_a_field_refuses_a_bare_number(text):
    with pytest.raises(ValidationError, match="16 GiB"):
        Holder.model_validate_json(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0 s"), (3.1e-6, "3.1 us"), (59.0, "59 s"), (90.0, "1.5 min"), (86400.0, "24 h")],
)
def test_a_duration_for_a_reader(seconds, text):
    assert seconds_text(seconds) == text


@given(st.floats(0.0, 1e300))
@settings(deadline=None, max_examples=50)
def test_a_duration_is_always_short(seconds):
    assert len(seconds_text(seconds)) <= 15


def test_figures_have_three_digits():
    assert si_text(92_717_154, "") == "92.7M"
    assert si_text(1.5e12, "FLOPS") == "1.5 TFLOPS"


@pytest.mark.parametrize(
    "text",
    ["1e999999999 GB", "1e99999999999999999999 GB", "9" * 10**6 + " GB", "1 a" + " " * 10**6 + "b"],
    ids=["exponent", "exponent of many digits", "digits", "spaces"],
)
def test_numbers_and_texts_without_end_are_refused(text):
    with pytest.raises(UnitError):
        MEMORY.parse(text)
