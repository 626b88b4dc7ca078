"""A timeline as a picture: devices as rows, kernels and traffic colored, the critical path outlined
(matplotlib)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hwsim.parallel.plan import Plan
from hwsim.parallel.program import COMPUTE
from hwsim.report.picture import canvas, check, plain, write
from hwsim.report.tracks import IDLE, KINDS, MOVING, Kind, Run, Track, evenly, runs, tracks
from hwsim.simulate.timeline import Span, Timeline
from hwsim.units import seconds_text

MOST_ROWS = 64
CROWDED = 240  # runs of one row, above which only the ends of the step are drawn
ENDS = 120  # runs of one row in each of them
SHAPES = 4000  # runs that are drawn as shapes; more of them become an image
NUMBERED = 0.013  # share of the picture's width that holds a micro-batch's number
KERNELS, TRAFFIC = (0.08, 0.58), (0.68, 0.24)  # from where in a row, and how high
UNITS = ((1.0, "seconds"), (1e-3, "milliseconds"), (1e-6, "microseconds"))


class _Row(NamedTuple):
    """A device: its kernels, and what its other streams carry."""

    name: str
    kernels: list[Run]
    traffic: list[Run]


class _Scene(NamedTuple):
    """Rows by device, the critical path, and from when to when they are drawn."""

    rows: dict[int, _Row]
    critical: Sequence[Span]
    windows: Sequence[tuple[float, float]]


def save(path: Path, timeline: Timeline, plan: Plan, title: str) -> None:
    """Write a picture of the step; many micro-batches are shown at its beginning and its end.

    Raises InputError for another file type, and SurroundingsError if matplotlib is missing or the
    file can't be written.
    """
    check(path)
    everything = tracks(timeline, plan)
    rows = _rows(everything)
    scene = _Scene(rows, _outlines(timeline.critical_path()), _windows(rows, timeline.seconds))
    height = min(max(1.6 + 0.36 * len(rows), 2.6), 14.0)
    figure = canvas(path, 12.0, height)
    panels = figure.subplots(1, len(scene.windows), sharey=True, squeeze=False)[0]
    for panel, window in zip(panels, scene.windows, strict=True):
        _draw(panel, scene, window)
    _legend(figure, panels[0], scene)
    figure.suptitle(
        f"{plain(title)}: {seconds_text(timeline.seconds)} per step, bubble {timeline.bubble:.1%}"
        + _left_out(scene, everything)
    )
    write(figure, path)


def _rows(everything: Sequence[Track]) -> dict[int, _Row]:
    names = {track.stream.device: track.device for track in everything}
    devices = list(names)
    chosen = [devices[number] for number in evenly(len(devices), MOST_ROWS)]
    rows = {device: _Row(names[device], [], []) for device in chosen}
    for track in everything:
        if row := rows.get(track.stream.device):
            place = row.kernels if track.stream.kind == COMPUTE else row.traffic
            place.extend(runs(track.spans))
    return rows


def _windows(rows: dict[int, _Row], seconds: float) -> list[tuple[float, float]]:
    """The whole step, or its ends where a row has too many runs to be told apart."""
    most = max((len(row.kernels) for row in rows.values()), default=0)
    if most <= CROWDED:
        return [(0.0, seconds)]
    width = seconds * ENDS / most
    return [(0.0, width), (seconds - width, seconds)]


def _outlines(critical: Sequence[Span]) -> list[Span]:
    """The critical path, what follows itself on a stream as one span."""
    found: list[Span] = []
    for span in critical:
        if found and found[-1].stream == span.stream:
            found[-1] = found[-1]._replace(end=span.end)
        elif span.end > span.begin:
            found.append(span)
    return found


def _left_out(scene: _Scene, everything: Sequence[Track]) -> str:
    devices = len({track.device for track in everything})
    text = ""
    if len(scene.windows) > 1:
        text = f"; its first and last {seconds_text(scene.windows[0][1])}"
    if len(scene.rows) < devices:
        text += f"; {len(scene.rows)} of {devices} devices"
    return text


def _draw(panel: Any, scene: _Scene, window: tuple[float, float]) -> None:
    from matplotlib.collections import PolyCollection

    begin, end = window
    boxes: dict[Kind, list[Any]] = {}
    for place, row in enumerate(scene.rows.values()):
        panel.barh(place + 0.08, end - begin, 0.84, begin, align="edge", color=IDLE.color, zorder=0)
        for found, (low, height) in ((row.kernels, KERNELS), (row.traffic, TRAFFIC)):
            for run in _inside(found, window):
                boxes.setdefault(run.kind, []).append(_box(run, place + low, height))
        _number(panel, row, place, window, len(scene.windows))
    image = sum(map(len, boxes.values())) > SHAPES
    for kind, shapes in boxes.items():
        edge = kind.color if kind is MOVING else "white"  # thin traffic stays visible
        panel.add_collection(
            PolyCollection(shapes, facecolors=kind.color, edgecolors=edge, lw=0.4, rasterized=image)
        )
    places = {device: place for place, device in enumerate(scene.rows)}
    outlined = []
    for span in scene.critical:
        if span.stream.device in places:
            low, height = KERNELS if span.stream.kind == COMPUTE else TRAFFIC
            outlined.append(_box(span, places[span.stream.device] + low, height))
    panel.add_collection(PolyCollection(outlined, facecolors="none", edgecolors="black", lw=1.1))
    _axes(panel, scene, window)


def _inside(found: Sequence[Run], window: tuple[float, float]) -> Iterator[Run]:
    begin, end = window
    return (run for run in found if run.end >= begin and run.begin <= end)


def _number(panel: Any, row: _Row, place: int, window: tuple[float, float], panels: int) -> None:
    """Micro-batches by number, where they have the room."""
    begin, end = window
    least = NUMBERED * panels * (end - begin)
    for run in _inside(row.kernels, window):
        if run.micro >= 0 and run.end - run.begin > least:
            middle = (max(run.begin, begin) + min(run.end, end)) / 2
            panel.text(
                *(middle, place + KERNELS[0] + KERNELS[1] / 2, str(run.micro)),
                **{"ha": "center", "va": "center", "fontsize": 6.5, "color": "white"},
                clip_on=True,
            )


def _box(span: Run | Span, low: float, height: float) -> list[tuple[float, float]]:
    high = low + height
    return [(span.begin, low), (span.end, low), (span.end, high), (span.begin, high)]


def _axes(panel: Any, scene: _Scene, window: tuple[float, float]) -> None:
    scale, unit = next(found for found in UNITS if scene.windows[-1][1] >= found[0])
    panel.xaxis.set_major_formatter(lambda x, _: f"{x / (scale or 1e-6):g}")
    panel.set(xlim=window, ylim=(len(scene.rows), 0), xlabel=unit)
    panel.spines[["top", "right", "left"]].set_visible(False)
    panel.tick_params(axis="y", length=0)


def _legend(figure: Any, panel: Any, scene: _Scene) -> None:
    from matplotlib.patches import Patch

    names = [row.name for row in scene.rows.values()]
    places = range(0, len(names), -(-len(names) // 32))
    panel.set_yticks([place + 0.5 for place in places], [names[place] for place in places])
    used = {run.kind for row in scene.rows.values() for run in (*row.kernels, *row.traffic)}
    handles = [Patch(color=kind.color, label=kind.name) for kind in KINDS if kind in used]
    handles.append(Patch(color=IDLE.color, label="idle"))
    handles.append(Patch(facecolor="none", edgecolor="black", label="critical path"))
    figure.legend(
        handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=8
    )
