"""A file of measurements, whatever its layout: it is recognized by its text."""

from __future__ import annotations

from calibration import measurement as measurements
from calibration.measurement import Measurement
from calibration.sources import deepbench, tables


def read(path: str, device: str | None = None) -> list[Measurement]:
    """The measurements of a CSV table, of a JSON Lines file or of DeepBench's output.

    `device` is that of tables which name none. Raises InputError.
    """
    text = measurements.text_of(path)
    if text.lstrip().startswith("{"):
        return measurements.parse(text, path)
    if deepbench.recognized(text):
        return deepbench.parse(text, path, device)
    return tables.parse(text, path, device)
