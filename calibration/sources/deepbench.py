"""What DeepBench's programs print, or the same columns as CSV, read into measurements.

gemm_bench, conv_bench and rnn_bench (baidu-research/DeepBench, code/nvidia and code/amd, print
statements) print a header line and one line a problem, in whole microseconds; 0 is no time. They
name no device. One line is up to three measurements: one for each pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from calibration.measurement import Measurement, checked
from calibration.shapes import SHAPES
from hwsim.errors import InputError, near, several

SOURCE = "deepbench-output"
PADDED = "channels padded to a multiple of 8"
NO_DEVICE = "add --device NAME, a name that `hwsim hardware list` shows"
UNIT = re.compile(r"(?<!\s)\s*\((usec|us|msec|ms)\)")
SECONDS = {"usec": 1e-6, "us": 1e-6, "msec": 1e-3, "ms": 1e-3}
PRECISIONS = {"float": "fp32", "half": "fp16", "int8": "int8"}
CELLS = {"vanilla": "rnn", "rnn": "rnn", "lstm": "lstm", "gru": "gru"}
FLAGS = {"t": 1, "n": 0}
# cuDNN's names that the tables of docs/measurements.md write otherwise.
ALGORITHMS = {"gemm": "explicit_gemm", "fft_tiling": "fft"}


class Layout(NamedTuple):
    """Columns of a program: those of sizes by field, those of times by pass."""

    kind: str
    sizes: Mapping[str, str]
    times: Mapping[str, str | None]

    def fits(self, columns: Mapping[str, float]) -> bool:
        """Whether these columns have every size and some time."""
        named = {self.sizes[name] for name in columns if name in self.sizes}
        return named == {*self.sizes.values()} and any(name in self.times for name in columns)


_PLAIN = ("w", "h", "c", "n", "k", "pad_w", "pad_h", "stride_w", "stride_h", "r", "s")
LAYOUTS = (
    Layout(
        "gemm",
        {"m": "m", "n": "n", "k": "k", "a_t": "transpose_a", "b_t": "transpose_b"},
        {"time": None},
    ),
    Layout(
        "convolution",
        {**{name: name for name in _PLAIN}, "f_w": "s", "f_h": "r"},
        {
            "fwd_time": "forward",
            "bwd_inputs_time": "backward_data",
            "bwd_params_time": "backward_weights",
        },
    ),
    Layout(
        "recurrent",
        {
            "type": "cell",
            "rnn_type": "cell",
            "hidden": "hidden",
            "hidden_size": "hidden",
            "n": "batch",
            "batch_size": "batch",
            "timesteps": "timesteps",
            "time_steps": "timesteps",
        },
        {  # bwd_time is that of cudnnRNNBackwardData alone
            "fwd_time": "forward",
            "bwd_time": "backward_data",
            "bwd_inputs_time": "backward_data",
            "bwd_params_time": "backward_weights",
        },
    ),
)


def recognized(text: str) -> bool:
    """Whether some line is the header of one of the programs."""
    return any(_layout(_header(line)) for line in text.splitlines())


def parse(text: str, where: str, device: str | None) -> list[Measurement]:
    """The measurements on `device`, from the output of any of the programs, one after the other.

    Titles, rules, totals and remarks between the rows are passed over. Raises InputError naming
    the line, and where no device is given.
    """
    if device is None:
        raise InputError(where, "found DeepBench's columns, which name no device", NO_DEVICE)
    found: list[Measurement] = []
    problems: list[InputError] = []
    columns: dict[str, float] = {}
    layout: Layout | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        header, place = _header(line), f"{where}: line {number}"
        if _layout(header):
            columns, layout = header, _layout(header)
        elif layout is not None and _is_row(line):
            try:
                for made in _measurements(
                    layout, columns, _cells(line, columns, place), device, place
                ):
                    found.append(made.model_copy(update={"row": len(found)}))
            except InputError as error:
                problems += error.each
    if problems:
        raise several(problems)
    if not found:
        raise InputError(where, "found no row under the header", "give the program's whole output")
    return found


def _layout(columns: Mapping[str, float]) -> Layout | None:
    return next((layout for layout in LAYOUTS if layout.fits(columns)), None)


def _header(line: str) -> dict[str, float]:
    """Column names with the seconds of their unit, if it is a header.

    >>> _header(" m  n  time (usec)")
    {'m': 1.0, 'n': 1.0, 'time': 1e-06}
    """
    columns = {}
    for name in _split(UNIT.sub(r"(\1)", line)):
        unit = UNIT.search(name)
        columns[UNIT.sub("", name).lower()] = SECONDS[unit[1]] if unit else 1.0
    return columns


def _split(line: str) -> list[str]:
    return [cell.strip() for cell in line.split(",")] if "," in line else line.split()


def _is_row(line: str) -> bool:
    first = next(iter(_split(line)), "")
    return first.isdecimal() or first in CELLS


def _cells(line: str, columns: Mapping[str, float], where: str) -> dict[str, str]:
    cells = _split(line.replace("Not Supported", "0"))
    if len(cells) != len(columns):
        instead = f"write {len(columns)}, one for each of: {', '.join(columns)}"
        raise InputError(where, f"found {len(cells)} cells", instead)
    return dict(zip(columns, cells, strict=True))


def _measurements(
    layout: Layout, columns: Mapping[str, float], cells: Mapping[str, str], device: str, where: str
) -> Iterator[Measurement]:
    """One measurement for each time of a line."""
    sizes: dict[str, Any] = {
        layout.sizes[name]: cell for name, cell in cells.items() if name in layout.sizes
    }
    for field, words in (("transpose_a", FLAGS), ("transpose_b", FLAGS), ("cell", CELLS)):
        if field in sizes:
            sizes[field] = words.get(sizes[field], sizes[field])
    note = {"note": PADDED} if cells.get("pad_kerenels") == "1" else {}
    about = {
        "device": device,
        "dtype": _precision(cells.get("precision", "float"), where),
        "timing": None if layout.kind == "recurrent" else "kernel",
        "provenance": {"source": SOURCE, **note},
    }
    for name, way in layout.times.items():
        if name in cells:
            shape = sizes | ({"way": way} if way else {})
            if way == "forward" and "fwd_algo" in cells:
                shape["algorithm"] = _algorithm(cells["fwd_algo"])
            made = checked(SHAPES[layout.kind], shape, where)
            seconds = _seconds(cells[name], columns[name], f"{where}: {name}")
            yield checked(Measurement, {**about, "shape": made, "seconds": seconds}, where)


def _precision(name: str, where: str) -> str:
    if name not in PRECISIONS:
        raise InputError(f"{where}: precision", f"found '{name}'", near(name, PRECISIONS))
    return PRECISIONS[name]


def _algorithm(name: str) -> str:
    """cuDNN's or MIOpen's name of an algorithm as the tables write it.

    >>> _algorithm("IMPLICIT_PRECOMP_GEMM"), _algorithm("ConvolutionFwdAlgoGEMM")
    ('implicit_precomp_gemm', 'explicit_gemm')
    """
    plain = name.lower().rpartition("convolutionfwdalgo")[2]
    return ALGORITHMS.get(plain, plain)


def _seconds(text: str, unit: float, where: str) -> float | None:
    """The time, or None for a 0 or nothing."""
    try:
        return float(text or 0) * unit or None
    except ValueError:
        raise InputError(where, f"found '{text}'", "write a number") from None
