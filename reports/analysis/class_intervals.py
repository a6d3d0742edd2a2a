"""Intervals of a difference in H over test classes: what the trained models would do on other classes of the same kind.

The test classes are a sample of all classes that the models could be tested on. An interval over them needs a single
training, so a method without any random part has one. It says nothing of what another training would change: that is
the interval over seeds (`statistics`), and the two never share a column.

The rule a caller must know: the classes are resampled whole, seen and unseen ones apart, and both rows and all their
seeds get the same classes; below `FEWEST` classes of a kind the interval is that of the linearised difference instead.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from reports.analysis.protocols import reported_points
from reports.analysis.results import DatasetResults
from reports.analysis.statistics import LEVEL

Array = NDArray[np.float64]
# Classes of a kind from which on the interval is a bootstrap interval.
FEWEST = 20
DRAWS = 5000
STREAM = 20


@dataclass(frozen=True)
class ClassAccuracies:
    """Accuracy of each test class in percent: `seen` (.., K, classes) and `unseen` (.., K, classes) for K trainings."""

    seen: Array
    unseen: Array

    @property
    def smallest_kind(self) -> int:
        """The number of seen or of unseen classes, whichever is smaller."""
        return min(self.seen.shape[-1], self.unseen.shape[-1])

    def mean_H(self) -> Array:
        """(..) H of each training, averaged over them."""
        return harmonic_mean(self.seen.mean(axis=-1), self.unseen.mean(axis=-1)).mean(axis=-1)


@dataclass(frozen=True)
class ClassInterval:
    """H or a difference in H, in percentage points, with the bounds of its 95 % interval; None without any spread."""

    mean: float
    low: float | None
    high: float | None


def harmonic_mean(s: Array, u: Array) -> Array:
    """2 S U / (S + U), and 0 if both are 0."""
    total = s + u
    return np.divide(2 * s * u, total, out=np.zeros_like(total), where=total > 0)


def bounds(row: ClassAccuracies, reference: ClassAccuracies | None) -> tuple[Array, Array]:
    """The 95 % interval of row minus reference in H, averaged over trainings; both bounds have the shape (..).

    Without a reference that of the row's own H.
    """
    if row.smallest_kind < FEWEST:
        return linearised(row, reference)
    return resampled(row, reference, _draws(row.seen.shape[-1], row.unseen.shape[-1]))


class Draws:
    """How often each class is drawn in each resample, as shares: `seen` (draws, classes), `unseen` (draws, classes)."""

    def __init__(self, seen: int, unseen: int, count: int = DRAWS) -> None:
        random = np.random.default_rng(STREAM)
        self.seen = random.multinomial(seen, np.full(seen, 1 / seen), count) / seen
        self.unseen = random.multinomial(unseen, np.full(unseen, 1 / unseen), count) / unseen

    def mean_H(self, accuracies: ClassAccuracies) -> Array:
        """(.., draws) H of each training on each resample, averaged over trainings."""
        return harmonic_mean(accuracies.seen @ self.seen.T, accuracies.unseen @ self.unseen.T).mean(axis=-2)


@lru_cache(maxsize=4)
def _draws(seen: int, unseen: int) -> Draws:
    """All rows of a dataset have the same draws."""
    return Draws(seen, unseen)


def resampled(row: ClassAccuracies, reference: ClassAccuracies | None, draws: Draws) -> tuple[Array, Array]:
    """Bootstrap interval: the quantiles of the difference over resamples of the classes."""
    differences = draws.mean_H(row) - (0.0 if reference is None else draws.mean_H(reference))
    low, high = np.quantile(differences, [LEVEL / 2, 1 - LEVEL / 2], axis=-1)
    return low, high


def linearised(row: ClassAccuracies, reference: ClassAccuracies | None) -> tuple[Array, Array]:
    """t interval of the difference, linear in the accuracies of the classes.

    H moves by dH/dS = 2 U^2 / (S + U)^2 for each point of S, and by dH/dU = 2 S^2 / (S + U)^2 for each point of U. The
    variance is that of the means over seen and over unseen classes, added; degrees of freedom: the smaller number of
    classes minus 1.
    """
    variance = 0.0
    zero = (np.zeros(1), np.zeros(1))
    for own, others in zip(_influences(row), zero if reference is None else _influences(reference), strict=True):
        influence = own - others
        variance = variance + influence.var(axis=-1, ddof=1) / influence.shape[-1]
    half_width = stats.t.ppf(1 - LEVEL / 2, row.smallest_kind - 1) * np.sqrt(variance)
    mean = row.mean_H() - (0.0 if reference is None else reference.mean_H())
    return mean - half_width, mean + half_width


def _influences(accuracies: ClassAccuracies) -> tuple[Array, Array]:
    """Each class's share in the linearised H, averaged over trainings: (.., seen classes) and (.., unseen classes)."""
    s = accuracies.seen.mean(axis=-1, keepdims=True)
    u = accuracies.unseen.mean(axis=-1, keepdims=True)
    total = np.where(s + u > 0, s + u, 1.0)
    seen_influence = 2 * (u / total) ** 2 * accuracies.seen
    unseen_influence = 2 * (s / total) ** 2 * accuracies.unseen
    return seen_influence.mean(axis=-2), unseen_influence.mean(axis=-2)


