"""Means, spreads and paired intervals over seeds.

The rule a caller must know: seeds are pairs. Variants of one seed share split, batches and initial
weights, so a difference is taken seed by seed, never between means.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

# Percentage points: below this, differences are equal up to rounding of their subtraction.
NO_SPREAD = 1e-9


@dataclass(frozen=True)
class Summary:
    """Mean and sample standard deviation (n - 1) of n values; None where they do not exist."""

    mean: float | None
    sd: float | None
    n: int


@dataclass(frozen=True)
class PairedDifference:
    """Mean of n differences, their 95 % interval and two-sided p value; None where they do not exist."""

    mean: float | None
    low: float | None
    high: float | None
    n: int
    p: float | None


def summarise(values: Iterable[float]) -> Summary:
    """Summary of the values that are not NaN; no standard deviation for fewer than two."""
    known = np.array(list(values), dtype=float)
    known = known[~np.isnan(known)]
    mean = float(known.mean()) if len(known) else None
    sd = float(known.std(ddof=1)) if len(known) > 1 else None
    return Summary(mean, sd, len(known))


def paired_difference(a: pd.Series, b: pd.Series) -> PairedDifference:
    """a - b over the seeds that both have: mean with the interval and p value of the paired t test.

    a, b: values indexed by seed, NaN where a seed has none. Equal differences have an interval of zero
    width and no p value; a single pair has a mean only. Raises ValueError where a seed stands twice.
    """
    if not (a.index.is_unique and b.index.is_unique):
        raise ValueError("a seed stands twice: pair values of one variant and one dataset at a time")
    differences = (a.astype(float) - b.astype(float)).dropna().to_numpy()
    n = len(differences)
    if n == 0:
        return PairedDifference(None, None, None, 0, None)
    mean = float(differences.mean())
    if n == 1:
        return PairedDifference(mean, None, None, 1, None)
    if np.ptp(differences) < NO_SPREAD:
        return PairedDifference(mean, mean, mean, n, None)
    test = stats.ttest_1samp(differences, 0.0)
    interval = test.confidence_interval(0.95)
    return PairedDifference(mean, float(interval.low), float(interval.high), n, float(test.pvalue))
