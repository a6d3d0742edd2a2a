"""The loss: a class loss plus lambda times self-calibration.

Scores come without margin. Cross-entropy never uses one; self-calibration and the ranking loss add the training margin.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from dazle.config import LossSettings


def add_margin(scores: Tensor, seen: Tensor, margin: float) -> Tensor:
    """`scores` (B, C) with `margin` added for unseen and subtracted for seen classes; `seen`: (C,) bool."""
    return torch.where(seen, scores - margin, scores + margin)


def loss(
    scores: Tensor, labels: Tensor, seen: Tensor, settings: LossSettings, log_prior: Tensor | None = None
) -> dict[str, Tensor]:
    """Scalars: `total` and `class`, and `self_calibration` if lambda is not 0; then there must be unseen classes.

    `scores`: (B, C) without margin; `labels`: (B,) positions in C, all of seen classes; `seen`: (C,) bool;
    `log_prior`: (C,), added to the scores of the class loss `prior` (`log_prior` below).
    """
    prior = 0.0 if log_prior is None else log_prior
    class_loss = CLASS_LOSSES[settings.class_loss](scores + prior, labels, seen, settings)
    if settings.lambda_ == 0:
        return {"total": class_loss, "class": class_loss}
    calibration = self_calibration(add_margin(scores, seen, settings.train_margin), seen, settings.self_calibration)
    return {
        "total": class_loss + settings.lambda_ * calibration,
        "class": class_loss,
        "self_calibration": calibration,
    }


def cross_entropy(scores: Tensor, labels: Tensor, seen: Tensor, settings: LossSettings) -> Tensor:
    """Mean cross-entropy over all classes (unseen ones as negatives) or over the seen ones alone; no margin."""
    if settings.ce_classes == "seen":
        scores = scores.masked_fill(~seen, -math.inf)
    return functional.cross_entropy(scores, labels)


def ranking(scores: Tensor, labels: Tensor, seen: Tensor, settings: LossSettings) -> Tensor:
    """mean over b and c in `ce_classes` of max(0, 1 - s_y + s_c), on scores with the training margin.

    The term c = y is a constant 1 and is kept, as the formula has it.
    """
    scores = add_margin(scores, seen, settings.train_margin)
    hinge = (1 - scores.gather(1, labels[:, None]) + scores).clamp(min=0)
    counted = torch.ones_like(seen) if settings.ce_classes == "all" else seen
    return (hinge * counted).sum() / (len(labels) * counted.sum())


def log_prior(labels: Tensor, seen: Tensor, ratio: float, balanced: bool) -> Tensor:
    """(C,) log p(c), after ZLA (IJCAI 2022): log p(c | group) + log p(group), with the groups seen and unseen.

    p(c | seen) is the class's share of the train images, 1/|S| if batches are balanced; p(c | unseen) = 1/|U|;
    p(seen) = ratio / (1 + ratio). `labels`: (n,) of all train images; `seen`: (C,) bool.
    """
    counts = torch.bincount(labels, minlength=len(seen)).double()
    within_seen = seen.double() / seen.sum() if balanced else counts / counts.sum()
    within_unseen = (~seen).double() / (~seen).sum().clamp(min=1)
    prior = torch.where(seen, within_seen * ratio, within_unseen) / (1 + ratio)
    return prior.log().float()


CLASS_LOSSES = {"cross-entropy": cross_entropy, "ranking": ranking, "prior": cross_entropy}


def self_calibration(scores: Tensor, seen: Tensor, form: str) -> Tensor:
    """How little probability unseen classes get; `scores` (B, C) have the training margin.

    `log-mean` (the paper): -log(mean_b sum_{c unseen} softmax_c(s_b)); `mean-log`: -mean_b log(sum ...).
    """
    logs = scores.log_softmax(dim=1).masked_fill(seen, -math.inf).logsumexp(dim=1)
    if form == "mean-log":
        return -logs.mean()
    return math.log(len(scores)) - logs.logsumexp(dim=0)
