"""ESZSL against a direct solution of the normal equations of its objective."""

import torch
from torch import Tensor

from ablations.baselines.eszsl import Eszsl
from tests.ablations.baselines.small_task import all_features, fitted, small_task


def direct_W(X: Tensor, Y: Tensor, Z: Tensor, g: float, l: float) -> Tensor:  # noqa: E741
    """W (D, A) where the gradient is 0: X X' W Z Z' + g W Z Z' + l X X' W + g l W = X Y Z'.

    With the rows of W one after the other, P W Q' is the Kronecker product of P and Q times W.
    """
    I_D, I_A = torch.eye(len(X), dtype=X.dtype), torch.eye(len(Z), dtype=Z.dtype)
    XX, ZZ = X @ X.T, Z @ Z.T
    system = torch.kron(XX, ZZ) + g * torch.kron(I_D, ZZ) + l * torch.kron(XX, I_A) + g * l * torch.kron(I_D, I_A)
    return torch.linalg.solve(system, (X @ Y @ Z.T).flatten()).reshape(len(X), len(Z))


def test_every_candidate_solves_the_normal_equations() -> None:
    task = small_task()
    X, seen = all_features(task).T, torch.from_numpy(task.seen)
    z = task.attributes.double()
    Y = torch.nn.functional.one_hot(torch.from_numpy(task.labels), len(seen)).double()[:, seen]
    points = fitted(Eszsl(), task)
    exponents = [(a, b) for a in range(-3, 4) for b in range(-3, 4)]
    assert points.candidates == [{"a": a, "b": b} for a, b in exponents]
    for (a, b), state, scores in zip(exponents, points.states, points.scores, strict=True):
        W = direct_W(X, Y, z[seen].T, 10.0**a, 10.0**b)
        assert torch.allclose(state["W"].double(), W, rtol=1e-4, atol=1e-6 * float(W.abs().max()))
        expected = X.T @ W @ z.T
        assert torch.allclose(scores.double(), expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
