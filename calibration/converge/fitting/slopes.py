"""The slope of ln S against ln M, data size by data size."""

from __future__ import annotations

import numpy as np

from calibration.converge.fitting.points import Points


def slopes(rows: Points) -> list[tuple[float, float, float, int]]:
    """The log-log slope of steps against parameters at each data size of 3 models or more.

    Rows of (data, slope, 95 % half width, runs): ordinary least squares over the uncensored runs of
    the commonest batch, with Student's t.
    """
    from scipy.stats import linregress, t

    batches, counts = np.unique(rows.batch, return_counts=True)
    rows = rows.take(rows.batch == batches[counts.argmax()])
    table = []
    for data in np.unique(rows.data):
        here = (rows.data == data) & ~rows.censored
        if len(np.unique(rows.model[here])) >= 3:
            line = linregress(np.log(rows.model[here]), np.log(rows.steps[here]))
            half = float(t.ppf(0.975, int(here.sum()) - 2) * line.stderr)
            table.append((float(data), float(line.slope), half, int(here.sum())))
    return table
