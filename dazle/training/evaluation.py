"""Scored images: per-class accuracies S, U and T1, their harmonic mean H, and the seen-unseen curve with AUSUC.

The curve over all margins is exact and needs one sort. A margin only decides whether an image gets its best seen or its
best unseen class: the seen one if its gap (best seen score - best unseen score) is at least 2 x margin. So an image is
described by two values: its gap, and whether the best class of its own kind, seen or unseen, is its label.

scikit-learn computes the area. Its per-class metrics are not used: on a simulated set `confusion_matrix` takes 1.5 ms,
three times as long as everything here, and `recall_score` 2.7 ms, and the last bit of its mean differs.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import auc

# Enough points to draw a seen-unseen curve; every record stores as many for each point of its training curve.
CURVE_SAMPLES = 31


def harmonic_mean(seen: ArrayLike, unseen: ArrayLike) -> NDArray[np.float64]:
    """H = 2SU/(S+U), 0 if both are 0."""
    s, u = np.asarray(seen, float), np.asarray(unseen, float)
    total = s + u
    return np.divide(2 * s * u, total, out=np.zeros_like(total), where=total > 0)


@dataclass(frozen=True)
class Point:
    """Accuracies at one margin, in percent, and `correct`: (C,) number of correctly classified images of each class."""

    S: float
    U: float
    H: float
    correct: NDArray[np.int64]


class Evaluation:
    """One set of scored images, as every metric is given it; all accuracies in percent.

    S and U are per-class accuracies: the mean, over the seen or unseen classes that have images here, of the share of
    images that are classified correctly among ALL classes (generalised zero-shot). T1 is the same mean over the unseen
    classes with the arg-max restricted to unseen classes.

    `scores`: (n, C) without margin; `labels`: (n,); `seen`: (C,) bool; `best_seen`, `best_unseen`: (n,) the best class
    of each kind; `class_size`: (C,) images.
    """

    def __init__(self, scores: NDArray[np.floating], labels: NDArray[np.integer], seen: NDArray[np.bool_]) -> None:
        """`scores`: (n, C) without margin; `labels`: (n,) class numbers below C; `seen`: (C,) bool.

        Raises FloatingPointError if a score is not finite.
        """
        if not np.isfinite(scores).all():
            raise FloatingPointError(
                "class scores are not finite: the training diverged; lower training.learning_rate if there is one"
            )
        scores = scores.astype(np.float64)
        self.scores, self.labels, self.seen = scores, labels, seen
        seen_columns, unseen_columns = np.flatnonzero(seen), np.flatnonzero(~seen)
        self.best_seen = seen_columns[scores[:, seen].argmax(axis=1)]
        self.best_unseen = unseen_columns[scores[:, ~seen].argmax(axis=1)]
        rows = np.arange(len(scores))
        self.gap = scores[rows, self.best_seen] - scores[rows, self.best_unseen]
        self.is_seen = seen[labels]
        self.is_correct = np.where(self.is_seen, self.best_seen, self.best_unseen) == labels
        self.class_size = np.bincount(labels, minlength=len(seen))
        self._points: dict[float, Point] = {}

    @cached_property
    def has_seen(self) -> bool:
        """Whether there is an image of a seen class; without one there are no S, no H and no curve."""
        return bool(self.is_seen.any())

    @cached_property
    def weight(self) -> NDArray[np.float64]:
        """(n,) percent that a correct image adds to S or to U: 100 / (size of its class x classes of its kind)."""
        present = self.class_size > 0
        class_count = np.where(self.seen, (present & self.seen).sum(), (present & ~self.seen).sum())
        return 100.0 / (self.class_size * class_count)[self.labels]

    def at(self, margin: float) -> Point:
        """S, U and H with `margin` added to the scores of unseen and subtracted from those of seen classes."""
        if margin not in self._points:
            self._points[margin] = self._point(margin)
        return self._points[margin]

    def predictions(self, margin: float) -> NDArray[np.int64]:
        """(n,) the class of each image at this margin, among all classes; of equal scores a seen class wins."""
        return np.where(self.gap >= 2 * margin, self.best_seen, self.best_unseen)

    def _point(self, margin: float) -> Point:
        is_correct = self.is_correct & np.where(self.is_seen, self.gap >= 2 * margin, self.gap < 2 * margin)
        percent = self.weight * is_correct
        s, u = float(percent[self.is_seen].sum()), float(percent[~self.is_seen].sum())
        correct = np.bincount(self.labels[is_correct], minlength=len(self.seen))
        return Point(s, u, float(harmonic_mean(s, u)), correct)

    @cached_property
    def correct_T1(self) -> NDArray[np.int64]:
        """(unseen classes,) number of correct images if only unseen classes are allowed."""
        return np.bincount(self.labels[self.is_correct], minlength=len(self.seen))[~self.seen]

    @cached_property
    def T1(self) -> float:
        return float((self.weight * self.is_correct)[~self.is_seen].sum())

    @cached_property
    def curve(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """S, U and margin of every point of the seen-unseen curve: S falls from its maximum to 0 while U rises.

        Images with equal gaps change at the same margin. The margin of a point is halfway between two changes.
        """
        gaps, group = np.unique(self.gap, return_inverse=True)
        percent = self.weight * self.is_correct
        seen_loss = np.bincount(group, weights=percent * self.is_seen, minlength=len(gaps))
        unseen_gain = np.bincount(group, weights=percent * ~self.is_seen, minlength=len(gaps))
        S = np.concatenate([[0.0], np.cumsum(seen_loss[::-1])])[::-1]
        U = np.concatenate([[0.0], np.cumsum(unseen_gain)])
        edges = np.concatenate([[gaps[0] - 2], gaps, [gaps[-1] + 2]])
        return S, U, (edges[:-1] + edges[1:]) / 4

    def sampled_curve(self, points: int = CURVE_SAMPLES) -> list[tuple[float, float]]:
        """At most `points` pairs (S, U) of `curve`, evenly spaced by index, both ends included, rounded to 0.01 %."""
        S, U, _ = self.curve
        rows = np.unique(np.linspace(0, len(S) - 1, points).round().astype(int))
        return list(zip(S[rows].round(2).tolist(), U[rows].round(2).tolist(), strict=True))

    @cached_property
    def AUSUC(self) -> float:
        """Area under S over U for all margins (Chao et al. 2016), in percent of the unit square."""
        S, U, _ = self.curve
        return auc(U, S) / 100

    @cached_property
    def best(self) -> tuple[float, float]:
        """(margin, H) of the best H on these images; on test images an upper bound (`oracle margin`)."""
        S, U, margins = self.curve
        H = harmonic_mean(S, U)
        best = int(H.argmax())
        return float(margins[best]), float(H[best])
