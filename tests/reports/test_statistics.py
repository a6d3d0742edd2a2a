"""Against scipy on known cases, and the cases where there is no statistic."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from reports.statistics import PairedDifference, Summary, paired_difference, summarise

NAN = float("nan")


def test_summary_is_the_sample_standard_deviation():
    assert summarise([1.0, 2.0, 3.0, 4.0]) == Summary(2.5, pytest.approx(stats.tstd([1, 2, 3, 4])), 4)


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


@pytest.mark.parametrize("n", [2, 3, 5, 20])
def test_paired_difference_is_the_paired_t_test(n):
    a, b = np.random.default_rng(n).normal(50, 3, (2, n))
    ours = paired_difference(pd.Series(a), pd.Series(b))
    test = stats.ttest_rel(a, b)
    interval = test.confidence_interval(0.95)
    assert (ours.mean, ours.n) == (pytest.approx((a - b).mean()), n)
    assert (ours.low, ours.high, ours.p) == pytest.approx((interval.low, interval.high, test.pvalue))


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
        ([1.0, 2.0], [1.0, 2.0], PairedDifference(0.0, 0.0, 0.0, 2, None)),
        ([3.0, 4.0, 5.0], [1.0, 2.0, 3.0], PairedDifference(2.0, 2.0, 2.0, 3, None)),
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
    assert ours.p is None and ours.low == ours.high == pytest.approx(0.1)


def test_a_seed_that_stands_twice_is_refused():
    twice = pd.Series([1.0, 2.0], index=[0, 0])
    with pytest.raises(ValueError, match="twice"):
        paired_difference(twice, pd.Series([1.0]))
