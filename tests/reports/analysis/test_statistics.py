"""Statistics over seeds against numbers by hand, and the cases without a statistic."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from reports.analysis.statistics import (
    PairedDifference,
    Summary,
    holm,
    paired_difference,
    rank_note,
    smallest_rank_p,
    summarise,
    t_tests,
)

NAN = float("nan")


def test_summary_is_the_sample_standard_deviation():
    # Squares around the mean: 2.25 + 0.25 + 0.25 + 2.25 = 5, over n - 1 = 3.
    assert summarise([1.0, 2.0, 3.0, 4.0]) == Summary(2.5, pytest.approx((5 / 3) ** 0.5), 4)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], Summary(None, None, 0)),
        ([NAN, NAN], Summary(None, None, 0)),
        ([5.0], Summary(5.0, None, 1)),
        ([NAN, 5.0], Summary(5.0, None, 1)),
        ([NAN, 5.0, 5.0], Summary(5.0, 0.0, 2)),
    ],
)
def test_summary_without_enough_values(values, expected):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert summarise(values) == expected


@pytest.mark.parametrize(
    ("differences", "half_width", "p"),
    [
        # sd 1, so sd / sqrt(n) times the quantile t(0.975, n - 1) of a table; p is two-sided.
        ([-10.0, -11.0, -9.0], 4.3027 / 3**0.5, 0.0033),
        ([1.5**0.5, 0.0, 0.0, -(1.5**0.5)], 3.1824 / 4**0.5, 1.0),
    ],
)
def test_paired_difference_is_the_paired_t_test(differences, half_width, p):
    b = pd.Series([50.0, 70.0, 30.0, 40.0][: len(differences)])
    ours = paired_difference(b + differences, b)
    mean = sum(differences) / len(differences)
    assert (ours.mean, ours.n) == (pytest.approx(mean), len(differences))
    assert (ours.low, ours.high) == (
        pytest.approx(mean - half_width, abs=1e-3),
        pytest.approx(mean + half_width, abs=1e-3),
    )
    assert ours.p == pytest.approx(p, abs=1e-4)


def test_tests_of_several_samples_keep_their_order_whatever_their_lengths():
    samples = [np.array(values) for values in ([1.0, 2.0, 4.0], [3.0], [5.0, 5.0], [2.0, 1.0], [], [-1.0, -2.0, -4.0])]
    assert t_tests(samples) == [t_tests([sample])[0] for sample in samples]
    assert [result.p is None for result in t_tests(samples)] == [False, True, True, False, True, False]


def test_pairs_are_made_by_seed_not_by_order():
    a = pd.Series([1.0, 2.0, 4.0], index=[0, 1, 2])
    b = pd.Series([5.0, 6.0, 9.0], index=[0, 1, 2])
    assert paired_difference(a[::-1], b) == paired_difference(a, b)


def test_only_seeds_with_both_values_count():
    a = pd.Series([1.0, 2.0, NAN, 7.0], index=[0, 1, 2, 3])
    b = pd.Series([0.0, 4.0, 5.0], index=[0, 1, 2])
    ours = paired_difference(a, b)
    assert (ours.mean, ours.n) == (-0.5, 2)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([1.0, 2.0], [1.0, 2.0], PairedDifference(0.0, None, None, 2, None)),
        ([3.0, 4.0, 5.0], [1.0, 2.0, 3.0], PairedDifference(2.0, None, None, 3, None)),
        ([3.0], [1.0], PairedDifference(2.0, None, None, 1, None)),
        ([NAN], [1.0], PairedDifference(None, None, None, 0, None)),
        ([], [], PairedDifference(None, None, None, 0, None)),
    ],
)
def test_differences_without_spread(a, b, expected):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert paired_difference(pd.Series(a, dtype=float), pd.Series(b, dtype=float)) == expected


def test_rounding_is_no_spread():
    a = pd.Series([0.1 + 0.2, 60.3, 55.1])
    ours = paired_difference(a, pd.Series([0.2, 60.2, 55.0]))
    assert ours == PairedDifference(pytest.approx(0.1), None, None, 3, None)


def test_a_seed_that_stands_twice_is_refused():
    twice = pd.Series([1.0, 2.0], index=[0, 0])
    with pytest.raises(ValueError, match="twice"):
        paired_difference(twice, pd.Series([1.0]))


def test_pairs_of_several_datasets_are_made_by_dataset_and_seed():
    index = pd.MultiIndex.from_product([["cub", "sun"], [0, 1]])
    a, b = pd.Series([1.0, 2.0, 30.0, 40.0], index), pd.Series([0.0, 0.0, 30.0, 39.0], index)
    assert paired_difference(a, b[::-1]).mean == 1.0


def test_holm_multiplies_by_the_number_of_tests_that_are_left_and_leaves_out_what_was_not_tested():
    # 3 * 0.01, then 2 * 0.03, then the larger of 1 * 0.04 and the value before.
    p = [0.01, 0.04, 0.03]
    assert holm([p[0], None, p[1], p[2]]) == [pytest.approx(0.03), None, pytest.approx(0.06), pytest.approx(0.06)]
    assert holm([None, None]) == [None, None] and holm([]) == []


@pytest.mark.parametrize("n", [2, 5, 6])
def test_the_smallest_rank_p_is_that_of_scipy(n):
    exact = stats.wilcoxon(np.arange(1.0, n + 1), method="exact").pvalue
    assert smallest_rank_p(n, 1) == pytest.approx(exact) == pytest.approx(2 ** (1 - n))


def test_ranks_that_cannot_say_anything_are_said_so():
    assert smallest_rank_p(6, 17) == pytest.approx(0.53, abs=0.002)
    assert "6 seeds cannot give p < 0.05 over 17 rows, whatever the values (the smallest is 0.53)" in rank_note(6, 17)
    assert "5 seeds cannot give p < 0.05, whatever" in rank_note(5, 1)
    assert rank_note(6, 1) == rank_note(20, 22) == rank_note(1, 22) == ""


def test_equal_differences_say_that_they_are_equal():
    a = pd.Series([1.0, 2.0])
    assert paired_difference(a, a).without_spread and not paired_difference(a, pd.Series([0.0, 0.5])).without_spread
    assert not paired_difference(a[:1], a[:1]).without_spread
