"""The linear probe that ConSE, COSTA, WAvg and SMO share: softmax regression over the seen classes.

    minimise  -(1/n) sum_i log softmax(W' f_i + b)_{y_i} + (l / 2) ||W||^2

f: pooled feature of unit length, W (D, S), b (S) without penalty, l from the class folds. The objective is convex and
L-BFGS runs to its minimum, so nothing is random. Each evaluation of the loss is one pass over the train images.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor
from torch.nn import functional

from ablations.baselines import closed_form
from dazle.training.task import BLOCK, Task

# log10 of the candidate weights l, the strongest first: each probe starts from the one before.
EXPONENTS = (-3, -4, -5, -6)
# `gtol`: the largest absolute value in the gradient at the minimum.
SOLVER = {"maxiter": 5000, "maxfun": 10000, "maxcor": 20, "gtol": 1e-6, "ftol": 0.0}


@dataclass(frozen=True)
class Probe:
    """`weights` (D, S) and `bias` (S,), float64, of the seen classes in the order of the label space."""

    exponent: int
    weights: Tensor
    bias: Tensor


class CrossEntropy:
    """The mean cross-entropy of the train images, a block at a time, of features less their mean `mean` (D,).

    Since the bias has no penalty, subtracting the mean moves the bias alone; the solver then needs fewer steps.
    """

    def __init__(self, task: Task) -> None:
        self.classes, self.count = int(task.seen.sum()), len(task.labels)
        self.labels = closed_form.seen_positions(task)[torch.from_numpy(task.labels).to(task.device)]
        self.reader = task.reader()  # one for all passes: on a GPU it keeps the images there
        self.mean = torch.zeros(self.reader.shape[0], dtype=torch.float64, device=task.device)
        self.mean = sum((block.sum(dim=0) for _, block in self._blocks()), self.mean) / self.count

    def __call__(self, weights: Tensor, bias: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The loss at `weights` (D, S) and `bias` (S,), and its gradients by both."""
        loss, by_weights, by_bias = weights.new_zeros(()), torch.zeros_like(weights), torch.zeros_like(bias)
        for labels, features in self._blocks():
            logits = features @ weights + bias
            loss += functional.cross_entropy(logits, labels, reduction="sum")
            errors = logits.softmax(dim=1) - functional.one_hot(labels, self.classes)
            by_weights += features.T @ errors
            by_bias += errors.sum(dim=0)
        return loss / self.count, by_weights / self.count, by_bias / self.count

    def _blocks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """(labels, features) of the train images in order, float64."""
        positions = (np.arange(start, min(start + BLOCK, self.count)) for start in range(0, self.count, BLOCK))
        for block, images in self.reader.batches(positions):
            labels = self.labels[torch.from_numpy(block).to(self.labels.device)]
            yield labels, functional.normalize(images.double(), dim=1) - self.mean


def probes(task: Task) -> Iterator[Probe]:
    """The probe of each candidate weight, in the order of `EXPONENTS`.

    Raises FloatingPointError if the solver does not converge.
    """
    cross_entropy = CrossEntropy(task)
    point = np.zeros((len(cross_entropy.mean) + 1) * cross_entropy.classes)
    for exponent in EXPONENTS:
        point = _minimum(cross_entropy, 10.0**exponent, point)
        weights, bias = _unpacked(cross_entropy, point)
        yield Probe(exponent, weights, bias - cross_entropy.mean @ weights)


def _minimum(cross_entropy: CrossEntropy, penalty: float, start: NDArray[np.float64]) -> NDArray[np.float64]:
    """W and b at the minimum of the objective, as one vector; `start`: the same at the start."""

    def value(point: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights, bias = _unpacked(cross_entropy, point)
        loss, by_weights, by_bias = cross_entropy(weights, bias)
        gradient = torch.cat([by_weights + penalty * weights, by_bias[None]])
        return float(loss + penalty / 2 * weights.square().sum()), gradient.flatten().cpu().numpy()

    solution = minimize(value, start, jac=True, method="L-BFGS-B", options=SOLVER)
    if not solution.success:
        raise FloatingPointError(f"the linear probe with weight {penalty:g} did not converge: {solution.message}")
    return solution.x


def _unpacked(cross_entropy: CrossEntropy, point: NDArray[np.float64]) -> tuple[Tensor, Tensor]:
    """W (D, S) and b (S,) of the solver's vector, on the device."""
    rows = torch.from_numpy(point).to(cross_entropy.mean.device).view(-1, cross_entropy.classes)
    return rows[:-1], rows[-1]
