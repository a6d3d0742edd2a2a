"""The interval over test classes covers the difference in H of all classes in 95 % of simulated draws of test classes.

Two kinds of pairs: `alike` (two rows find the same classes hard, as two calibrated models do), and `far apart` (the
second has an accuracy of about 10 % on unseen classes, as an uncalibrated method has). Figures seen, of 4,000 repetitions
each: docs/reports.md.
"""

import numpy as np
import pytest
from numpy.typing import NDArray

from reports.analysis.class_intervals import ClassAccuracies, bounds, harmonic_mean

# The repetitions are simulated together in chunks that fit in memory.
CHUNKS, CHUNK, TRAININGS, IMAGES = 16, 250, 3, 25
# Standard deviations of a class's log-odds: common to both rows, of one row, of one training.
COMMON, OWN, TRAINING = 1.0, 0.5, 0.3
# Mean log-odds of seen and of unseen classes, for the row and for its reference.
PAIRS = {"alike": ((0.6, 0.4), (0.5, 0.6)), "far apart": ((1.0, -2.6), (0.5, 0.6))}


def draw(
    random: np.random.Generator, means: tuple[tuple[float, float], tuple[float, float]], classes: tuple[int, int]
) -> list[ClassAccuracies]:
    """Test classes of a chunk, for the row and its reference: (repetitions, trainings, classes) of each kind."""
    rows: list[list[NDArray[np.float64]]] = [[], []]
    for kind, count in enumerate(classes):
        common = random.normal(0, COMMON, (CHUNK, 1, count))
        for row, mean in zip(rows, means, strict=True):
            own = random.normal(0, OWN, (CHUNK, 1, count))
            training = random.normal(0, TRAINING, (CHUNK, TRAININGS, count))
            odds = mean[kind] + common + own + training
            row.append(100 * random.binomial(IMAGES, 1 / (1 + np.exp(-odds))) / IMAGES)
    return [ClassAccuracies(*row) for row in rows]


def true_H(means: tuple[float, float]) -> float:
    """H over all classes: the expected accuracy of a class is an integral over the normal log-odds."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    sd = (COMMON**2 + OWN**2 + TRAINING**2) ** 0.5
    s, u = (100 * (weights / weights.sum()) @ (1 / (1 + np.exp(-(mean + sd * nodes)))) for mean in means)
    return float(harmonic_mean(np.array(s), np.array(u)))


@pytest.mark.slow
@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("unseen", [3, 10, 33, 50])
def test_the_interval_over_test_classes_covers_95_percent(pair: str, unseen: int) -> None:
    means, random = PAIRS[pair], np.random.default_rng(unseen)
    truth = true_H(means[0]) - true_H(means[1])
    intervals = [bounds(*draw(random, means, (2 * unseen, unseen))) for _ in range(CHUNKS)]
    low, high = np.concatenate(intervals, axis=1)
    coverage = np.mean((low <= truth) & (truth <= high))
    print(f"{pair}, {unseen} unseen: {100 * coverage:.1f} % of {len(low)}, mean width {np.mean(high - low):.1f}")
    assert 0.925 <= coverage <= 0.998
