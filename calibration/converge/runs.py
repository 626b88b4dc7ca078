"""Training curves to fit a law to, out of a campaign's file or out of a user's CSV."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calibration.converge import curves, user_curves
from calibration.converge.user_curves import Run
from hwsim import jsonfile

PROVENANCE = {"corpus", "stop", "date", "machine", "versions", "command"}


@dataclass(frozen=True)
class Runs:
    """Runs with their curves, what they share, and when one counts as past its minimum."""

    path: Path
    runs: tuple[Run, ...]
    workload: str
    setting: dict[str, Any]
    patience: float
    provenance: dict[str, Any]


def read(path: Path, *, patience: float | None = None, measured: bool = True) -> Runs:
    """The finished runs of a campaign, or all runs of a CSV of curves.

    `patience` stands in for the file's own. Without `measured` steps and losses of a CSV may be
    empty. Raises InputError.
    """
    text = jsonfile.file_text(str(path), str(path), jsonfile.LARGEST_TABLE)
    if not text.lstrip().startswith("{"):
        runs = user_curves.parse(text, str(path), measured=measured)
        about = {"curves": path.name}
        batches = {run.batch for run in runs}
        setting = {"batch": batches.pop()} if len(batches) == 1 else {}
        return Runs(path, runs, path.stem, setting, patience or user_curves.PATIENCE, about)
    found = curves.read(path)
    header = found.header
    about = header.model_dump(mode="json", include=PROVENANCE) | {"curves": path.name}
    return Runs(
        path,
        tuple(_run(curve, header.setting) for curve in found.finished.values()),
        header.workload,
        header.setting,
        patience or header.stop.patience,
        about,
    )


def _run(curve: curves.Curve, setting: dict[str, Any]) -> Run:
    end = curve.end
    varied = {name: value for name, value in end.varied.items() if name != "batch"}
    return Run(
        name=curve.run,
        model=end.parameters,
        data=end.dataset,
        batch=end.batch or end.varied.get("batch") or setting.get("batch"),
        steps=curve.steps,
        losses=curve.losses,
        width=end.hidden,
        varied=tuple(sorted(varied.items())),
    )
