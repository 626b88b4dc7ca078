"""The torch twin of every workload: the same sizes as a module that trains.

A twin's module has `build(workload, device)`, an nn.Module whose forward pass takes a batch and
returns its loss, and `example(workload, batch, device)`, a random batch.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Protocol, cast

from torch import Tensor, nn

from hwsim.errors import InputError
from hwsim.graph.workload import Workload

_MODULES = {
    "charlm": "charlm",
    "charlm-small": "charlm",
    "wordlm": "wordlm",
    "speech": "speech",
    "transformer": "transformer",
    "bert": "bert",
    "resnet": "resnet",
}


class Twin(Protocol):
    """What the module of a twin offers."""

    def build(self, workload: Any, device: str = "cpu") -> nn.Module: ...

    def example(self, workload: Any, batch: int, device: str = "cpu") -> tuple[Tensor, ...]: ...


def twin(workload: Workload) -> Twin:
    """The twin of `workload`; raises InputError for one that has none."""
    if workload.name not in _MODULES:
        known = ", ".join(_MODULES)
        raise InputError(
            "workload", f"{workload.name!r} has no torch twin", f"write one of {known}"
        )
    return cast(Twin, import_module(f"{__name__}.{_MODULES[workload.name]}"))
