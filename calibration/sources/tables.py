"""CSV tables of measurements: docs/measurements.md has their columns, units and values.

The kind of a table is recognized by its columns, never by its file's name.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from calibration.measurement import Case, Measurement, Provenance, checked, text_of
from calibration.shapes import SHAPES
from hwsim import records
from hwsim.errors import InputError, near, several, shown

# A record's field whose column is called otherwise.
COLUMN_OF = {"way": "pass"}
# How sources time a kernel, for tables without a column that says so: DeepBench back to back
# (baidu-research/DeepBench, README), NeuSight a framework's call (sitar-lab/NeuSight, README).
TIMINGS = {"deepbench": "kernel", "neusight": "call"}
# Whose matrices are stored by columns, as in BLAS (baidu-research/DeepBench, gemm_bench.cu).
BY_COLUMNS = ("deepbench",)
OPTIONAL = {"engine", "timing", "intra_link", "inter_link"}


@dataclass(frozen=True)
class Table:
    """The columns of one kind of table, as words: what was measured, results, remarks.

    `seconds` is the result that becomes the measurement's `seconds`. Columns of results and
    remarks may be missing, as may the `extra` ones of what was measured; the cells of `optional`
    ones may be empty, as may those of sizes that the kind's record can do without.
    """

    kind: str
    given: str
    seconds: str = "seconds"
    results: str = ""
    remarks: str = "note"
    optional: str = ""
    extra: str = ""

    @cached_property
    def columns(self) -> list[str]:
        """All columns, results and remarks last."""
        return f"{self.given} {self.extra} {self.seconds} {self.results} {self.remarks}".split()

    @cached_property
    def about(self) -> dict[str, str]:
        """Columns that say on what the case ran, by their field."""
        return {name: name for name in self.given.split() if name in Case.model_fields}

    @cached_property
    def sizes(self) -> dict[str, str]:
        """Columns of the shape by their field."""
        names = {field: COLUMN_OF.get(field, field) for field in SHAPES[self.kind].model_fields}
        own = {*self.given.split(), *self.extra.split()}
        return {field: name for field, name in names.items() if name in own}

    @cached_property
    def required(self) -> list[str]:
        """Columns whose cells may not be empty, beside those of the sizes."""
        return [
            name
            for name in ("source", *self.about)
            if name not in {*OPTIONAL, *self.optional.split()}
        ]

    def column(self, field: str) -> str:
        """The column behind a field of a record."""
        return self.seconds if field == "seconds" else COLUMN_OF.get(field, field)


_DECODER = (
    "source device devices devices_per_node intra_link inter_link layers hidden heads kv_heads ffn "
    "gated_mlp experts topk vocab seq dtype global_batch micro_batch dp tp pp virtual_pp cp "
    "sequence_parallel zero_stage recompute attention"
)
TABLES = (
    Table("gemm", "source device dtype engine batch m n k transpose_a transpose_b timing"),
    Table(
        "convolution",
        "source device dtype engine pass n c h w k r s pad_h pad_w stride_h stride_w algorithm",
    ),
    Table("recurrent", "source device dtype engine cell pass hidden batch timesteps"),
    Table("pointwise", "source device dtype op rows cols bytes_moved timing"),
    Table(
        "collective",
        "source device devices devices_per_node intra_link inter_link collective algorithm bytes",
    ),
    Table("transformer-step", _DECODER, remarks="derived note", extra="software"),
    Table(
        "moe-step",
        f"{_DECODER} head_dim moe_ffn shared_experts ep",
        remarks="derived note",
        extra="software",
    ),
    Table(
        "model-step",
        "source device devices devices_per_node intra_link model dtype phase batch_per_device "
        "grad_accum seq_or_image",
    ),
    Table(
        "training-run",
        "source benchmark model device devices devices_per_node global_batch seq",
        seconds="run_seconds",
        results="step_seconds run_seconds_min run_seconds_max device_seconds n_runs",
        optional="devices devices_per_node",
        extra="steps",
    ),
    Table(
        "steps-to-target",
        "source workload model_params dataset target target_kind batch batch_unit",
        seconds="",
        results="steps steps_sd n_runs",
    ),
)


def read(path: str, device: str | None = None) -> list[Measurement]:
    """The rows of a CSV file as measurements; on `device` if the table has no such column.

    Raises InputError naming file, line and column; `problems` holds the faults of all rows.
    """
    return parse(text_of(path), path, device)


def parse(text: str, where: str, device: str | None = None) -> list[Measurement]:
    """As `read`, of the text itself."""
    lines = _lines(text, where)
    header = next(lines, None)
    if header is None:
        raise InputError(where, "found an empty file", "write a header line and rows below it")
    columns = [name.strip() for name in header[1]]
    table = recognize(columns, where, device)
    added = [device] if device and "device" in {*table.about} - {*columns} else []
    columns += ["device"] * len(added)
    found: list[Measurement] = []
    problems: list[InputError] = []
    for number, cells in lines:
        place = f"{where}: line {number}"
        try:
            found.append(_measurement(table, columns, cells + added, len(found), place))
        except InputError as error:
            problems += [_by_column(fault, table, place) for fault in error.each]
    if problems:
        raise several(problems)
    if not found:
        raise InputError(where, "found no rows under the header", "write one row a measurement")
    return found


def recognize(columns: list[str], where: str, device: str | None = None) -> Table:
    """The table with these columns, in any order; with a `device` given that column may be missing.

    Raises InputError for columns of no table, and for unknown, missing and doubled ones.
    """
    line = f"{where}: line 1"

    def likeness(table: Table) -> float:
        return len({*columns} & {*table.columns}) / len({*columns, *table.columns})

    table = max(TABLES, key=likeness)
    if likeness(table) < 0.5:
        names = ", ".join(columns[:8]) + (", ..." if len(columns) > 8 else "")
        kinds = ", ".join(known.kind for known in TABLES)
        what = f"found the columns {names}, which are of no known table"
        raise InputError(line, what, f"write the columns of one of: {kinds}")
    problems = [
        InputError(f"{line}: column {shown(name)}", "found an unknown column", near(name, missing))
        for missing in [[name for name in table.columns if name not in columns] or table.columns]
        for name in columns
        if name not in table.columns
    ]
    problems += [
        InputError(f"{line}: column {name}", "found it twice", "write it once")
        for name in dict.fromkeys(columns)
        if columns.count(name) > 1
    ]
    problems += [
        InputError(f"{line}: column {name}", "found nothing", _wanted(name, table))
        for name in table.given.split()
        if name not in columns and not (device and name == "device")
    ]
    if problems:
        raise several(problems)
    return table


def _wanted(name: str, table: Table) -> str:
    instead = f"a {table.kind} table has this one"
    return f"{instead}; or add --device NAME" if name == "device" else instead


def _lines(text: str, where: str) -> Iterator[tuple[int, list[str]]]:
    """(line number, cells) of every line that is not empty."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as error:
        place = f"{where}: line {reader.line_num}"
        raise InputError(place, f"found no proper CSV ({error})", "mend the quotes") from None


