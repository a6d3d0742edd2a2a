"""The training loss: class loss (cross-entropy or ranking) + lambda x self-calibration, and the margin.

Scores come without margin. Cross-entropy uses none; self-calibration and the ranking loss add `train_margin`. Each loss
returns its value and its gradient with respect to the scores: computed together they share their exponentials.

Scores (B, C) give scalar losses. Scores (S, B, C) of S models side by side, with labels (S, B), give losses (S,).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from dazle.config import LossSettings

LossWithGradient = tuple[Tensor, Tensor]  # ([S]) and ([S,] B, C)


@dataclass(frozen=True)
class Loss:
    """Scalars or (S,); `total` = `class_loss` + lambda x `self_calibration`, which is None if lambda is 0."""

    total: Tensor
    class_loss: Tensor
    self_calibration: Tensor | None = None


def add_margin(scores: Tensor, seen: Tensor, margin: float) -> Tensor:
    """`scores` ([S,] B, C) with `margin` added for unseen and subtracted for seen classes; `seen`: (C,) bool."""
    return torch.where(seen, scores - margin, scores + margin)


@torch.no_grad()
def loss(scores: Tensor, labels: Tensor, seen: Tensor, settings: LossSettings) -> tuple[Loss, Tensor]:
    """The loss, and the gradient of its total with respect to `scores`, ([S,] B, C).

    `scores`: ([S,] B, C) without margin; `labels`: ([S,] B) positions in C, all of seen classes; `seen`: (C,) bool. If
    lambda is not 0, `seen` must have an unseen class.
    """
    class_loss, gradient = CLASS_LOSSES[settings.class_loss](scores, labels, seen, settings)
    if settings.lambda_ == 0:
        return Loss(class_loss, class_loss), gradient
    margined = add_margin(scores, seen, settings.train_margin)
    calibration, calibration_gradient = self_calibration(margined, seen, settings.self_calibration)
    total = class_loss + settings.lambda_ * calibration
    return Loss(total, class_loss, calibration), gradient.add_(calibration_gradient, alpha=settings.lambda_)


def cross_entropy(scores: Tensor, labels: Tensor, seen: Tensor, settings: LossSettings) -> LossWithGradient:
    """Mean cross-entropy over all classes (unseen classes are negatives) or over the seen classes only; no margin."""
    if settings.ce_classes == "seen":
        scores = scores.masked_fill(~seen, -math.inf)
    logs, true = scores.log_softmax(dim=-1), labels[..., None]
    gradient = logs.exp().scatter_add_(-1, true, scores.new_full(true.shape, -1))
    return -logs.gather(-1, true).mean(dim=(-2, -1)), gradient.div_(labels.shape[-1])


def ranking(scores: Tensor, labels: Tensor, seen: Tensor, settings: LossSettings) -> LossWithGradient:
    """Mean over b and over c in `ce_classes` of max(0, 1 - s_y + s_c), on scores with the training margin.

    The term c = y is the constant 1; it is part of the formula.
    """
    scores, true = add_margin(scores, seen, settings.train_margin), labels[..., None]
    hinge = (1 - scores.gather(-1, true) + scores).clamp(min=0)
    classes = torch.ones_like(seen) if settings.ce_classes == "all" else seen
    hinge = hinge * classes
    terms = labels.shape[-1] * classes.sum()
    active = (hinge > 0).to(scores)
    gradient = active.scatter_add_(-1, true, -active.sum(dim=-1, keepdim=True))
    return hinge.sum(dim=(-2, -1)) / terms, gradient / terms


CLASS_LOSSES = {"cross-entropy": cross_entropy, "ranking": ranking}


def self_calibration(scores: Tensor, seen: Tensor, form: str) -> LossWithGradient:
    """Self-calibration loss: small if unseen classes get much probability. `scores` ([S,] B, C) include the margin.

    `log-mean` (the paper): -log(mean_b sum_{c unseen} softmax_c(s_b)); `mean-log`: -mean_b log(sum_{c unseen} ...).
    """
    logs, batch = scores.log_softmax(dim=-1), scores.shape[-2]
    unseen_logs = logs.masked_fill(seen, -math.inf)
    unseen_total = unseen_logs.logsumexp(dim=-1, keepdim=True)
    among_unseen = (unseen_logs - unseen_total).exp_()
    gradient = logs.exp_().sub_(among_unseen)
    if form == "mean-log":
        return -unseen_total.mean(dim=(-2, -1)), gradient.div_(batch)
    return math.log(batch) - unseen_total.logsumexp(dim=(-2, -1)), gradient.mul_(unseen_total.softmax(dim=-2))
