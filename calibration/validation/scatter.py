"""A picture of predicted against measured seconds (matplotlib)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from calibration.predict import Prediction
from calibration.validation.outcomes import Outcome
from hwsim.errors import InputError
from hwsim.report.picture import canvas, check, write

FACTOR = 2.0
ACROSS = 3  # panels in a row
ENDS = "#444444"
Points = dict[str, dict[str, list[tuple[float, float]]]]


def save(path: Path, found: Sequence[Outcome], split: str = "none") -> None:
    """Log-log, a panel for each kind of table and a color for each source of it, with the diagonal
    and the lines of a factor of two.

    Raises InputError for another file type and where nothing was measured, SurroundingsError if
    matplotlib is missing or the file can't be written.
    """
    check(path)
    points = _points(found)
    if not points:
        raise InputError("--plot", "found no case that is both measured and predicted", "add one")
    across = min(ACROSS, len(points))
    down = -(-len(points) // across)
    figure = canvas(path, 0.8 + 4 * across, 0.8 + 4 * down)
    panels = figure.subplots(down, across, squeeze=False).flatten()
    for panel, (kind, sources) in zip(panels, points.items(), strict=False):
        _draw(panel, kind, sources)
    for panel in panels[len(points) :]:
        panel.set_visible(False)
    held = f"held out, parameters fitted to every other {split}"
    origin = "predicted with what is shipped" if split == "none" else held
    figure.suptitle(f"{origin}; dashed: a factor of two", fontsize=10)
    write(figure, path, bbox_inches="tight")


def _points(found: Sequence[Outcome]) -> Points:
    """(measured, predicted) by kind of table and by source."""
    points: Points = defaultdict(lambda: defaultdict(list))
    for outcome in found:
        truth = outcome.measurement.seconds
        if isinstance(outcome.answer, Prediction) and truth is not None:
            kind, source = outcome.suite
            points[kind][source].append((truth, outcome.answer.seconds))
    return points


def _draw(panel: Any, kind: str, sources: Mapping[str, Sequence[tuple[float, float]]]) -> None:
    for source, pairs in sources.items():
        measured, predicted = zip(*pairs, strict=True)
        panel.plot(measured, predicted, ".", ms=4, alpha=0.6, label=f"{source} ({len(pairs):,})")
    every = [seconds for pairs in sources.values() for pair in pairs for seconds in pair]
    ends = [min(every) / 1.5, max(every) * 1.5]
    panel.plot(ends, ends, color=ENDS, lw=1)
    for factor in (1 / FACTOR, FACTOR):
        panel.plot(ends, [factor * end for end in ends], "--", color=ENDS, lw=0.7)
    panel.set(xscale="log", yscale="log", xlim=ends, ylim=ends, aspect="equal")
    panel.set(title=kind, xlabel="measured seconds", ylabel="predicted seconds")
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(frameon=False, fontsize=7, loc="upper left", markerscale=2)
