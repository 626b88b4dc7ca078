"""A timeline in plain characters: a row for each stream, a column for each slice of the step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.text import Text

from hwsim.parallel.plan import Plan
from hwsim.parallel.program import COMPUTE
from hwsim.report.tracks import IDLE, KINDS, MOVING, Kind, Track, evenly, runs, tracks
from hwsim.simulate.timeline import Span, Timeline
from hwsim.units import seconds_text

MOST_ROWS = 16
LEAST_COLUMNS, MOST_COLUMNS = 20, 2000
SPARSE = "-"  # bytes move, for less than half of the column
Cell = tuple[str, str]  # a character and its style


def picture(timeline: Timeline, plan: Plan, width: int) -> list[Text]:
    """Lines of `width` characters or less (but at least 20 columns of time), the legend last.

    A column shows what took most of it. A capital is where a micro-batch begins, with its number
    where that has room, and small letters go on with it.
    """
    everything = tracks(timeline, plan)
    shown = _chosen(everything)
    if not shown or timeline.seconds <= 0:
        return []
    labels = _labels(shown)
    indent = max(len(label) for label in labels) + 2
    columns = min(max(width - indent, LEAST_COLUMNS), MOST_COLUMNS)
    end = seconds_text(timeline.seconds)
    lines = [Text(f"{'':{indent}}0{end:>{columns - 1}}")]
    used: dict[Kind, None] = {}
    for label, track in zip(labels, shown, strict=True):
        used.update(dict.fromkeys(run.kind for run in runs(track.spans)))
        line = Text(f"{label:{indent}}")
        for character, style in _cells(track.spans, timeline.seconds / columns, columns):
            line.append(character, style)
        lines.append(line)
    return [*lines, Text(""), _legend(used), *_notes(everything, shown)]


def _chosen(found: Sequence[Track]) -> list[Track]:
    """All streams if there is room, else what computes, of devices evenly chosen."""
    if len(found) <= MOST_ROWS:
        return list(found)
    computing = [track for track in found if track.stream.kind == COMPUTE]
    return [computing[row] for row in evenly(len(computing), MOST_ROWS)]


def _labels(shown: Sequence[Track]) -> list[str]:
    """The device where it begins, indented the kinds of its other streams."""
    return [
        track.device if track.stream.kind == COMPUTE else f"  {track.stream.kind}"
        for track in shown
    ]


def _cells(spans: Sequence[Span], slice_: float, columns: int) -> Iterator[Cell]:
    """What took most of each column; where whole micro-batches hide in columns, in turn by their
    shares."""
    filled = [dict[Kind, float]() for _ in range(columns)]
    begun: dict[tuple[int, Kind], str] = {}  # and the number, where it has room
    crowded: set[int] = set()
    for (what, micro), found in groupby(runs(spans), key=lambda run: (run.kind, run.micro)):
        group = list(found)
        for run in group:
            first, last = (min(int(at / slice_), columns - 1) for at in (run.begin, run.end))
            for column in range(first, last + 1):
                inside = min(run.end, (column + 1) * slice_) - max(run.begin, column * slice_)
                if inside > 1e-9 * slice_:
                    filled[column][what] = filled[column].get(what, 0.0) + inside
        begin, end = group[0].begin / slice_, group[-1].end / slice_
        if int(begin) == int(end):
            crowded.add(int(begin))
        wide = micro >= 0 and end - begin >= len(str(micro)) + 2
        begun[round(begin), what] = str(micro) if wide else ""
    owed: dict[Kind, float] = {}
    shown: list[Kind] = []
    for column, seconds in enumerate(filled):
        seconds[IDLE] = max(slice_ - sum(seconds.values()), 0.0)
        before = owed if column in crowded else {}
        owed = {w: spent + before.get(w, 0.0) for w, spent in seconds.items() if spent}
        most = max(owed, key=lambda what: owed[what], default=IDLE)
        owed[most] = owed.get(most, 0.0) - slice_
        shown.append(most)
    return _lettered(shown, [MOVING in seconds for seconds in filled], begun)


def _lettered(
    shown: Sequence[Kind], moving: Sequence[bool], begun: dict[tuple[int, Kind], str]
) -> Iterator[Cell]:
    """A character for each column: a capital and a number where something has begun."""
    before, number = IDLE, ""
    for column, most in enumerate(shown):
        # What begins within a column may fill most of the one beside.
        near = (0,) if most is before else (0, 1, -1)
        start = next((at for shift in near if (at := (column + shift, most)) in begun), None)
        if most is IDLE and moving[column]:
            yield SPARSE, MOVING.style
        elif most in (IDLE, MOVING):
            yield most.letter, most.style
        elif start is not None:
            number = begun.pop(start)
            yield most.letter, most.style
        else:
            yield (number[:1] if most is before else "") or most.letter.lower(), most.style
            number = number[1:]
        before = most


def _legend(used: dict[Kind, None]) -> Text:
    legend = Text()
    for what in (*(what for what in KINDS if what in used), IDLE):
        legend.append(what.letter, what.style)
        legend.append(f" {what.name}   ")
    legend.rstrip()
    return legend


def _notes(everything: Sequence[Track], shown: Sequence[Track]) -> list[Text]:
    devices, rows = ({track.device for track in found} for found in (everything, shown))
    notes = []
    if len(rows) < len(devices):
        notes.append(Text(f"{len(rows)} of {len(devices)} devices are shown, evenly chosen"))
    if len(shown) < sum(track.device in rows for track in everything):
        notes.append(Text("streams that move bytes are left out; --trace FILE has all"))
    return notes
