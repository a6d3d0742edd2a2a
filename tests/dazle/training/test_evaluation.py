"""The evaluation against scikit-learn and against brute force over every margin, on random cases with ties."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from sklearn.metrics import balanced_accuracy_score

from dazle.training.evaluation import Evaluation, harmonic_mean

# Sixteenths, odd: scores are quarters up to 3, so flips lie at multiples of 2/16 up to 3.
MARGINS = range(-51, 52, 2)


@st.composite
def cases(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores in quarters (exact sums, frequent ties), labels that cover a seen and an unseen class, seen classes."""
    seen_classes, unseen_classes = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    classes = seen_classes + unseen_classes
    extra = draw(st.lists(st.integers(0, classes - 1), max_size=20))
    labels = np.array([0, classes - 1, *extra])
    quarters = npst.arrays(np.int64, (len(labels), classes), elements=st.integers(-12, 12))
    return draw(quarters) / 4.0, labels, np.arange(classes) < seen_classes


def brute_force(scores: np.ndarray, labels: np.ndarray, seen: np.ndarray, margin: float) -> tuple[float, float]:
    """S and U by arg-max over all classes, as the definition says; seen classes come first, so they win ties."""
    right = (scores + margin * np.where(seen, -1.0, 1.0)).argmax(axis=1) == labels
    share = [100 * right[labels == label].mean() for label in np.unique(labels)]
    seen_present = seen[np.unique(labels)]
    return float(np.mean(np.array(share)[seen_present])), float(np.mean(np.array(share)[~seen_present]))


def scikit_learn_accuracy(labels: np.ndarray, predicted: np.ndarray) -> float:
    with warnings.catch_warnings():
        # It warns of predicted classes that have no images here.
        warnings.simplefilter("ignore")
        return 100 * balanced_accuracy_score(labels, predicted)


@given(cases(), st.integers(-24, 24))
def test_accuracies_are_those_of_scikit_learn(case: tuple, eighths: int) -> None:
    scores, labels, seen = case
    evaluation, margin = Evaluation(*case), eighths / 8
    point = evaluation.at(margin)
    predicted = (scores + margin * np.where(seen, -1.0, 1.0)).argmax(axis=1)
    unseen = ~seen[labels]
    np.testing.assert_array_equal(evaluation.predictions(margin), predicted)
    assert pytest.approx(scikit_learn_accuracy(labels[~unseen], predicted[~unseen])) == point.S
    assert pytest.approx(scikit_learn_accuracy(labels[unseen], predicted[unseen])) == point.U
    assert pytest.approx(harmonic_mean(point.S, point.U)) == point.H
    restricted = np.where(seen, -np.inf, scores).argmax(axis=1)
    assert pytest.approx(scikit_learn_accuracy(labels[unseen], restricted[unseen])) == evaluation.T1
    size = np.bincount(labels, minlength=len(seen))
    for kind, value in ((seen, point.S), (~seen, point.U)):
        has = kind & (size > 0)
        assert pytest.approx(100 * np.mean(point.correct[has] / size[has])) == value


@given(cases())
def test_the_curve_is_every_margin_and_no_other(case: tuple) -> None:
    """No margin gives a pair that the curve lacks, and its own margins give what it says."""
    scores, labels, seen = case
    pairs = {tuple(np.round(brute_force(scores, labels, seen, m / 16), 6)) for m in MARGINS}
    S, U, margins = Evaluation(*case).curve
    assert {tuple(np.round(pair, 6)) for pair in zip(S, U, strict=True)} == pairs
    for s, u, margin in zip(S, U, margins, strict=True):
        assert brute_force(scores, labels, seen, margin) == pytest.approx((s, u))


@given(cases())
def test_area_and_best_margin_by_brute_force(case: tuple) -> None:
    scores, labels, seen = case
    evaluation = Evaluation(*case)
    points = [brute_force(scores, labels, seen, m / 16) for m in MARGINS]
    S, U = np.array(points).T
    assert pytest.approx(np.trapezoid(S, U) / 100) == evaluation.AUSUC
    margin, H = evaluation.best
    assert pytest.approx(max(harmonic_mean(S, U))) == H
    assert pytest.approx(evaluation.at(margin).H) == H


@given(cases(), st.integers(2, 8))
def test_the_sampled_curve_is_part_of_the_curve_with_both_ends(case, points):
    evaluation = Evaluation(*case)
    S, U, _ = evaluation.curve
    sample = evaluation.sampled_curve(points)
    rounded_curve = [(round(s, 2), round(u, 2)) for s, u in zip(S.tolist(), U.tolist(), strict=True)]
    assert set(sample) <= set(rounded_curve) and len(sample) <= points
    assert (sample[0], sample[-1]) == (rounded_curve[0], rounded_curve[-1])
    assert [u for _, u in sample] == sorted(u for _, u in sample)


def test_a_known_case() -> None:
    """Two images a class; the curve goes (S, U) = (100, 0), (50, 0), (50, 100), (0, 100)."""
    scores = np.array([[2.0, 0.0], [0.5, 0.0], [1.0, 0.0], [1.0, 0.0]])
    evaluation = Evaluation(scores, np.array([0, 0, 1, 1]), np.array([True, False]))
    S, U, _ = evaluation.curve
    assert list(zip(S, U, strict=True)) == [(100, 0), (50, 0), (50, 100), (0, 100)]
    assert (evaluation.AUSUC, evaluation.T1) == (50, 100)
    assert evaluation.best == (0.75, pytest.approx(200 / 3))
    assert evaluation.at(0).correct.tolist() == [2, 0]


def test_scores_that_are_not_finite_are_refused() -> None:
    with pytest.raises(FloatingPointError, match="diverged"):
        Evaluation(np.array([[np.nan, 0.0]]), np.array([0]), np.array([True, False]))
