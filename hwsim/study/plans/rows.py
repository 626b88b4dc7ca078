"""Plans in columns: each field's values once, and which of them each plan has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from hwsim import records
from hwsim.errors import InputError, near
from hwsim.graph.workload import Workload
from hwsim.parallel.plan import Plan

Ints = npt.NDArray[np.intp]
BATCH = "workload.batch"
MOST = 2**62


class Column(NamedTuple):
    """Value `values[codes[i]]` for plan i."""

    values: tuple[Any, ...]
    codes: Ints


Values = Sequence[Any] | npt.NDArray[Any] | Column


class Rows:
    """Plans by their fields; what no column tells is as in `plan`, or in `workload`.

    Raises InputError for a column that is no field, for a value that it can't have, and for columns
    of different lengths.
    """

    def __init__(self, columns: Mapping[str, Values], plan: Plan, workload: Workload) -> None:
        self.plan, self.workload = plan, workload
        self.columns = {name: _column(values) for name, values in columns.items()}
        for name, column in self.columns.items():
            _check(name, column.values, workload)
        sizes = {len(column.codes) for column in self.columns.values()}
        if len(sizes) > 1:
            what = f"found columns of {min(sizes):,} and of {max(sizes):,} values"
            raise InputError("plans", what, "write columns of one length")
        self.number = sizes.pop() if sizes else 1

    def of(self, name: str, among: Ints) -> npt.NDArray[Any]:
        """A field's value in each of `among` the plans; objects where they are no numbers."""
        if name not in self.columns:
            value = self.workload.batch if name == BATCH else getattr(self.plan, name)
            return np.broadcast_to(_array((value,)), among.shape)
        values, codes = self.columns[name]
        return _array(values)[codes[among]]

    def unique(self, names: Iterable[str], *more: Ints, among: Ints | None = None) -> Groups:
        """Plans that have the same in all fields, and the same of `more` numbers from 0 on."""
        columns = [self.columns[name].codes for name in names if name in self.columns]
        if among is not None:
            columns = [codes[among] for codes in columns]
        number = self.number if among is None else len(among)
        return groups(number, *columns, *more)

    def values(self, row: int, names: Iterable[str]) -> tuple[Any, ...]:
        """Some fields of one plan."""
        return tuple(
            self.columns[name].values[self.columns[name].codes[row]]
            if name in self.columns
            else self.workload.batch
            if name == BATCH
            else getattr(self.plan, name)
            for name in names
        )

    def at(self, row: int) -> tuple[Plan, Workload]:
        """One plan and its workload."""
        fields = {name: column.values[column.codes[row]] for name, column in self.columns.items()}
        batch = fields.pop(BATCH, None)
        workload = self.workload
        if batch is not None:
            workload = workload.model_copy(update={"batch": batch})
        return self.plan.model_copy(update=fields), workload


class Groups(NamedTuple):
    """The first member of each group, and the group of each member."""

    first: Ints
    of: Ints


def groups(number: int, *columns: Ints) -> Groups:
    """Members that have the same whole numbers in all columns.

    >>> found = groups(3, np.array([0, 1, 0]), np.array([2, 2, 2]))
    >>> found.first.tolist(), found.of.tolist()
    ([0, 1], [0, 1, 0])
    """
    key, radix = np.zeros(number, dtype=np.int64), 1
    for column in columns:
        width = int(column.max(initial=0)) + 1
        if width == 1:
            continue
        if radix * width >= MOST:
            key = np.unique(key, return_inverse=True)[1]
            radix = int(key.max(initial=0)) + 1
        key, radix = key * width + column, radix * width
    _, first, of = np.unique(key, return_index=True, return_inverse=True)
    return Groups(first, of)


def _array(values: Sequence[Any]) -> npt.NDArray[Any]:
    if all(isinstance(value, bool | int | float) for value in values):
        return np.array(values)
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _column(values: Values) -> Column:
    if isinstance(values, Column):
        return values
    if isinstance(values, np.ndarray) and values.dtype != object:
        found, codes = np.unique(values, return_inverse=True)
        return Column(tuple(found.tolist()), codes)
    number: dict[Any, int] = {}
    codes = np.fromiter((number.setdefault(one, len(number)) for one in values), np.intp)
    return Column(tuple(number), codes)


def _check(name: str, values: Sequence[Any], workload: Workload) -> None:
    if name != BATCH and name not in Plan.model_fields:
        raise InputError(f"plan.{name}", "found no such field", near(name, Plan.model_fields))
    for value in values:
        if name == BATCH:
            sizes = workload.model_dump(exclude_unset=True)
            type(workload).model_validate(sizes | {"batch": value})
            continue
        try:
            Plan.model_validate({name: value})
        except ValidationError as error:
            raise records.explained(Plan, error, "plan.") from None
