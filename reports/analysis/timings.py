"""Statistics of raw times: medians, tails, spreads, and ratios of times that were measured in turns.

The rule a caller must know: a ratio is computed round by round, never between two medians, so that a slow round
cancels; its interval is that of the median over the rounds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

# The interquartile range over the median above which torch.utils.benchmark warns too.
WIDE = 0.1
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A median over rounds with its 95 % interval from order statistics, None with fewer than six rounds."""

    median: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Spread:
    """Median, 95th percentile (by nearest rank, so one of the times) and interquartile range of n times in seconds."""

    median: float
    p95: float
    iqr: float
    n: int

    @property
    def relative(self) -> float:
        return self.iqr / self.median

    @property
    def wide(self) -> bool:
        return self.relative > WIDE


def spread(times: Sequence[float]) -> Spread:
    """The spread of the times. Raises ValueError if there are none."""
    if not times:
        raise ValueError("no times: nothing was measured")
    low, median, high = np.quantile(times, (0.25, 0.5, 0.75))
    p95 = np.quantile(times, 0.95, method="inverted_cdf")
    return Spread(float(median), float(p95), float(high - low), len(times))


def median_interval(values: Sequence[float]) -> Interval:
    """The median, and the order statistics that contain it with at least 95 %, whatever the distribution."""
    interval = stats.quantile_test(values, p=0.5).confidence_interval(LEVEL)
    low, high = (None if np.isnan(bound) else float(bound) for bound in (interval.low, interval.high))
    return Interval(float(np.median(values)), low, high)


def paired_ratio(above: Sequence[float], below: Sequence[float], factor: float = 1.0) -> Interval:
    """`factor` * above / below, round by round. Raises ValueError if the two differ in the number of rounds."""
    if len(above) != len(below):
        raise ValueError(f"{len(above)} rounds over {len(below)}: only times taken in turns are pairs")
    return median_interval([factor * a / b for a, b in zip(above, below, strict=True)])
