"""The statistics do what they promise over many simulated repetitions: 95 % is 95 %, planted effects are found.

Figures seen with 3 and 6 seeds: the paired t interval covers 94.9 and 94.9 % of 20,000 times, and finds 5.1 and 5.1 % of
effects that are not there; of 22 rows that are no different, Holm calls any different in 5.0 and 4.3 % of 1,000 tables
(56 and 49 % without it). BCa over ten seeds covers 86 % of 150 times, over classes 91 % of 100: both somewhat narrow.
"""

import numpy as np
import pandas as pd
import pytest

from reports.analysis.class_bootstrap import ClassCounts, class_difference
from reports.analysis.statistics import LEVEL, bootstrap_interval, holm, paired_difference, t_test

REPETITIONS = 20_000
TABLES, ROWS = 1000, 22


@pytest.mark.parametrize("seeds", [3, 6])
@pytest.mark.parametrize("effect", [0.0, 2.0])
def test_the_paired_interval_covers_95_percent(seeds: int, effect: float) -> None:
    rng = np.random.default_rng(seeds)
    # What a split does to both variants falls out of their difference.
    split = rng.normal(60, 5, (REPETITIONS, seeds))
    a = split + effect + rng.normal(0, 1, split.shape)
    b = split + rng.normal(0, 2, split.shape)
    low, high, p = t_test(a - b)
    # Four standard errors of a share of 20,000: 0.6 points.
    assert np.mean((low <= effect) & (effect <= high)) == pytest.approx(0.95, abs=0.0062)
    if effect == 0:
        assert np.mean(p < LEVEL) == pytest.approx(LEVEL, abs=0.0062)


@pytest.mark.parametrize(("seeds", "effect"), [(3, 12.0), (6, 4.0)])
def test_planted_effects_are_found(seeds: int, effect: float) -> None:
    found = np.random.default_rng(0).normal(effect, 1, (REPETITIONS, seeds))
    low, high, _ = t_test(found)
    assert np.mean(low > 0) > 0.95
    assert np.mean(high < 0) == 0


@pytest.mark.parametrize("seeds", [3, 6])
def test_holm_keeps_the_error_of_a_table(seeds: int) -> None:
    """The rows share the full model's noise, as in a real table."""
    rng = np.random.default_rng(seeds)
    full = rng.normal(0, 1, (TABLES, 1, seeds))
    _, _, p = t_test(rng.normal(0, 1, (TABLES, ROWS, seeds)) - full)
    any_found = np.mean([min(holm(list(row))) < LEVEL for row in p])  # type: ignore[type-var]
    any_raw = np.mean(p.min(axis=1) < LEVEL)
    assert any_found <= LEVEL + 3 * np.sqrt(LEVEL * (1 - LEVEL) / TABLES)
    assert any_raw > 0.3  # what it would be without


def test_holm_still_finds_what_is_planted() -> None:
    rng = np.random.default_rng(1)
    found = rng.normal(0, 1, (200, ROWS, 6))
    found[:, 0] += 10
    _, _, p = t_test(found)
    assert np.mean([holm(list(row))[0] < LEVEL for row in p]) > 0.95  # type: ignore[operator]


def test_the_bootstrap_over_ten_seeds_covers() -> None:
    """With ten seeds BCa still falls short of 95 %, which is why it stands beside the t interval and not for it."""
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(150):
        a, b = pd.Series(rng.normal(61, 2, 10)), pd.Series(rng.normal(60, 2, 10))
        interval = bootstrap_interval(a, b)
        assert interval is not None
        inside.append(interval[0] <= 1 <= interval[1])
    assert 0.84 < np.mean(inside) <= 1


def test_the_class_bootstrap_covers_over_draws_of_classes() -> None:
    """Two models whose accuracies differ by 5 points in every class on average, judged on 40 + 30 random classes."""
    rng = np.random.default_rng(0)
    images, seen = np.full(70, 30), np.arange(70) < 40
    inside = []
    for _ in range(100):
        base = rng.uniform(0.4, 0.8, 70)
        a = ClassCounts(images, rng.binomial(images, base + 0.05), seen)
        b = ClassCounts(images, rng.binomial(images, base), seen)
        difference = class_difference(a, b, "S")
        assert difference is not None and difference.low is not None and difference.high is not None
        inside.append(difference.low <= 5 <= difference.high)
    assert np.mean(inside) > 0.86


def test_paired_difference_uses_the_same_test() -> None:
    rng = np.random.default_rng(0)
    a, b = pd.Series(rng.normal(0, 1, 6)), pd.Series(rng.normal(0, 1, 6))
    low, high, p = t_test((a - b).to_numpy())
    ours = paired_difference(a, b)
    assert (ours.low, ours.high, ours.p) == pytest.approx((low, high, p))
