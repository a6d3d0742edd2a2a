"""A small task in float64, and the comparison of a method with its formulas."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from ablations.baselines.region_method import RegionMethod
from dazle.training.task import Task, made_up_task

GRID, CHANNELS, ATTRIBUTES, SEEN, UNSEEN, DIMENSION, IMAGES = (2, 3), 7, 5, 4, 3, 6, 9
CLASSES = torch.arange(SEEN + UNSEEN)
IS_SEEN = CLASSES < SEEN
Formulas = Callable[[Mapping[str, Tensor]], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Example:
    """A model with random weights (zero weights would hide the attentions) and a batch, all in float64."""

    model: nn.Module
    loss: Callable[[Any, Tensor], Mapping[str, Tensor]]
    regions: Tensor  # (B, R, D)
    labels: Tensor  # (B,)
    Z: Tensor  # (C, A)


def small_task(grid: tuple[int, int] = GRID) -> Task:
    task = made_up_task(
        (grid[0] * grid[1], CHANNELS), ATTRIBUTES, (SEEN, UNSEEN), IMAGES, dimension=DIMENSION, semantics="word2vec"
    )
    return replace(task, grid=grid, attributes=nn.functional.normalize(task.attributes.double(), dim=1))


def example(method: RegionMethod, changes: Mapping[str, Any]) -> Example:
    task, settings = small_task(), method.Settings().changed(changes)
    model = method.model(task, settings).double().eval()
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    (_, regions), *_ = task.reader().batches([np.arange(IMAGES)])
    return Example(model, method.loss(task, settings), regions.double(), torch.from_numpy(task.labels), task.attributes)


def assert_equal_to(formulas: Formulas, example: Example) -> None:
    """Scores, loss and the gradient of every parameter; `formulas`: from the parameters by name to scores and loss."""
    output = example.model(example.regions)
    total = example.loss(output, example.labels)["total"]
    parameters = {name: value.detach().clone().requires_grad_() for name, value in example.model.named_parameters()}
    scores, expected_total = formulas(parameters)
    assert_close(output.scores, scores, rtol=1e-9, atol=1e-12)
    assert_close(total, expected_total, rtol=1e-9, atol=1e-12)
    gradients = torch.autograd.grad(total, list(example.model.parameters()))
    expected = torch.autograd.grad(expected_total, list(parameters.values()))
    for name, gradient, expected_gradient in zip(parameters, gradients, expected, strict=True):
        assert expected_gradient.abs().max() > 0, name
        assert_close(gradient, expected_gradient, rtol=1e-8, atol=1e-11, msg=lambda text, name=name: f"{name}: {text}")


def cross_entropy(s: Tensor, y: Tensor) -> Tensor:
    """Over all columns of s."""
    return -torch.log(s[torch.arange(len(y)), y].exp() / s.exp().sum(dim=1)).mean()


def calibrated(s: Tensor, y: Tensor, weight: float) -> Tensor:
    """Cross-entropy over all classes without margin, plus lambda times self-calibration with a margin of 1."""
    unseen = torch.softmax(s + torch.where(IS_SEEN, -1.0, 1.0), dim=1)[:, ~IS_SEEN].sum(dim=1)
    return cross_entropy(s, y) - weight * unseen.mean().log()
