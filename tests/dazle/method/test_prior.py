"""The class loss `prior`: its log prior by loops, its gaps on the datasets, and the loss of DAZLE's step."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from dazle.config import Settings
from dazle.method.losses import log_prior
from dazle.training.dazle import Dazle
from dazle.training.task import Task, made_up_task

PRIOR = {"loss.class_loss": "prior", "loss.lambda": 0.0, "loss.train_margin": 0.0, "loss.test_margin": 0.0}
LABELS = [0, 3, 3, 3, 1, 1, 3, 0, 3, 3]
SEEN = [True, True, False, True, False]
BALANCED = pytest.mark.parametrize("balanced", [False, True])


def loop_prior(labels: Sequence[int], seen: Sequence[bool], ratio: float, balanced: bool) -> list[float]:
    logs = []
    for c, is_seen in enumerate(seen):
        if not is_seen:
            within, group = 1 / seen.count(False), 1 / (1 + ratio)
        else:
            within = 1 / seen.count(True) if balanced else labels.count(c) / len(labels)
            group = ratio / (1 + ratio)
        logs.append(math.log(within) + math.log(group))
    return logs


@BALANCED
def test_log_prior_is_the_formula_and_sums_to_one(balanced: bool) -> None:
    values = log_prior(torch.tensor(LABELS), torch.tensor(SEEN), 30.0, balanced)
    assert values.tolist() == pytest.approx(loop_prior(LABELS, SEEN, 30.0, balanced), rel=1e-6)
    assert float(values.exp().sum()) == pytest.approx(1)


@BALANCED
@pytest.mark.parametrize(
    ("dataset", "seen", "unseen", "gap"), [("cub", 150, 50, 2.3), ("sun", 645, 72, 1.9), ("awa2", 40, 10, 5.5)]
)
def test_gap_between_seen_and_unseen_classes_of_equal_size(
    dataset: str, seen: int, unseen: int, gap: float, balanced: bool
) -> None:
    ratio = Settings.preset(dataset).loss.prior_ratio
    labels = torch.arange(seen).repeat(3)
    values = log_prior(labels, torch.arange(seen + unseen) < seen, ratio, balanced)
    gaps = (values[:seen, None] - values[None, seen:]).flatten()
    assert gaps.tolist() == pytest.approx([math.log(ratio * unseen / seen)] * len(gaps), abs=1e-5)
    assert float(gaps[0]) == pytest.approx(gap, abs=0.05)


def task_of_unequal_classes() -> Task:
    """Class vectors and labels in such an order that a class's position is not its rank among the seen classes."""
    task = made_up_task((6, 7), 5, (3, 2), len(LABELS), dimension=4)
    return replace(task, labels=np.array(LABELS), seen=np.array(SEEN))


@BALANCED
def test_loss_of_a_step_is_the_cross_entropy_of_scores_plus_log_prior(balanced: bool) -> None:
    task = task_of_unequal_classes()
    changes = PRIOR | {"loss.prior_ratio": 7.0, "training.balanced_batches": balanced}
    step = Dazle().step(task, Settings().changed(changes))
    batch = np.array([1, 4, 9, 0])
    ((_, regions),) = task.reader().batches([batch])
    with torch.no_grad():
        scores = step.model(regions).scores.double().tolist()
    # The prior is that of all train images, not of the batch.
    prior = loop_prior(LABELS, SEEN, 7.0, balanced)
    losses = []
    for row, image in zip(scores, batch, strict=True):
        shifted = [score + log for score, log in zip(row, prior, strict=True)]
        losses.append(math.log(sum(math.exp(value) for value in shifted)) - shifted[LABELS[image]])
    total = step(regions, torch.tensor(LABELS)[torch.from_numpy(batch)])["total"]
    assert float(total) == pytest.approx(sum(losses) / len(losses), rel=1e-5)
