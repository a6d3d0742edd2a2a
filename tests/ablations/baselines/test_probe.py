"""The linear probe: its loss by loops, the gradient at its minimum, and an independent solver."""

import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from ablations.baselines import probe
from ablations.baselines.probe import EXPONENTS, CrossEntropy, probes
from dazle.training.task import Task
from tests.ablations.baselines.small_task import all_features, small_task


def inputs(task: Task) -> tuple[Tensor, list[int]]:
    """Unit features, and labels as positions among the seen classes."""
    images = all_features(task)
    seen = np.flatnonzero(task.seen).tolist()
    return images / images.norm(dim=1, keepdim=True), [seen.index(label) for label in task.labels]


def loop_objective(weights: Tensor, bias: Tensor, features: Tensor, labels: list[int], penalty: float) -> float:
    total = 0.0
    for feature, label in zip(features, labels, strict=True):
        scores = [float(feature @ weights[:, s] + bias[s]) for s in range(weights.shape[1])]
        total -= scores[label] - math.log(sum(math.exp(score) for score in scores))
    return total / len(labels) + penalty / 2 * float(weights.square().sum())


def test_loss_is_the_mean_cross_entropy_of_centred_features() -> None:
    task = small_task()
    features, labels = inputs(task)
    W, b = torch.randn(features.shape[1], 6, dtype=torch.float64), torch.randn(6, dtype=torch.float64)
    cross_entropy = CrossEntropy(task)
    expected = loop_objective(W, b, features - features.mean(dim=0), labels, 0.0)
    loss, by_weights, by_bias = cross_entropy(W, b)
    assert float(loss) == pytest.approx(expected, rel=1e-6)
    W.requires_grad_(), b.requires_grad_()
    logits = (features - features.mean(dim=0)) @ W + b
    torch.nn.functional.cross_entropy(logits, torch.tensor(labels)).backward()
    assert torch.allclose(by_weights, W.grad, atol=1e-7) and torch.allclose(by_bias, b.grad, atol=1e-7)


def test_each_candidate_is_at_the_minimum_of_its_objective() -> None:
    """The objective is convex; `l / 2` times the squared distance to the minimum is at most `|gradient|^2 / 2 l`."""
    task = small_task()
    features, labels = inputs(task)
    for exponent, found in zip(EXPONENTS, probes(task), strict=True):
        W, b = found.weights.clone().requires_grad_(), found.bias.clone().requires_grad_()
        loss = torch.nn.functional.cross_entropy(features @ W + b, torch.tensor(labels))
        objective = loss + 10.0**exponent / 2 * W.square().sum()
        objective.backward()
        assert found.exponent == exponent
        assert W.grad is not None and b.grad is not None
        assert max(W.grad.abs().max(), b.grad.abs().max()) < 2e-6
        assert objective.item() == pytest.approx(
            loop_objective(found.weights, found.bias, features, labels, 10.0**exponent), rel=1e-9
        )


def test_another_solver_finds_the_same_probabilities() -> None:
    task = small_task()
    features, labels = inputs(task)
    for found in probes(task):
        C = 1 / (10.0**found.exponent * len(labels))
        other = LogisticRegression(C=C, tol=1e-9, max_iter=20000, solver="newton-cg").fit(features.numpy(), labels)
        ours = (features @ found.weights + found.bias).softmax(dim=1)
        assert np.abs(ours.numpy() - other.predict_proba(features.numpy())).max() < 2e-3


def test_blocks_do_not_change_the_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [*probes(small_task())]
    monkeypatch.setattr(probe, "BLOCK", 7)
    features, _ = inputs(small_task())
    for one, other in zip(whole, probes(small_task()), strict=True):
        ours, others = ((features @ found.weights + found.bias).softmax(dim=1) for found in (one, other))
        assert (ours - others).abs().max() < 1e-3


def test_a_solver_that_does_not_converge_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "SOLVER", probe.SOLVER | {"maxiter": 2})
    with pytest.raises(FloatingPointError, match=r"weight 0\.001 did not converge"):
        next(probes(small_task()))
