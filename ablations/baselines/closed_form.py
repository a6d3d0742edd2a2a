"""What closed forms share: settings, second moments of pooled features, the linear scorer, and the curve of candidates.

A closed form has no epochs. Its curve has one point for each candidate regulariser, in an order that is the same in
every phase, so that validation chooses the candidate and its margin as it chooses an epoch of other methods.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from dazle.config import Frozen, Margin, MethodSettings, Range
from dazle.training.scorer import Scores
from dazle.training.task import Task


class MarginSettings(Frozen):
    """The margin at test time, of methods that have no margin of their own: none, a number, or the validated one."""

    test_margin: Annotated[Margin | Literal["validated"], Range(-2.0, 2.0)] = 0.0


class FixedMarginSettings(Frozen):
    """The margin at test time, without a range: the scores of closed forms differ by orders of magnitude."""

    test_margin: Margin | Literal["validated"] = 0.0


class ClosedFormSettings(MethodSettings):
    """A closed form chooses its regulariser itself; only the margin is a setting, and validation chooses it exactly."""

    loss: FixedMarginSettings = Field(default_factory=FixedMarginSettings)


@dataclass
class LinearScorer:
    """s_c = p_c' f, with f of unit length if `unit`, or the cosine of both; `weights` (D, C) hold p_c.

    `bias` (C,) is added.
    """

    weights: Tensor
    cosine: bool = False
    unit: bool = False
    bias: Tensor | None = None
    parameters: int = 0
    normalise: bool = True

    def __call__(self, images: Tensor, peaks: bool = False) -> Scores:
        """`images`: pooled features (b, D)."""
        weights = self.weights
        if self.unit or self.cosine:
            images = torch.nn.functional.normalize(images, dim=1)
        if self.cosine:
            weights = torch.nn.functional.normalize(weights, dim=0)
        values = images @ weights
        return Scores(values if self.bias is None else values + self.bias)


@dataclass(frozen=True)
class Moments:
    """Sums over the n train images, in float64: `second` X X' (D, D), `by_class` X Y (D, C), `counts` (C,)."""

    second: Tensor
    by_class: Tensor
    counts: Tensor


def moments(task: Task) -> Moments:
    """One pass over the pooled features, a block at a time; `Task.labels` give the columns of Y."""
    dimension, classes = task.images.shape[1], len(task.seen)
    second = torch.zeros(dimension, dimension, dtype=torch.float64, device=task.device)
    by_class = torch.zeros(classes, dimension, dtype=torch.float64, device=task.device)
    labels = torch.from_numpy(task.labels).to(task.device)
    for positions, images in task.blocks():
        block = images.double()
        second += block.T @ block
        by_class.index_add_(0, labels[torch.from_numpy(positions).to(task.device)], block)
    counts = torch.bincount(labels, minlength=classes).double()
    return Moments(second, by_class.T, counts)


def class_means(task: Task) -> Tensor:
    """(D, S) float64: the mean pooled feature of each seen class; one pass, a block at a time."""
    sums = torch.zeros(len(task.seen), task.images.shape[1], dtype=torch.float64, device=task.device)
    labels = torch.from_numpy(task.labels).to(task.device)
    for positions, images in task.blocks():
        sums.index_add_(0, labels[torch.from_numpy(positions).to(task.device)], images.double())
    counts = torch.bincount(labels, minlength=len(sums))
    return (sums / counts[:, None])[torch.from_numpy(task.seen).to(task.device)].T


def signatures(task: Task) -> Tensor:
    """z_c of every class of the label space, (A, C) float64 on the device."""
    return task.attributes.to(task.device).double().T


def seen_positions(task: Task) -> Tensor:
    """(C,) on the device: of each seen class its position among the seen ones; meaningless for unseen ones."""
    return torch.from_numpy(task.seen.cumsum() - 1).to(task.device)


def fractions(candidates: int) -> list[float]:
    """The place of each candidate in the curve: the last at 1."""
    return [number / candidates for number in range(1, candidates + 1)]


def state_of(**tensors: Tensor) -> Mapping[str, Tensor]:
    """A state for the judge: float32, contiguous, as safetensors stores it."""
    return {name: value.float().contiguous() for name, value in tensors.items()}


def parameters(state: Mapping[str, Any]) -> int:
    """How many fitted numbers a state has."""
    return sum(value.numel() for value in state.values())
