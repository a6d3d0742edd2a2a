"""The loss: a class loss plus lambda times self-calibration.

Scores come without margin. Cross-entropy never sees one; self-calibration and the ranking loss see `train_margin`.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from dazle.calibration import with_margin
from dazle.config import LossSettings


@dataclass(frozen=True)
class Loss:
    """Scalars; `self_calibration` is None where lambda is 0 or the label space has no unseen class."""

    total: Tensor
    class_loss: Tensor
    self_calibration: Tensor | None

    def detached(self) -> "Loss":
        """The values alone: whoever keeps a loss with its graph keeps megabytes a step."""
        calibration = self.self_calibration
        return Loss(
            self.total.detach(), self.class_loss.detach(), None if calibration is None else calibration.detach()
        )


def loss(scores: Tensor, labels: Tensor, seen: Tensor, settings: LossSettings) -> Loss:
    """`scores`: (B, C) without margin; `labels`: (B,) positions in C, all of seen classes; `seen`: (C,) bool."""
    of_class = CLASS_LOSSES[settings.class_loss](scores, labels, seen, settings)
    if settings.lambda_ == 0 or bool(seen.all()):
        return Loss(of_class, of_class, None)
    calibration = self_calibration(with_margin(scores, seen, settings.train_margin), seen, settings.self_calibration)
    return Loss(of_class + settings.lambda_ * calibration, of_class, calibration)


def cross_entropy(scores: Tensor, labels: Tensor, seen: Tensor, settings: LossSettings) -> Tensor:
    """Mean cross-entropy over all classes (unseen ones as negatives) or over the seen ones alone; no margin."""
    if settings.ce_classes == "seen":
        scores = scores.masked_fill(~seen, -math.inf)
    return functional.cross_entropy(scores, labels)


def ranking(scores: Tensor, labels: Tensor, seen: Tensor, settings: LossSettings) -> Tensor:
    """mean over b and c in `ce_classes` of max(0, 1 - s_y + s_c), on scores with the training margin.

    The term c = y is a constant 1 and is kept, as the formula has it.
    """
    scores = with_margin(scores, seen, settings.train_margin)
    hinge = (1 - scores.gather(1, labels[:, None]) + scores).clamp(min=0)
    return (hinge if settings.ce_classes == "all" else hinge[:, seen]).mean()


CLASS_LOSSES = {"cross-entropy": cross_entropy, "ranking": ranking}


def self_calibration(scores: Tensor, seen: Tensor, form: str) -> Tensor:
    """How little probability unseen classes get; `scores` (B, C) carry the training margin.

    `log-mean` (the paper): -log(mean_b sum_{c unseen} softmax_c(s_b)); `mean-log`: -mean_b log(sum ...).
    """
    log_unseen = scores.masked_fill(seen, -math.inf).logsumexp(dim=1) - scores.logsumexp(dim=1)
    if form == "mean-log":
        return -log_unseen.mean()
    return math.log(len(log_unseen)) - torch.logsumexp(log_unseen, dim=0)
