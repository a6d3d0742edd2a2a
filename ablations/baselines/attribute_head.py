"""Attribute head: a linear classifier of each attribute on every region, without word vectors.

It is the base of APN and SVIP, and the floor under every claim about attention.

    e_a = max_r w_a' f_r  or  mean_r w_a' f_r,    s_c = k cos(e, z_c)

f_r: regions of length 1, w_a (D): one vector per attribute, z_c: class attributes; cross-entropy over the seen classes,
k = 5 or learned from there. Published for the head alone on these splits: no number known to us.

Ours differs: the backbone is frozen; optimiser and schedule are DAZLE's; w_a starts as rows of about unit length, from
the stream of DAZLE's W_e. The cosine does not depend on that length, but the effective learning rate does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from ablations.baselines.closed_form import MarginSettings
from ablations.baselines.region_method import RegionMethod, RegionSettings, normal_weights
from dazle.config import Frozen, LossSettings, Range
from dazle.method.losses import loss
from dazle.training.step import Losses
from dazle.training.task import Task


class HeadSettings(Frozen):
    """Pooling over regions, and the scale k."""

    pooling: Literal["mean", "max"] = "mean"
    scale: Annotated[float, Field(gt=0, allow_inf_nan=False), Range(1.0, 50.0, log=True)] = 5.0
    # Whether k is trained, starting at `scale`.
    learn_scale: bool = False


class AttributeHeadSettings(RegionSettings):
    """All settings of one training of the attribute head."""

    model: HeadSettings = HeadSettings()
    loss: MarginSettings = MarginSettings()

    # Of 0.002, 0.005, 0.01 and 0.02 the rate with the largest geometric mean of both poolings' H, on the validation
    # phases of the generator seeds 101-103, which are never reported.
    simulated_presets: ClassVar = {
        "cub": {"training.learning_rate": 0.002},
        "sun": {"training.learning_rate": 0.005},
        "awa2": {"training.learning_rate": 0.02},
        "deepfashion": {"training.learning_rate": 0.01},
    }


@dataclass(frozen=True)
class Output:
    """scores: (B, C), without margin; evidence: e (B, A); peak: (B, A), the best region, or None for the mean."""

    scores: Tensor
    evidence: Tensor
    peak: Tensor | None

    def peaks(self) -> Tensor | None:
        """(B, A) index of the region that each attribute takes; None for the mean."""
        return self.peak


class HeadModel(nn.Module):
    """Parameters: `W` (A, D), whose rows are w_a, and `scale` k, a buffer if it is not trained."""

    directions: Tensor
    scale: Tensor

    def __init__(self, settings: HeadSettings, W: Tensor, class_attributes: Tensor) -> None:
        """`W`: initial weights; `class_attributes`: z, (C, A)."""
        super().__init__()
        self.pooling = settings.pooling
        self.W = nn.Parameter(W)
        self.register_buffer("directions", functional.normalize(class_attributes, dim=1))
        scale = torch.tensor(settings.scale)
        if settings.learn_scale:
            self.scale = nn.Parameter(scale)
        else:
            self.register_buffer("scale", scale)

    def forward(self, regions: Tensor) -> Output:
        """`regions`: (B, R, D). The product runs in their dtype, the rest in the parameters' dtype."""
        W, peak = self.W.to(regions.dtype), None
        if self.pooling == "mean":
            # The mean of the products is the product of the mean, R times cheaper.
            evidence = (regions.mean(dim=1) @ W.T).to(self.W.dtype)
        else:
            evidence, peak = (regions @ W.T).to(self.W.dtype).max(dim=1)
        return Output(self.scale * functional.normalize(evidence, dim=1) @ self.directions.T, evidence, peak)


class AttributeHead(RegionMethod):
    """Implements `dazle.training.method.Method`."""

    name = "attribute-head"
    Settings = AttributeHeadSettings

    def model(self, task: Task, settings: AttributeHeadSettings) -> HeadModel:
        """With W ~ N(0, 1/D)."""
        dimension = task.images.shape[2]
        W = normal_weights(task, task.attributes.shape[1], dimension) / dimension**0.5
        return HeadModel(settings.model, W, task.attributes)

    def loss(self, task: Task, settings: AttributeHeadSettings) -> Callable[[Any, Tensor], Losses]:
        """Cross-entropy over the seen classes."""
        seen = torch.from_numpy(task.seen).to(task.device)
        cross_entropy = LossSettings(ce_classes="seen", lambda_=0.0)
        return lambda output, labels: loss(output.scores, labels, seen, cross_entropy)
