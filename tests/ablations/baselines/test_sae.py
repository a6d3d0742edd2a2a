"""SAE against its objective, against scipy's solver, and its two directions by their definitions."""

import numpy as np
import pytest
import torch
from scipy.linalg import solve_sylvester
from torch.nn.functional import cosine_similarity

from ablations.baselines.closed_form import moments, signatures
from ablations.baselines.sae import EXPONENTS, Sae, solutions
from tests.ablations.baselines.small_task import all_features, fitted, small_task


@pytest.mark.parametrize("index", range(len(EXPONENTS)))
def test_W_is_the_minimiser_of_the_objective(index: int) -> None:
    """The objective is convex, so a gradient of zero is enough."""
    task = small_task()
    X, Z = all_features(task).T, signatures(task)[:, task.labels]
    l = 10.0 ** EXPONENTS[index]  # noqa: E741
    W = [*solutions(Z @ Z.T, X @ X.T, Z @ X.T)][index].requires_grad_()
    objective = (X - W.T @ Z).square().sum() + l * (W @ X - Z).square().sum()
    objective.backward()
    assert W.grad is not None
    assert W.grad.abs().max() < 1e-9 * (1 + l) * (Z @ X.T).abs().max()
    assert torch.allclose(fitted(Sae(), task).states[index]["W"], W.detach().float(), rtol=1e-4, atol=1e-6)


def test_W_is_what_the_general_solver_finds() -> None:
    task = small_task()
    sums, Z = moments(task), signatures(task)
    P, R = ((Z * sums.counts) @ Z.T).numpy(), (Z @ sums.by_class.T).numpy()
    for exponent, W in zip(EXPONENTS, solutions(*map(torch.from_numpy, (P, sums.second.numpy(), R))), strict=True):
        l = 10.0**exponent  # noqa: E741
        np.testing.assert_allclose(W, solve_sylvester(P, l * sums.second.numpy(), (1 + l) * R), rtol=1e-6, atol=1e-9)


def test_directions_without_data_stay_zero() -> None:
    """A channel that is never active and an attribute that no class has make the equation singular."""
    Z, X = torch.rand(4, 30, dtype=torch.float64), torch.rand(6, 30, dtype=torch.float64)
    Z[1], X[2] = 0, 0
    for W in solutions(Z @ Z.T, X @ X.T, Z @ X.T):
        assert torch.isfinite(W).all()
        assert W[1].abs().max() < 1e-9 and W[:, 2].abs().max() < 1e-9


def test_scores_are_cosines_in_the_space_of_the_direction() -> None:
    task, method = small_task(), Sae()
    images, z = all_features(task).float(), task.attributes
    for direction in ("to-attributes", "to-features"):
        points = fitted(method, task, method.Settings().changed({"model.direction": direction}))
        for state, scores in zip(points.states, points.scores, strict=True):
            W = state["W"]
            pairs = (images @ W.T, z) if direction == "to-attributes" else (images, z @ W)
            expected = cosine_similarity(pairs[0][:, None], pairs[1][None], dim=2)
            assert torch.allclose(scores, expected, atol=1e-5)
