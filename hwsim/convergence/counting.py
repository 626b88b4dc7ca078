"""Ways to count steps: a fitted law, a table, a law of the loss, the user's own figure; each may
depend on the batch (`hwsim.convergence.batch`)."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, Protocol

from hwsim.convergence import law as laws
from hwsim.convergence import tabled
from hwsim.convergence.forms import batch_factor
from hwsim.convergence.law import Law, Steps
from hwsim.convergence.loss import KAPLAN
from hwsim.convergence.published import LAWS, ToLoss
from hwsim.convergence.tabled import Table
from hwsim.errors import InputError, near
from hwsim.graph.step import StepGraph
from hwsim.graph.workload import Workload
from hwsim.jsonfile import file_text

WHERE = "--law"


class Counting(Protocol):
    """What counts the steps of a workload, whose graph is of one device's share."""

    def count(self, workload: Workload, graph: StepGraph) -> Steps: ...


@dataclass(frozen=True)
class Given:
    """The user's own count."""

    steps: float

    def count(self, workload: Workload, graph: StepGraph) -> Steps:
        del workload, graph
        return laws.given(self.steps)


@dataclass(frozen=True)
class Fitted:
    """A fitted law, with the user's critical batch (samples) where it has none."""

    law: Law
    critical: float | None = None

    def count(self, workload: Workload, graph: StepGraph) -> Steps:
        """Raises InputError if a critical batch has no measured batch to start from, and if the law
        has one of its own."""
        law, asked = self.law, workload.setting()
        if workload.law != law.name and workload.name != law.workload:
            law = law.model_copy(update={"setting": {**law.setting, "workload": law.workload}})
            asked |= {"workload": workload.name}
        if self.critical is None:
            return laws.predict(law, graph.parameters, workload.dataset, asked)
        if law.critical is not None:
            what = f"found {self.critical:g}, but law '{law.name}' has its own, {law.critical:,.0f}"
            raise InputError("--critical-batch", what, "leave it out")
        measured = _measured(law.setting.get("batch"), law.name)
        found = laws.predict(law, graph.parameters, workload.dataset, asked | {"batch": measured})
        return at_batch(found, workload.batch, measured, self.critical)


@dataclass(frozen=True)
class Tabled:
    """Steps from a table, with the user's critical batch (samples)."""

    table: Table
    critical: float | None = None

    def count(self, workload: Workload, graph: StepGraph) -> Steps:
        """Raises InputError if a critical batch has no measured batch to start from."""
        found, measured = self.table.at(graph.parameters), self.table.batch
        if self.critical is not None:
            return at_batch(
                found, workload.batch, _measured(measured, self.table.name), self.critical
            )
        if measured not in (None, workload.batch):
            told = f"steps: measured with batch {measured}, asked for {workload.batch}"
            return replace(found, extrapolated=True, warnings=(*found.warnings, told))
        return found


def at_batch(found: Steps, batch: float, measured: float, critical: float) -> Steps:
    """Steps at a batch from those at the measured one.

    >>> at_batch(laws.given(600.0), 400.0, 100.0, 200.0).value  # 3 S_min become 1.5 S_min
    300.0
    """
    factor = float(batch_factor(batch, critical, measured))
    return replace(
        found,
        value=found.value * factor,
        low=found.low * factor,
        high=found.high * factor,
        draws=found.draws * factor,
        critical=critical,
    )


def load(ref: str, loss: float | None = None, critical: float | None = None) -> Counting:
    """The law of a file (.json, or a table .csv), of a shipped or of a published name.

    Raises InputError for an unknown name, for what is wrong in a file, and for a target `loss` that
    a law lacks or doesn't know.
    """
    if ref in LAWS:
        if loss is None:
            raise InputError(f"{WHERE} {ref}", "found no loss to reach", "add --target-loss X")
        if LAWS[ref] is KAPLAN and critical is not None:
            what = f"found with '{ref}', which has its own at each loss"
            raise InputError("--critical-batch", what, "leave it out")
        return ToLoss(LAWS[ref], loss, critical)
    found = _measured_law(ref, critical)
    if loss is not None:
        _check_loss(found, ref, loss)
    return found


def _check_loss(found: Counting, ref: str, loss: float) -> None:
    """Raises InputError if a law is not of this loss."""
    goal = found.law.goal if isinstance(found, Fitted) else None
    if goal is None or goal.kind != "absolute_loss":
        instead = f"leave it out, or write {WHERE} {' or '.join(LAWS)}"
        raise InputError("--target-loss", f"found with '{ref}', which is of no loss", instead)
    if not math.isclose(goal.value, loss):
        what = f"found {loss:g}, but '{ref}' was fitted to {goal.value:g}"
        raise InputError("--target-loss", what, f"write {goal.value:g}, or fit a law to {loss:g}")


def _measured_law(ref: str, critical: float | None) -> Counting:
    path = Path(ref)
    if path.suffix == ".csv":
        return Tabled(tabled.parse(file_text(ref, WHERE), path.name), critical)
    if path.suffix == ".json" or os.path.exists(path):
        return Fitted(laws.parse(file_text(ref, WHERE), ref), critical)
    found = laws.load(ref)
    if found is None:
        what = f"found the unknown law '{ref}'"
        raise InputError(WHERE, what, near(ref, [*shipped(), *LAWS]))
    return Fitted(found, critical)


def shipped() -> list[str]:
    """The names of all fitted laws that ship."""
    folder = resources.files("hwsim") / "data" / "laws"
    return sorted(entry.name.removesuffix(".json") for entry in folder.iterdir())


def _measured(batch: Any, name: str) -> float:
    if batch is None:
        raise InputError(
            "--critical-batch", f"found that '{name}' tells no batch", "give it a batch"
        )
    return float(batch)
