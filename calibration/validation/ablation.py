"""What a prediction loses when a piece of the physics is taken away.

Each piece is a change of the calibration, so that the same code predicts without it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from calibration.predict import Predictor
from calibration.predict.basis import Provider
from hwsim.cost.calibration import Calibration, Code, Links, Reach, Streams, Tiles, load_for
from hwsim.errors import InputError, near
from hwsim.hardware.spec import Device

FAMILY = "transformer"
ALIGNED = 1e9  # a share of the vector peak that nothing is slower than


class Piece(NamedTuple):
    """What is left without it, in words, and the calibration that has it no more."""

    left: str
    take: Callable[[Calibration], Calibration]


def _without_launch(whole: Calibration) -> Calibration:
    def still(timed: dict[str, dict[str, Tiles]]) -> dict[str, dict[str, Tiles]]:
        return {
            name: {how: one.model_copy(update={"launch": 0.0}) for how, one in each.items()}
            for name, each in timed.items()
        }

    streams: Streams | None = whole.streams
    codes = {n: c.model_copy(update={"issue": 0.0, "step": 0.0}) for n, c in whole.software.items()}
    return whole.model_copy(
        update={
            "products": still(whole.products),  # type: ignore[arg-type]
            "convolutions": still(whole.convolutions),  # type: ignore[arg-type]
            "streams": streams.model_copy(update={"launch": 0.0}) if streams else None,
            "software": codes,
            "call": {},
        }
    )


def _without_tiles(whole: Calibration) -> Calibration:
    return whole.model_copy(update={"products": {}, "convolutions": {}, "recurrences": {}})


def _without_links(whole: Calibration) -> Calibration:
    return whole.model_copy(update={"links": whole.links.ideal()})


def _without_contention(whole: Calibration) -> Calibration:
    links: Links = whole.links
    free = {
        name: reach.model_copy(update={"taken": 0.0})
        for name, reach in links
        if isinstance(reach, Reach)
    }
    return whole.model_copy(update={"links": links.model_copy(update=free)})


def _without_profiles(whole: Calibration) -> Calibration:
    mean = whole.software.get(FAMILY)
    if mean is None:
        return whole
    return whole.model_copy(update={"software": dict.fromkeys(whole.software, mean)})


def _without_attention(whole: Calibration) -> Calibration:
    def alike(code: Code) -> Code:
        return code.model_copy(update={"attention": code.products, "scores": code.products})

    return whole.model_copy(
        update={"software": {name: alike(code) for name, code in whole.software.items()}}
    )


def _without_alignment(whole: Calibration) -> Calibration:
    return whole.model_copy(update={"unaligned": ALIGNED})


PIECES = {
    "launch": Piece("kernels start and are issued in no time", _without_launch),
    "tiles": Piece("products reach a constant share of the peak", _without_tiles),
    "links": Piece("rings at stated rates, without latency", _without_links),
    "contention": Piece("transfers take nothing from computing", _without_contention),
    "profiles": Piece("one mean code for all software", _without_profiles),
    "attention": Piece("attention at the rate of other products", _without_attention),
    "alignment": Piece("tensor cores load rows wherever they begin", _without_alignment),
}


def without(names: Sequence[str], provider: Provider = load_for) -> Predictor:
    """Predictions without these of `PIECES`. Raises InputError for another name."""
    for name in names:
        if name not in PIECES:
            raise InputError("--without", f"found '{name}'", near(name, list(PIECES)))

    def calibration(device: Device) -> Calibration:
        found = provider(device)
        for name in names:
            found = PIECES[name].take(found)
        return found

    return Predictor(calibration)


def scatter_of(ratios: Sequence[float]) -> float:
    """Median of |ln ratio| once their median is divided out: what no one factor mends.

    >>> round(scatter_of([2.0, 2.0, 4.0]), 3), scatter_of([3.0])
    (0.0, 0.0)
    """
    logs = sorted(math.log(ratio) for ratio in ratios)
    middle = logs[len(logs) // 2]
    return sorted(abs(one - middle) for one in logs)[len(logs) // 2]
