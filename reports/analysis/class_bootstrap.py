"""Intervals over classes, for where one seed is all there is.

The rule a caller must know: such an interval says how far the answer depends on which classes are in the test. It
leaves out how far a training depends on its seed, so it decides no claim.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from reports.analysis.statistics import RESAMPLES, PairedDifference

KINDS = ("S", "U", "H")


@dataclass(frozen=True)
class ClassCounts:
    """Of one evaluation: images per class of the label space, how many were answered rightly, which are seen."""

    images: NDArray[np.int64]
    correct: NDArray[np.int64]
    seen: NDArray[np.bool_]

    @property
    def accuracy(self) -> NDArray[np.float64]:
        """Percent per class; NaN where no image of the class was judged."""
        return 100 * np.divide(self.correct, self.images, out=np.full(len(self.images), np.nan), where=self.images > 0)


def class_difference(a: ClassCounts, b: ClassCounts, metric: str) -> PairedDifference | None:
    """a - b of S, U or H with the 95 % BCa bootstrap interval over classes, seen and unseen ones drawn apart.

    Both are judged on the same draws. None where they were not judged on the same images, where there are fewer
    than two classes of a kind, or where every draw gives the same difference.
    """
    if not (np.array_equal(a.images, b.images) and np.array_equal(a.seen, b.seen)):
        return None
    judged = a.images > 0
    seen, unseen = np.flatnonzero(judged & a.seen), np.flatnonzero(judged & ~a.seen)
    if min(len(seen), len(unseen)) < 2 or np.array_equal(a.correct, b.correct):
        return None
    first, second = a.accuracy, b.accuracy

    def difference(s: NDArray[np.int64], u: NDArray[np.int64], axis: int) -> NDArray[np.float64]:
        return _metric(first, s, u, axis, metric) - _metric(second, s, u, axis, metric)

    interval = stats.bootstrap((seen, unseen), difference, n_resamples=RESAMPLES, rng=0).confidence_interval
    if not np.isfinite([interval.low, interval.high]).all():
        return None
    mean = float(difference(seen, unseen, axis=-1))
    return PairedDifference(mean, float(interval.low), float(interval.high), 1, None, over="classes")


def _metric(
    accuracy: NDArray[np.float64], seen: NDArray[np.int64], unseen: NDArray[np.int64], axis: int, metric: str
) -> NDArray[np.float64]:
    s, u = accuracy[seen].mean(axis=axis), accuracy[unseen].mean(axis=axis)
    if metric == "H":
        total = np.asarray(s + u)
        return np.divide(2 * s * u, total, out=np.zeros_like(total), where=total > 0)
    return {"S": s, "U": u}[metric]
