"""What is trained: sizes that make a step graph, found by name or read from a file.

A class registers under the entry-point group ``hwsim.workloads``; this module knows none by
itself.
"""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self, TextIO, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)

from hwsim import jsonfile, records
from hwsim.errors import InputError, SurroundingsError, near, several, shown
from hwsim.graph.dtypes import Dtype
from hwsim.graph.step import Layer, Optimizer, StepGraph

GROUP = "hwsim.workloads"
# Above this a float no longer tells neighboring whole numbers apart.
MOST = 2**53
# Divisors of a batch are listed; no one trains on more.
MOST_SAMPLES = 10**9


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


Count = Annotated[int, BeforeValidator(_whole), Field(gt=0, le=MOST, strict=True)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]
Flag = Annotated[bool, Field(strict=True)]
Label = Annotated[str, Field(min_length=1, max_length=200, strict=True), records.ONE_LINE]


class Workload(BaseModel, ABC):
    """Sizes of a model and how it is trained; every field has a default.

    ``batch`` is the global batch in samples; ``dataset`` the training set's size in `unit`;
    ``corpus`` names what it is trained on. ``law`` names the shipped law of its steps;
    ``assumed`` says of a default that has no source why it is what it is; ``uncut`` why its
    sequence can't be cut. Bad sizes raise InputError.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str]
    unit: ClassVar[str]
    law: ClassVar[str | None] = None
    family: ClassVar[str | None] = None
    assumed: ClassVar[dict[str, str]] = {}
    uncut: ClassVar[str] = "its layers take the whole sequence at once"
    setting_fields: ClassVar[tuple[str, ...]] = (
        "batch",
        "dtype",
        "optimizer",
        "learning_rate",
        "corpus",
    )

    batch: Annotated[Count, Field(le=MOST_SAMPLES)] = 128
    dtype: Dtype = "fp32"
    optimizer: Optimizer = "adam"
    learning_rate: Rate = 1e-3
    dataset: Count
    corpus: Label

    @model_validator(mode="wrap")
    @classmethod
    def _clear_faults(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(data)
        except ValidationError as error:
            raise records.explained(cls, error, "workload.") from None

    @property
    @abstractmethod
    def items_per_sample(self) -> int:
        """Items of `unit` that one sample of the batch consumes (its sequence length)."""

    @abstractmethod
    def build(self, batch: int) -> tuple[Layer, ...]:
        """The layers, sized for `batch` samples on one device."""

    def graph(self, batch: int | None = None) -> StepGraph:
        """One step of `batch` samples: one device's share, or the whole batch by default.

        Raises InputError for a batch that is not a positive whole number.
        """
        share = self.batch if batch is None else batch
        if isinstance(share, bool) or not isinstance(share, int) or share < 1:
            where, instead = "workload.batch", "write a whole number above 0"
            raise InputError(where, f"found {share!r} samples on one device", instead)
        tokens = share * self.items_per_sample
        family = self.family or self.name
        return StepGraph(self.build(share), self.dtype, self.optimizer, share, tokens, family)

    def build_chunk(self, batch: int, steps: int, carried: bool) -> tuple[Layer, ...]:
        """The layers for `steps` items of each sample's sequence; `carried` if others precede them.

        Raises InputError where a part of the sequence is not enough for the layers.
        """
        del batch, carried
        what = f"found chunks of {steps} {self.unit}, but {self.name} can't be cut along time"
        raise InputError("plan.time_chunks", f"{what}: {self.uncut}", "write time_chunks 1")

    def rings(self, steps: int) -> bool:
        """Whether the layers of a chunk of `steps` items are a `ring`."""
        del steps
        return False

    def time_chunk(self, chunks: int, batch: int | None = None, number: int = 0) -> StepGraph:
        """Chunk `number` of a step of `batch` samples whose sequences are cut in equal `chunks`.

        All but the first also compute the gradient of the state that they begin with: together
        they have the FLOPs of `graph`. Raises InputError if the sequence can't be cut, or not so.
        """
        whole = self.graph(batch)
        if chunks == 1:
            return whole
        length = self.items_per_sample
        steps, rest = divmod(length, chunks)
        layers = self.build_chunk(whole.batch, max(steps, 1), carried=number > 0)
        if rest:
            below = next(d for d in range(min(chunks, length), 0, -1) if length % d == 0)
            higher = range(chunks, min(2 * chunks, length) + 1)
            above = next((d for d in higher if length % d == 0), 0)
            raise InputError(
                "plan.time_chunks",
                f"found {chunks}, which doesn't divide the sequence of {length} {self.unit}",
                f"write {below}" + (f" or {above}" if above else ""),
            )
        tokens = whole.batch * steps
        return replace(whole, layers=layers, tokens=tokens, ring=self.rings(steps))

    def setting(self) -> dict[str, Any]:
        """The fields that a law of steps must share with this workload to speak about it."""
        return {name: getattr(self, name) for name in self.setting_fields}

    def file_form(self) -> dict[str, Any]:
        """What `load` reads back to an equal workload."""
        return {"workload": self.name, **self.model_dump(mode="json")}


W = TypeVar("W", bound=Workload)


def registered() -> dict[str, EntryPoint]:
    """Every registered workload by name, none imported yet."""
    return {point.name: point for point in entry_points(group=GROUP)}


def find(name: str, where: str = "workload") -> type[Workload]:
    """The class registered under `name`.

    Raises InputError with the nearest names for an unknown one, SurroundingsError for one that
    can't be imported.
    """
    known = registered()
    if name not in known:
        raise InputError(where, f"found the unknown workload {name!r}", near(name, known))
    try:
        found = known[name].load()
    except (ImportError, AttributeError) as error:
        raise SurroundingsError(where, f"workload {name!r} can't be imported ({error})") from None
    if not (isinstance(found, type) and issubclass(found, Workload)):
        raise SurroundingsError(where, f"what is registered as {name!r} is not a Workload")
    return found


def load(ref: str, stdin: TextIO | None = None) -> Workload:
    """A workload from a JSON file, from `-` (standard input), or by registered name.

    An existing file wins over a name. A file holds {"workload": NAME, FIELD: VALUE, ...}; a field
    left out keeps its default. Raises InputError for every fault, each with the file and field.
    """
    if ref == "-":
        return parse(jsonfile.stream_text(stdin or sys.stdin), jsonfile.STDIN)
    path = Path(ref)
    if os.path.exists(ref) or path.suffix == ".json" or len(path.parts) > 1:
        return parse(jsonfile.file_text(ref, ref), ref)
    return find(ref).model_validate({})


def parse(text: str, where: str) -> Workload:
    """The workload that the JSON `text` describes; `where` names it in faults."""
    fields = jsonfile.read_object(text, where)
    name = fields.pop("workload", None)
    if not isinstance(name, str):
        what = "found nothing" if name is None else f"found {shown(name)}"
        raise InputError(f"{where}: workload", what, near("", registered()))
    kind = find(name, f"{where}: workload")
    try:
        return kind.model_validate(fields)
    except InputError as error:
        raise several([fault.inside(where) for fault in error.each]) from None


def override(workload: W, settings: Mapping[str, str]) -> W:
    """The workload with some fields set from text; numbers and booleans are read as JSON, `2x` is
    twice the present number.

    Raises InputError for an unknown field and for a value that does not fit.
    """
    kind, present = type(workload), workload.model_dump(mode="json")
    values = {
        name: records.from_text(records.field_at(kind, [name]), text, present.get(name))
        for name, text in settings.items()
    }
    return kind.model_validate(workload.model_dump(exclude_unset=True) | values)
