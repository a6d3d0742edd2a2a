"""The losses on numbers that a person can follow; agreement with the reference is tested elsewhere."""

import math

import pytest
import torch

from dazle.config import LossSettings
from dazle.method.losses import add_margin, loss

SEEN = torch.tensor([True, True, False])
LABELS = torch.tensor([0, 1])
SCORES = torch.tensor([[2.0, 0.0, 1.0], [0.0, 3.0, 3.0]], dtype=torch.float64)


def value(**settings: object) -> float:
    return float(loss(SCORES, LABELS, SEEN, LossSettings(**settings))[0].total)


def test_cross_entropy_never_sees_a_margin() -> None:
    assert value(lambda_=0.0, train_margin=5.0) == value(lambda_=0.0, train_margin=0.0)


def test_seen_classes_only() -> None:
    expected = (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(-3))) / 2
    assert value(lambda_=0.0, ce_classes="seen") == pytest.approx(expected)


def test_self_calibration_is_the_log_of_the_batch_mean_of_unseen_probability() -> None:
    def unseen(s: list[float]) -> float:
        return math.exp(s[2] + 1) / (math.exp(s[0] - 1) + math.exp(s[1] - 1) + math.exp(s[2] + 1))

    shares = [unseen(row) for row in SCORES.tolist()]
    class_loss = value(lambda_=0.0)
    assert value(lambda_=0.5) - class_loss == pytest.approx(-0.5 * math.log(sum(shares) / 2))
    mean_log = sum(map(math.log, shares)) / 2
    assert value(lambda_=0.5, self_calibration="mean-log") - class_loss == pytest.approx(-0.5 * mean_log)


def test_ranking_includes_the_margin_and_the_true_class() -> None:
    """With margin 1: scores (1, -1, 2) and (-1, 2, 4); hinges (1, 0, 2) and (0, 1, 3)."""
    assert value(lambda_=0.0, class_loss="ranking") == pytest.approx(7 / 6)
    assert value(lambda_=0.0, class_loss="ranking", ce_classes="seen") == pytest.approx(2 / 4)


def test_parts_are_reported_and_absent_where_they_are_not_in_the_loss() -> None:
    result, _ = loss(SCORES, LABELS, SEEN, LossSettings())
    assert result.self_calibration is not None
    assert float(result.total) == pytest.approx(float(result.class_loss + 0.1 * result.self_calibration))
    assert loss(SCORES, LABELS, SEEN, LossSettings(lambda_=0.0))[0].self_calibration is None


def test_a_margin_is_added_to_unseen_and_taken_from_seen_classes() -> None:
    assert add_margin(torch.zeros(1, 2), torch.tensor([True, False]), 1.5).tolist() == [[-1.5, 1.5]]
