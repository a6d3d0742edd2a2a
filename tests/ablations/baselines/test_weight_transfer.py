"""COSTA, WAvg and SMO: the mixtures by their definitions, and the classifiers that they make."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from ablations.baselines.costa import Costa
from ablations.baselines.probe import probes
from ablations.baselines.smo import Smo, nearest_mixture
from ablations.baselines.wavg import WAvg
from ablations.baselines.weight_transfer import WeightTransfer
from tests.ablations.baselines.small_task import all_features, fitted, small_task


def signatures(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    z = torch.nn.functional.normalize(torch.rand(9, 5, generator=draw, dtype=torch.float64), dim=1)
    return z[:6], z[6:]


def test_costa_divides_similarities_by_their_sum() -> None:
    seen, unseen = signatures()
    M = Costa().mixtures(seen, unseen)
    for u in range(3):
        products = [float(unseen[u] @ seen[s]) for s in range(6)]
        assert M[u].tolist() == pytest.approx([product / (sum(products) + 1e-4) for product in products])


def test_wavg_falls_with_the_distance() -> None:
    seen, unseen = signatures()
    M = WAvg().mixtures(seen, unseen)
    for u in range(3):
        expected = [math.exp(-5 * math.dist(unseen[u].tolist(), seen[s].tolist())) for s in range(6)]
        assert M[u].tolist() == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
def test_smo_is_the_direct_minimiser_on_the_simplex(seed: int) -> None:
    seen, unseen = (part.numpy() for part in signatures(seed))
    for row, target in zip(Smo().mixtures(*signatures(seed)).numpy(), unseen, strict=True):
        distance = lambda a: float(np.square(a @ seen - target).sum())  # noqa: B023, E731
        direct = minimize(
            distance, np.full(6, 1 / 6), method="SLSQP", bounds=[(0, 1)] * 6,
            constraints={"type": "eq", "fun": lambda a: a.sum() - 1}, options={"ftol": 1e-15, "maxiter": 1000},
        )  # fmt: skip
        assert row.min() >= 0 and row.sum() == pytest.approx(1)
        assert distance(row) <= direct.fun + 1e-9
        np.testing.assert_allclose(row, direct.x, atol=1e-3)


def test_smo_satisfies_the_optimality_conditions() -> None:
    """At the minimum all classes in use have the same gradient, and no other class a smaller one."""
    draw = np.random.default_rng(1)
    points, target = draw.random((40, 8)), draw.random(8)
    a = nearest_mixture(points, target)
    gradient = points @ (a @ points - target)
    assert gradient[a > 0] == pytest.approx(gradient.min(), abs=1e-9)


def test_smo_of_a_seen_signature_is_that_class() -> None:
    points = np.random.default_rng(2).random((6, 5))
    np.testing.assert_allclose(nearest_mixture(points, points[4]), np.eye(6)[4], atol=1e-9)


@pytest.mark.parametrize("method", [Costa(), WAvg(), Smo()])
def test_seen_classes_keep_the_probe_and_unseen_ones_are_mixtures_of_it(method: WeightTransfer) -> None:
    task = small_task()
    points, z = fitted(method, task), task.attributes.double()
    seen = torch.from_numpy(task.seen)
    M = method.mixtures(z[seen], z[~seen])
    images = all_features(task)
    images = torch.cat([images / images.norm(dim=1, keepdim=True), torch.ones(len(images), 1)], dim=1)
    for probe, scores in zip(probes(task), points.scores, strict=True):
        w = torch.cat([probe.weights, probe.bias[None]])
        expected = torch.empty(len(images), 9, dtype=torch.float64)
        for column, c in enumerate(np.flatnonzero(task.seen)):
            expected[:, c] = images @ w[:, column]
        for row, c in enumerate(np.flatnonzero(~task.seen)):
            expected[:, c] = images @ sum(M[row, s] * w[:, s] for s in range(6))
        assert torch.allclose(scores.double(), expected, rtol=1e-4, atol=1e-3)
