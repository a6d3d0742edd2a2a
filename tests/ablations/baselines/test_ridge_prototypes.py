"""Ridge prototypes against the minimiser of their objective, written out with loops."""

import math

import torch
from torch.nn.functional import cosine_similarity

from ablations.baselines.ridge_prototypes import EXPONENTS, RidgePrototypes, kernel
from tests.ablations.baselines.small_task import all_features, fitted, small_task


def loop_kernel(seen: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    count = len(seen)
    distances = sorted(float((seen[i] - seen[j]).norm()) for i in range(count) for j in range(i))
    width = distances[(len(distances) - 1) // 2]
    rows = [[math.exp(-(float((s - o).norm()) ** 2) / (2 * width**2)) for o in others] for s in seen]
    return torch.tensor(rows, dtype=torch.float64)


def test_kernel_of_median_width() -> None:
    seen, others = torch.rand(6, 4, dtype=torch.float64), torch.rand(3, 4, dtype=torch.float64)
    assert torch.allclose(kernel(seen, others), loop_kernel(seen, others))
    assert torch.isfinite(kernel(seen[:1], others)).all()


def test_prototypes_are_those_of_the_minimiser() -> None:
    """The objective is convex, so B is its minimiser where the gradient is zero."""
    task = small_task()
    images, z = all_features(task), task.attributes.double()
    seen = [c for c in range(len(z)) if task.seen[c]]
    M = torch.stack([images[torch.from_numpy(task.labels == c)].mean(dim=0) for c in seen], dim=1)
    K, k = loop_kernel(z[seen], z[seen]), loop_kernel(z[seen], z)
    points = fitted(RidgePrototypes(), task)
    for exponent, state, scores in zip(EXPONENTS, points.states, points.scores, strict=True):
        l = 10.0**exponent  # noqa: E741
        B = (M @ torch.linalg.inv(K + l * torch.eye(len(seen)))).requires_grad_()
        ((M - B @ K).square().sum() + l * torch.trace(B @ K @ B.T)).backward()
        assert B.grad is not None and B.grad.abs().max() < 1e-8
        P = (B.detach() @ k).float()
        assert torch.allclose(state["P"], P, rtol=1e-4, atol=1e-5)
        assert torch.allclose(scores, cosine_similarity(images.float()[:, None], P.T[None], dim=2), atol=1e-5)
