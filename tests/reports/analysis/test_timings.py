"""Medians, tails, ratios and their intervals on times whose answer is known."""

import numpy as np
import pytest

from reports.analysis.timings import median_interval, paired_ratio, spread


def test_a_spread_by_hand() -> None:
    of = spread([0.4, 0.1, 0.2, 0.3, 0.5])
    assert of.median == pytest.approx(0.3)
    assert of.iqr == pytest.approx(0.2)
    assert of.relative == pytest.approx(2 / 3)
    assert of.p95 == 0.5
    assert of.n == 5


def test_p95_is_a_time_that_occurred_and_at_most_a_twentieth_is_longer() -> None:
    times = [float(n) for n in range(1, 41)]
    assert spread(times).p95 == 38
    assert spread(times[:19]).p95 == 19


@pytest.mark.parametrize(("outer", "wide"), [(0.04, False), (0.06, True)])
def test_wide_is_an_interquartile_range_over_a_tenth_of_the_median(outer: float, wide: bool) -> None:
    assert spread([1 - outer, 1 - outer, 1.0, 1 + outer, 1 + outer]).wide is wide


def test_no_times_have_no_spread() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        spread([])


def test_a_ratio_is_taken_round_by_round() -> None:
    """A machine that slows down twentyfold between rounds does not touch it."""
    slow = np.array([1, 20, 3, 7, 1, 15, 2, 9, 4])
    ratio = paired_ratio(list(3.0 * slow), list(slow))
    assert (ratio.median, ratio.low, ratio.high) == (3, 3, 3)
    assert paired_ratio([2.0], [1.0], factor=4).median == 8


def test_only_times_in_turns_are_pairs() -> None:
    with pytest.raises(ValueError, match="3 rounds over 2"):
        paired_ratio([1, 2, 3], [1, 2])


def test_the_interval_is_that_of_order_statistics() -> None:
    """Of nine values the second and the eighth hold the median with 96.1 %: 1 - 2 (1 + 9) / 2**9."""
    interval = median_interval([float(n) for n in range(1, 10)])
    assert (interval.low, interval.median, interval.high) == (2, 5, 8)


def test_five_rounds_have_no_interval() -> None:
    interval = median_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (interval.low, interval.high) == (None, None)
