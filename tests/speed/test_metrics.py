"""Evaluating the test images of CUB (4,731 of 200 classes) and AWA2 (13,795 of 50)."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dazle.datasets.published_counts import published_counts
from dazle.training.evaluation import Evaluation

Benchmark = Callable[..., Any]


def random_scores(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores that are right more often than not, labels, and which classes are seen."""
    counts = published_counts(name)
    seen = np.arange(counts["seen classes"] + counts["unseen classes"]) < counts["seen classes"]
    draw = np.random.default_rng(0)
    seen_labels = draw.integers(0, counts["seen classes"], counts["test_seen"])
    unseen_labels = draw.integers(counts["seen classes"], len(seen), counts["test_unseen"])
    labels = np.concatenate([seen_labels, unseen_labels])
    scores = draw.standard_normal((len(labels), len(seen)), np.float32)
    scores[np.arange(len(labels)), labels] += 3
    return scores, labels, seen


@pytest.mark.parametrize("name", ["cub", "awa2"])
def test_metrics(benchmark: Benchmark, name: str) -> None:
    """S, U, H and T1 at one margin."""
    scores, labels, seen = random_scores(name)

    def evaluate() -> tuple[float, float]:
        evaluation = Evaluation(scores, labels, seen)
        return evaluation.at(1.0).H, evaluation.T1

    H, T1 = benchmark(evaluate)
    restricted = np.where(seen, -np.inf, scores)[~seen[labels]].argmax(axis=1) == labels[~seen[labels]]
    per_class = [restricted[labels[~seen[labels]] == c].mean() for c in np.flatnonzero(~seen)]
    assert pytest.approx(100 * np.mean(per_class)) == T1
    assert 0 < H < T1


@pytest.mark.parametrize("name", ["cub", "awa2"])
def test_AUSUC(benchmark: Benchmark, name: str) -> None:
    """The exact curve over all margins, and its best point."""
    case = random_scores(name)

    def sweep() -> tuple[float, float]:
        evaluation = Evaluation(*case)
        return evaluation.AUSUC, evaluation.best[1]

    area, best = benchmark(sweep)
    evaluation = Evaluation(*case)
    assert best >= evaluation.at(0.0).H
    assert 0 < area < 100
