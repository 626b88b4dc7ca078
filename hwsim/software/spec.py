"""What a software profile is: a frozen record of facts, with no cost formula and nothing fitted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    model_validator,
)
from pydantic_core import PydanticCustomError

from hwsim.records import Line

Name = Annotated[str, Field(min_length=1)]
Flag = Annotated[bool, Field(strict=True)]
Positions = Annotated[int, Field(strict=True, ge=1, le=10**9)]
Bytes = Annotated[int, Field(strict=True, ge=0, le=64)]
Words = tuple[Literal["softmax", "chains", "loss"], ...]
PlanValue = StrictBool | StrictInt | StrictStr

# What a framework does, beside its name: each of these has a source.
FACTS = (
    "attention",
    "fused",
    "longest_softmax",
    "accumulate",
    "gradients",
    "plan",
    "unfused_quantization",
    "captured",
)


class Software(BaseModel):
    """How a framework of some years runs the same graph.

    `after`: the profile that it descends from; what was fitted to that one counts where nothing was
    fitted to this one. `attention`: what its transformers run where nobody says otherwise.

    `fused`: "softmax", where scale, mask and softmax of eager attention are one kernel for at most
    `longest_softmax` positions and a multiple of 4 of micro-batch x heads on a device (Megatron-LM,
    megatron/model/fused_softmax.py, is_kernel_available); "chains", where elementwise kernels that
    follow each other are one (torch.compile); "loss", where the cross-entropy is one kernel each
    way, not some in fp32.

    `accumulate`: bytes moved per parameter when a micro-batch's gradient is added to those before,
    0 where the product that makes it adds by itself. `gradients`: bytes of a gradient while it is
    summed over data parallel devices. `unfused_quantization`: casts to fp8 are kernels of their
    own, not a part of the norm or activation before them. `captured`: a step is one graph that the
    host launches as a whole, so that no kernel waits to be issued (CUDA graphs).

    `plan`: fields of a plan that it runs with unless the user says otherwise; whether they exist is
    for `hwsim.parallel.preset`. `sources`: where each fact is from, "assumed: ..." if
    it is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    description: Line = ""
    released: str = ""
    after: Name | None = None
    attention: Literal["eager", "fused"]
    fused: Words = ()
    longest_softmax: Positions = 16384
    accumulate: Bytes
    gradients: Literal[2, 4]
    plan: dict[str, PlanValue] = {}
    unfused_quantization: Flag = False
    captured: Flag = False
    sources: dict[str, Line] = {}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.fused)) < len(self.fused):
            _fault("fused", "found a word twice", "write it once")
        if self.after == self.name:
            _fault("after", "found the profile itself", "write another's name, or null")
        for field in self.sources:
            if field not in FACTS and field.removeprefix("plan.") not in self.plan:
                known = ", ".join((*FACTS, *(f"plan.{name}" for name in self.plan)))
                _fault(f"sources.{field}", "found no such fact", f"write one of {known}")
        return self


class Fact(NamedTuple):
    """A field of a profile as a file writes it, and where it is from ("" where nothing is said)."""

    path: str
    text: str
    source: str


def facts(software: Software) -> Iterator[Fact]:
    """What a profile says beside its name, each field of the plan on its own."""
    form = software.model_dump(mode="json", include=set(FACTS))
    plan = form.pop("plan")
    flat = {name: form[name] for name in FACTS if name in form}
    flat |= {f"plan.{name}": value for name, value in plan.items()}
    for path, value in flat.items():
        if isinstance(value, list):
            text = ", ".join(value) or "nothing"
        else:
            text = value if isinstance(value, str) else json.dumps(value)
        yield Fact(path, text, software.sources.get(path, ""))


def _fault(field: str, what: str, instead: str) -> Any:
    context = {"field": field, "what": what, "instead": instead}
    raise PydanticCustomError("fault", "{what}; {instead}", context)
