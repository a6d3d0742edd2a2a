"""The interval over classes: what it is of, and where there is none."""

import numpy as np
import pytest
from scipy import stats

from dazle.training.metrics import harmonic_mean
from reports.analysis.class_bootstrap import ClassCounts, class_difference

IMAGES, SEEN = np.array([10, 20, 30, 0, 10, 10]), np.array([True, True, True, True, False, False])
A = ClassCounts(IMAGES, np.array([9, 12, 24, 0, 5, 7]), SEEN)
B = ClassCounts(IMAGES, np.array([5, 14, 21, 0, 4, 3]), SEEN)


def test_the_mean_is_the_difference_of_the_per_class_accuracies() -> None:
    # A: S = (90 + 60 + 80) / 3, U = (50 + 70) / 2; B: S = (50 + 70 + 70) / 3, U = (40 + 30) / 2
    expected = {"S": 230 / 3 - 190 / 3, "U": 60 - 35, "H": harmonic_mean(230 / 3, 60) - harmonic_mean(190 / 3, 35)}
    for metric, value in expected.items():
        found = class_difference(A, B, metric)
        assert found is not None and found.mean == pytest.approx(float(value))
        assert found.low is not None and found.high is not None
        assert found.low <= found.mean <= found.high and found.over == "classes" and found.p is None


def test_of_S_it_is_scipys_interval_of_the_mean_of_the_class_differences() -> None:
    rng = np.random.default_rng(3)
    images, seen = np.full(60, 50), np.arange(60) < 50
    a, b = (ClassCounts(images, rng.integers(10, 50, 60), seen) for _ in range(2))
    ours = class_difference(a, b, "S")
    theirs = stats.bootstrap(((a.accuracy - b.accuracy)[:50],), np.mean, n_resamples=20_000, rng=1).confidence_interval
    assert ours is not None
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.6)


@pytest.mark.parametrize(
    "b",
    [
        A,  # the same answers: nothing to draw from
        ClassCounts(IMAGES + 1, B.correct, SEEN),  # other images
        ClassCounts(IMAGES, B.correct, ~SEEN),  # other classes
    ],
)
def test_no_interval_where_there_is_none(b: ClassCounts) -> None:
    assert class_difference(A, b, "H") is None


def test_one_class_of_a_kind_is_not_drawn_from() -> None:
    seen = np.array([True] * 5 + [False])
    assert class_difference(ClassCounts(IMAGES, A.correct, seen), ClassCounts(IMAGES, B.correct, seen), "H") is None
