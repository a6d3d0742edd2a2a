"""The interval over test classes against loops, and the rows that have none."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from reports.analysis.class_intervals import (
    FEWEST,
    ClassAccuracies,
    ClassInterval,
    Draws,
    bounds,
    class_counts,
    class_interval,
    harmonic_mean,
    linearised,
    resampled,
)
from reports.analysis.results import DatasetResults
from tests.reports.example_records import cell

IMAGES = 10


def accuracies(seed: int, seen: int, unseen: int, trainings: int = 2) -> ClassAccuracies:
    random = np.random.default_rng(seed)
    return ClassAccuracies(*(random.uniform(20, 90, (trainings, count)) for count in (seen, unseen)))


def mean_H(row: ClassAccuracies, seen: list[int], unseen: list[int]) -> float:
    """H on these classes, averaged over trainings, one number at a time."""
    values = []
    for s_row, u_row in zip(row.seen, row.unseen, strict=True):
        s = sum(s_row[c] for c in seen) / len(seen)
        u = sum(u_row[c] for c in unseen) / len(unseen)
        values.append(2 * s * u / (s + u))
    return sum(values) / len(values)


def test_resampling_draws_whole_classes_of_each_kind_and_the_same_for_both_rows() -> None:
    row, reference, draws = accuracies(1, 5, 3), accuracies(2, 5, 3, trainings=1), Draws(5, 3, count=40)
    differences = []
    for seen, unseen in zip(draws.seen, draws.unseen, strict=True):
        assert (seen.sum(), unseen.sum()) == (pytest.approx(1), pytest.approx(1))
        classes = [
            [c for c, share in enumerate(shares) for _ in range(round(share * len(shares)))]
            for shares in (seen, unseen)
        ]
        differences.append(mean_H(row, *classes) - mean_H(reference, *classes))
    assert resampled(row, reference, draws) == (
        pytest.approx(np.quantile(differences, 0.025)),
        pytest.approx(np.quantile(differences, 0.975)),
    )


def test_the_linearised_interval_follows_the_derivatives_of_H() -> None:
    row, reference, step = accuracies(3, 6, 4), accuracies(4, 6, 4), 1e-4
    variance = 0.0
    for kind in ("seen", "unseen"):
        influences = []
        for c in range(getattr(row, kind).shape[-1]):
            influence = 0.0
            # The class's accuracy times the derivative of H by the mean of its kind.
            for sign, item in ((1, row), (-1, reference)):
                for k in range(2):
                    one = {name: getattr(item, name)[k] for name in ("seen", "unseen")}
                    moved = one | {kind: one[kind] + step}
                    h = [harmonic_mean(np.array(o["seen"].mean()), np.array(o["unseen"].mean())) for o in (moved, one)]
                    influence += sign * float(h[0] - h[1]) / step * one[kind][c] / 2
            influences.append(influence)
        variance += np.var(influences, ddof=1) / len(influences)
    half_width = stats.t.ppf(0.975, 3) * variance**0.5  # 4 unseen classes: 3 degrees of freedom
    mean = float(row.mean_H() - reference.mean_H())
    low, high = linearised(row, reference)
    assert (low, high) == (pytest.approx(mean - half_width, rel=1e-3), pytest.approx(mean + half_width, rel=1e-3))


@pytest.mark.parametrize(("seen", "unseen", "few"), [(30, FEWEST, False), (30, FEWEST - 1, True), (19, 25, True)])
def test_few_classes_of_a_kind_have_the_linearised_interval(seen: int, unseen: int, few: bool) -> None:
    row, reference = accuracies(5, seen, unseen), accuracies(6, seen, unseen)
    expected = linearised(row, reference) if few else resampled(row, reference, Draws(seen, unseen))
    assert bounds(row, reference) == expected
    assert bounds(row, reference) == bounds(row, reference)


def counted(variant: str, seed: int, correct: list[int], seen: int, **more: Any) -> dict[str, Any]:
    """A cell of which each class has ten test images, the first `seen` classes seen."""
    record = cell(variant, seed, 50.0, **more)
    kinds = [index < seen for index in range(len(correct))]
    for point in record["test"]:
        point["correct"] = correct
    return record | {"class_images": [IMAGES] * len(correct), "class_seen": kinds}


def results(*cells: dict[str, Any]) -> DatasetResults:
    return DatasetResults(pd.DataFrame(list(cells)))


DAZLE = [[9, 8, 7, 6, 5], [8, 8, 6, 6, 4], [9, 9, 7, 5, 5]]
BASELINE = {"method": "eszsl", "deterministic": True}


def test_a_deterministic_row_stands_beside_every_seed() -> None:
    seeds = [counted("dazle", seed, correct, seen=3) for seed, correct in enumerate(DAZLE)]
    made = results(*seeds, counted("eszsl", 0, [5, 9, 4, 3, 8], seen=3, **BASELINE))
    interval = class_interval(made, "eszsl", "dazle", "honest")
    dazle = 10 * np.array(DAZLE, dtype=float)
    row = ClassAccuracies(np.array([[50.0, 90.0, 40.0]]), np.array([[30.0, 80.0]]))
    reference = ClassAccuracies(dazle[:, :3], dazle[:, 3:])
    low, high = linearised(row, reference)
    mean = mean_H(row, [0, 1, 2], [0, 1]) - mean_H(reference, [0, 1, 2], [0, 1])
    assert interval == ClassInterval(pytest.approx(mean), pytest.approx(low), pytest.approx(high))
    assert class_counts(made) == (3, 2)


def test_two_deterministic_rows_and_one_training_have_an_interval() -> None:
    made = results(
        counted("eszsl", 0, [5, 9, 4, 3, 8], seen=3, **BASELINE), counted("sae", 0, [9, 9, 2, 4, 8], seen=3, **BASELINE)
    )
    interval = class_interval(made, "sae", "eszsl", "honest")
    assert interval is not None and interval.low is not None
    assert made.difference("sae", "eszsl", "H", "honest").low is None


def test_only_seeds_of_both_rows_count() -> None:
    whole = [counted("dazle", seed, correct, seen=3) for seed, correct in enumerate(DAZLE)]
    other = [counted("uniform", seed, [4, 4, 5, 2, 3], seen=3) for seed in (0, 2)]
    both = results(whole[0], whole[2], *other)
    assert class_interval(results(*whole, *other), "uniform", "dazle", "honest") == class_interval(
        both, "uniform", "dazle", "honest"
    )


def test_equal_rows_have_no_interval() -> None:
    cells = [counted(name, seed, correct, seen=3) for name in ("dazle", "twin") for seed, correct in enumerate(DAZLE)]
    assert class_interval(results(*cells), "twin", "dazle", "honest") == ClassInterval(0.0, None, None)


def test_a_single_class_of_a_kind_has_no_interval() -> None:
    cells = [counted(name, 0, [5, 6, 7, level], seen=3) for name, level in (("dazle", 4), ("uniform", 6))]
    interval = class_interval(results(*cells), "uniform", "dazle", "honest")
    assert interval is not None and interval.mean == pytest.approx(60 - 48) and interval.low is None


def test_without_seen_test_images_or_without_counts_there_is_no_difference() -> None:
    cells = [counted(name, 0, [5, 6, 7], seen=0) for name in ("dazle", "uniform")]
    assert class_interval(results(*cells), "uniform", "dazle", "honest") is None
    plain = [cell(name, 0, 50.0) for name in ("dazle", "uniform")]
    assert class_interval(results(*plain), "uniform", "dazle", "honest") is None
    assert class_counts(results(*plain)) is None


def test_classes_without_test_images_do_not_count() -> None:
    made = counted("dazle", 0, [5, 0, 7, 4, 3, 0], seen=3)
    made["class_images"] = [10, 0, 10, 10, 10, 0]
    assert class_counts(results(made)) == (2, 2)