def class_interval(results: DatasetResults, variant: str, reference: str | None, protocol: str) -> ClassInterval | None:
    """variant - reference in H over test classes, for the seeds that both have; None without counts of both kinds.

    Without a reference the H of the variant. A row of a deterministic method stands beside every seed of the other.
    """
    names = [variant] if reference is None else [variant, reference]
    rows = {name: trainings(results, name, protocol) for name in names}
    shared = [name for name in rows if not results.deterministic(name)]
    seeds = set.intersection(*(set(rows[name]) for name in shared)) if shared else set()
    stacked = []
    for name, by_seed in rows.items():
        chosen = [by_seed[seed] for seed in sorted(by_seed if results.deterministic(name) else seeds)]
        if not chosen:
            return None
        stacked.append(ClassAccuracies(*(np.stack(kind) for kind in zip(*chosen, strict=True))))
    own, *others = stacked
    other = others[0] if others else None
    mean = float(own.mean_H() - (0.0 if other is None else other.mean_H()))
    if own.smallest_kind < 2:
        return ClassInterval(mean, None, None)
    low, high = (float(bound) for bound in bounds(own, other))
    return ClassInterval(mean, low, high) if high > low else ClassInterval(mean, None, None)


def class_counts(results: DatasetResults) -> tuple[int, int] | None:
    """The number of seen and of unseen classes with test images, from the first finished cell that has counts."""
    for _, cell in results.frame[results.frame["status"] == "done"].iterrows():
        if seen_and_images := _classes(cell):
            seen, images = seen_and_images
            return int((seen & (images > 0)).sum()), int((~seen & (images > 0)).sum())
    return None


def trainings(results: DatasetResults, variant: str, protocol: str) -> Mapping[int, Sequence[Array]]:
    """Seed -> accuracies of seen and of unseen classes at the reported point, in percent, of each finished cell."""
    cells = results.finished_cells(variant)
    accuracies = {}
    for (_, cell), point in zip(cells.iterrows(), reported_points(cells, protocol), strict=True):
        classes = _classes(cell)
        if classes is None or not point.get("correct"):
            continue
        seen, images = classes
        percent = 100 * np.array(point["correct"], dtype=float) / np.maximum(images, 1)
        kinds = [percent[kind & (images > 0)] for kind in (seen, ~seen)]
        # A split without test images of one kind has no H.
        if all(len(kind) for kind in kinds):
            accuracies[int(cell["seed"])] = kinds
    return accuracies


def _classes(cell: pd.Series) -> tuple[NDArray[np.bool_], NDArray[np.int64]] | None:
    """Whether each class of the cell is seen, and its number of test images; None if the record has no counts."""
    seen, images = cell.get("class_seen"), cell.get("class_images")
    if not isinstance(seen, list) or not isinstance(images, list) or not seen:
        return None
    return np.array(seen, dtype=bool), np.array(images, dtype=np.int64)
