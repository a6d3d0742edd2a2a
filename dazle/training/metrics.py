"""What is measured: S, U, H, T1 and AUSUC, exactly, from one sort of the score gaps.

Adding a margin only moves the border between seen and unseen classes: each image has one best seen and one best unseen
class, and is answered by the seen one while its gap (best seen score - best unseen score) is at least 2 x margin. So
right-or-wrong per image and the gap are all there is to know, for one margin as for the whole curve. An image whose gap
equals 2 x margin to the last bit counts as answered by the seen class.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import auc

# Enough to draw the curve; a record keeps one at each of its points.
TRACED = 31


def harmonic_mean(seen: ArrayLike, unseen: ArrayLike) -> NDArray[np.float64]:
    """H = 2SU/(S+U), 0 where both are 0."""
    s, u = np.asarray(seen, float), np.asarray(unseen, float)
    total = s + u
    return np.divide(2 * s * u, total, out=np.zeros_like(total), where=total > 0)


@dataclass(frozen=True)
class Point:
    """Accuracies at one margin, in percent, and the raw counts: `correct` per class of the label space."""

    S: float
    U: float
    H: float
    correct: NDArray[np.int64]


class Evaluation:
    """The scores of one evaluation, judged per class; all accuracies in percent.

    S and U are means over the classes that have images here of the share of images answered rightly among ALL classes
    (generalised zero-shot); T1 is that mean for unseen images with the arg-max restricted to unseen classes.
    """

    def __init__(self, scores: NDArray[np.floating], labels: NDArray[np.integer], seen: NDArray[np.bool_]) -> None:
        """`scores`: (n, C) without margin; `labels`: (n,) in C; `seen`: (C,). Not finite: FloatingPointError."""
        if not np.isfinite(scores).all():
            raise FloatingPointError("class scores are not finite: the training diverged")
        scores = scores.astype(np.float64)
        self.labels, self.seen = labels, seen
        columns_seen, columns_unseen = np.flatnonzero(seen), np.flatnonzero(~seen)
        best_seen = columns_seen[scores[:, seen].argmax(axis=1)]
        best_unseen = columns_unseen[scores[:, ~seen].argmax(axis=1)]
        rows = np.arange(len(scores))
        self.gap = scores[rows, best_seen] - scores[rows, best_unseen]
        self.of_seen = seen[labels]
        self.right = np.where(self.of_seen, best_seen, best_unseen) == labels
        self.class_size = np.bincount(labels, minlength=len(seen))

    @cached_property
    def weight(self) -> NDArray[np.float64]:
        """(n,) percent that one right answer adds to S or to U: 100 / (size of its class x classes of its kind)."""
        present = self.class_size > 0
        kinds = np.where(self.seen, (present & self.seen).sum(), (present & ~self.seen).sum())
        return 100.0 / (self.class_size * kinds)[self.labels]

    def at(self, margin: float) -> Point:
        """S, U and H with `margin` added to unseen and taken from seen class scores."""
        right = self.right & np.where(self.of_seen, self.gap >= 2 * margin, self.gap < 2 * margin)
        gained = self.weight * right
        s, u = float(gained[self.of_seen].sum()), float(gained[~self.of_seen].sum())
        correct = np.bincount(self.labels[right], minlength=len(self.seen))
        return Point(s, u, float(harmonic_mean(s, u)), correct)

    @cached_property
    def correct_T1(self) -> NDArray[np.int64]:
        """(unseen classes,) images answered rightly when only unseen classes may be answered."""
        return np.bincount(self.labels[self.right], minlength=len(self.seen))[~self.seen]

    @property
    def T1(self) -> float:
        return float((self.weight * self.right)[~self.of_seen].sum())

    @cached_property
    def curve(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Every (S, U) that some margin gives, and a margin that gives it: S falls from its maximum to 0 as U rises.

        Images with the same gap flip together. Margins lie in the middle between two flips, where they are safest.
        """
        gaps, group = np.unique(self.gap, return_inverse=True)
        gained = self.weight * self.right
        lost_seen = np.bincount(group, weights=gained * self.of_seen, minlength=len(gaps))
        won_unseen = np.bincount(group, weights=gained * ~self.of_seen, minlength=len(gaps))
        S = np.concatenate([[0.0], np.cumsum(lost_seen[::-1])])[::-1]
        U = np.concatenate([[0.0], np.cumsum(won_unseen)])
        edges = np.concatenate([[gaps[0] - 2], gaps, [gaps[-1] + 2]])
        return S, U, (edges[:-1] + edges[1:]) / 4

    def traced(self, points: int = TRACED) -> list[tuple[float, float]]:
        """At most so many (S, U) of `curve`, evenly many flips apart, both ends among them, rounded to 0.01 %."""
        S, U, _ = self.curve
        kept = np.unique(np.linspace(0, len(S) - 1, points).round().astype(int))
        return list(zip(S[kept].round(2).tolist(), U[kept].round(2).tolist(), strict=True))

    @property
    def AUSUC(self) -> float:
        """Area under S over U as the margin sweeps (Chao et al. 2016), in percent of the unit square."""
        S, U, _ = self.curve
        return auc(U, S) / 100

    @cached_property
    def best(self) -> tuple[float, float]:
        """(margin, H) of the best H on these very images: an upper bound (`oracle margin`) on test images."""
        S, U, margins = self.curve
        H = harmonic_mean(S, U)
        best = int(H.argmax())
        return float(margins[best]), float(H[best])
