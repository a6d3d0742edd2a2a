"""The loss: a class loss plus lambda times self-calibration.

Scores come without margin. Cross-entropy never sees one; self-calibration and the ranking loss see `train_margin`.
Each loss gives its value and its gradient with respect to the scores at once: written out they share their
exponentials, and a small model spends its time on the number of operations.

Scores (B, C) make scalars. Those of S models side by side, (S, B, C) with labels (S, B), make losses (S,).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from dazle.config import LossSettings

Sloped = tuple[Tensor, Tensor]  # a scalar, and its gradient (B, C)


@dataclass(frozen=True)
class Loss:
    """Scalars, or (S,) of S models; `self_calibration` is None where lambda is 0."""

    total: Tensor
    class_loss: Tensor
    self_calibration: Tensor | None = None


def with_margin(scores: Tensor, seen: Tensor, margin: float) -> Tensor:
    """`scores` ([S,] B, C) with `margin` added for unseen and subtracted for seen classes; `seen`: (C,) bool."""
    return torch.where(seen, scores - margin, scores + margin)


@torch.no_grad()
def loss(scores: Tensor, labels: Tensor, seen: Tensor, settings: LossSettings) -> tuple[Loss, Tensor]:
    """The loss and the gradient of its total with respect to `scores`.

    `scores`: ([S,] B, C) without margin; `labels`: ([S,] B) positions in C, all of seen classes; `seen`: (C,) bool.

    With a lambda that is not 0 there must be an unseen class.
    """
    of_class, slope = CLASS_LOSSES[settings.class_loss](scores, labels, seen, settings)
    if settings.lambda_ == 0:
        return Loss(of_class, of_class), slope
    margined = with_margin(scores, seen, settings.train_margin)
    calibration, of_margined = self_calibration(margined, seen, settings.self_calibration)
    total = of_class + settings.lambda_ * calibration
    return Loss(total, of_class, calibration), slope.add_(of_margined, alpha=settings.lambda_)


def cross_entropy(scores: Tensor, labels: Tensor, seen: Tensor, settings: LossSettings) -> Sloped:
    """Mean cross-entropy over all classes (unseen ones as negatives) or over the seen ones alone; no margin."""
    if settings.ce_classes == "seen":
        scores = scores.masked_fill(~seen, -math.inf)
    logs, true = scores.log_softmax(dim=-1), labels[..., None]
    slope = logs.exp().scatter_add_(-1, true, scores.new_full(true.shape, -1))
    return -logs.gather(-1, true).mean(dim=(-2, -1)), slope.div_(labels.shape[-1])


def ranking(scores: Tensor, labels: Tensor, seen: Tensor, settings: LossSettings) -> Sloped:
    """mean over b and c in `ce_classes` of max(0, 1 - s_y + s_c), on scores with the training margin.

    The term c = y is a constant 1 and is kept, as the formula has it.
    """
    scores, true = with_margin(scores, seen, settings.train_margin), labels[..., None]
    hinge = (1 - scores.gather(-1, true) + scores).clamp(min=0)
    counted = torch.ones_like(seen) if settings.ce_classes == "all" else seen
    hinge = hinge * counted
    terms = labels.shape[-1] * counted.sum()
    active = (hinge > 0).to(scores)
    slope = active.scatter_add_(-1, true, -active.sum(dim=-1, keepdim=True))
    return hinge.sum(dim=(-2, -1)) / terms, slope / terms


CLASS_LOSSES = {"cross-entropy": cross_entropy, "ranking": ranking}


def self_calibration(scores: Tensor, seen: Tensor, form: str) -> Sloped:
    """How little probability unseen classes get; `scores` ([S,] B, C) carry the training margin.

    `log-mean` (the paper): -log(mean_b sum_{c unseen} softmax_c(s_b)); `mean-log`: -mean_b log(sum ...).
    """
    logs, batch = scores.log_softmax(dim=-1), scores.shape[-2]
    of_unseen = logs.masked_fill(seen, -math.inf)
    unseen = of_unseen.logsumexp(dim=-1, keepdim=True)
    among_unseen = (of_unseen - unseen).exp_()
    slope = logs.exp_().sub_(among_unseen)
    if form == "mean-log":
        return -unseen.mean(dim=(-2, -1)), slope.div_(batch)
    return math.log(batch) - unseen.logsumexp(dim=(-2, -1)), slope.mul_(unseen.softmax(dim=-2))