def _measurement(
    table: Table, columns: list[str], cells: list[str], row: int, where: str
) -> Measurement:
    if len(cells) != len(columns):
        instead = f"write {len(columns)}, one for each column"
        raise InputError(where, f"found {len(cells)} cells", instead)
    filled = {name: cell for name, cell in zip(columns, map(str.strip, cells), strict=True) if cell}
    empty = [name for name in table.required if name not in filled]
    if empty:
        raise several([_empty(f"{where}: {name}", name) for name in empty])

    def picked(fields: dict[str, str]) -> dict[str, Any]:
        return {field: filled[name] for field, name in fields.items() if name in filled}

    about: dict[str, Any] = dict.fromkeys(table.optional.split()) | picked(table.about)
    if table.kind == "convolution":
        about["timing"] = TIMINGS.get(filled["source"])
    sizes: dict[str, Any] = picked(table.sizes)
    if table.kind == "gemm" and filled["source"] in BY_COLUMNS:
        sizes["order"] = "columns"
    results = {name: filled[name] for name in table.results.split() if name in filled}
    remarks = {name: filled[name] for name in table.remarks.split() if name in filled}
    made = checked(
        Measurement,
        {
            **about,
            "shape": checked(SHAPES[table.kind], sizes, where),
            "seconds": filled.get(table.seconds) or _of_all_devices(table, filled),
            "results": results,
            "provenance": {"source": filled.get("source"), **remarks},
            "row": row,
        },
        where,
    )
    return made.model_copy(update={"spread": _spread(made.results)})


def _empty(where: str, name: str) -> InputError:
    record = Provenance if name == "source" else Case
    return InputError(where, "found nothing", records.wanted(records.field_at(record, [name])))


def _of_all_devices(table: Table, filled: dict[str, str]) -> str | None:
    """The seconds of all devices together, where a run names no number of them."""
    counted = table.kind != "training-run" or "devices" in filled
    return None if counted else filled.get("device_seconds")


def _spread(results: dict[str, float]) -> float | None:
    """max / min - 1 of the repeats of a run, or the deviation over the mean of a count."""
    low, high = results.get("run_seconds_min"), results.get("run_seconds_max")
    if low and high:
        return high / low - 1.0
    steps, deviation = results.get("steps"), results.get("steps_sd")
    return deviation / steps if steps and deviation is not None else None


def _by_column(fault: InputError, table: Table, place: str) -> InputError:
    """The fault at its column instead of at the record's field."""
    field = fault.where.removeprefix(place).removeprefix(": ").rpartition(".")[2]
    where = f"{place}: {table.column(field)}" if field else place
    return InputError(where, fault.what, fault.instead)
