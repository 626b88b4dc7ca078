"""The null model: one constant efficiency on the datasheet roofline for each device and dtype.

    seconds = roofline / efficiency,   ln efficiency = mean of ln (roofline / measured)

over the training cases of a split. A model that does not beat it has no skill.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from calibration.measurement import Measurement
from calibration.splits import GROUPS, SPLITS
from hwsim.errors import InputError, near


class Sample(NamedTuple):
    """A measured case with its roofline, both in seconds."""

    measurement: Measurement
    roofline: float

    @property
    def log_efficiency(self) -> float:
        return math.log(self.roofline / (self.measurement.seconds or math.nan))


class Total(NamedTuple):
    """A sum of logarithms and how many there are."""

    log: float = 0.0
    cases: int = 0

    @property
    def mean(self) -> float:
        return self.log / self.cases

    def plus(self, other: Total, sign: int = 1) -> Total:
        return Total(self.log + sign * other.log, self.cases + sign * other.cases)


Key = tuple[Hashable, ...]
Totals = dict[Key, Total]


def null_seconds(samples: Sequence[Sample], split: str) -> list[float | None]:
    """The null model's seconds of each sample; all of one kind of table.

    Without a split (`none`) the constants are those of all samples; else each sample's come from
    the samples of other groups, so that what is fitted and what is tested never overlap. They are
    per device, dtype and source (per device and dtype if whole sources are left out). A device
    without training samples gets the geometric mean of the other devices' constants: of its source
    and dtype, else of its source, else of all. None where nothing is left to train on. Raises
    InputError for another split.
    """
    if split not in SPLITS:
        raise InputError("--split", f"found '{split}'", near(split, SPLITS))
    everything = _totals(samples, split)
    apart: dict[Hashable, list[Sample]] = defaultdict(list)
    for sample in samples:
        apart[_group(sample, split)].append(sample)
    constants: dict[Hashable, Totals] = {}
    for name, members in apart.items():
        left_out = _totals(members, split) if split != "none" else {}
        constants[name] = {
            key: rest
            for key, total in everything.items()
            for rest in [total.plus(left_out.get(key, Total()), -1)]
            if rest.cases
        }
    return [_predicted(sample, constants[_group(sample, split)], split) for sample in samples]


def _group(sample: Sample, split: str) -> Hashable:
    return GROUPS[split](sample.measurement) if split in GROUPS else None


def _key(sample: Sample, split: str) -> Key:
    case = sample.measurement
    source = None if split == "source" else case.provenance.source
    return (source, case.dtype, case.device)


def _totals(samples: Sequence[Sample], split: str) -> Totals:
    found: Totals = {}
    for sample in samples:
        key = _key(sample, split)
        found[key] = found.get(key, Total()).plus(Total(sample.log_efficiency, 1))
    return found


def _predicted(sample: Sample, constants: Totals, split: str) -> float | None:
    source, dtype, device = _key(sample, split)
    own = constants.get((source, dtype, device))
    if own is not None:
        return sample.roofline / math.exp(own.mean)
    for like in ((source, dtype), (source,), ()):
        others = [total.mean for key, total in constants.items() if key[: len(like)] == like]
        if others:
            return sample.roofline / math.exp(sum(others) / len(others))
    return None
