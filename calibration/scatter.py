"""A picture of predicted against measured seconds (matplotlib)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from calibration.predict import Prediction
from calibration.validate import Outcome
from hwsim.errors import InputError, SurroundingsError

FORMATS = (".svg", ".png", ".pdf")
BAND = 0.2
ENDS = "#444444"


def check(path: Path) -> None:
    """Raises InputError for another file type."""
    if path.suffix.lower() not in FORMATS:
        raise InputError("--plot", f"found '{path}'", f"end it in one of {', '.join(FORMATS)}")


def save(path: Path, found: Sequence[Outcome]) -> None:
    """Log-log, one color a suite, with the diagonal and a band of 20 % on either side.

    Raises InputError for another file type and where nothing was measured, SurroundingsError if
    matplotlib is missing or the file can't be written.
    """
    check(path)
    points: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for outcome in found:
        truth = outcome.measurement.seconds
        if isinstance(outcome.answer, Prediction) and truth is not None:
            points["/".join(outcome.suite)].append((truth, outcome.answer.seconds))
    if not points:
        raise InputError("--plot", "found no case that is both measured and predicted", "add one")
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError:
        raise SurroundingsError(
            "--plot", "matplotlib is not installed", 'pip install "hwsim[plot]"'
        ) from None
    figure = Figure(figsize=(9, 6), layout="constrained")
    panel = figure.subplots()
    colors = mpl.colormaps["tab20"].colors  # type: ignore[attr-defined]
    for number, (name, pairs) in enumerate(points.items()):
        measured, predicted = zip(*pairs, strict=True)
        color = colors[number % len(colors)]
        panel.plot(measured, predicted, ".", ms=4, alpha=0.6, color=color, label=name)
    every = [seconds for pairs in points.values() for pair in pairs for seconds in pair]
    ends = [min(every) / 1.5, max(every) * 1.5]
    low, high = ([(1 + sign * BAND) * end for end in ends] for sign in (-1, 1))
    panel.fill_between(ends, low, high, color=ENDS, alpha=0.12, lw=0, label="within 20 %")
    panel.plot(ends, ends, color=ENDS, lw=1)
    panel.set(
        xscale="log",
        yscale="log",
        xlim=ends,
        ylim=ends,
        aspect="equal",
        xlabel="measured seconds",
        ylabel="predicted seconds",
    )
    panel.spines[["top", "right"]].set_visible(False)
    figure.legend(frameon=False, fontsize=7, loc="outside right upper", markerscale=2)
    try:
        figure.savefig(path, dpi=150, bbox_inches="tight")
    except OSError as error:
        raise SurroundingsError(str(path), f"can't be written ({error.strerror})") from None
