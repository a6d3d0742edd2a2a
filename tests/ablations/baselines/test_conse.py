"""ConSE by its definition."""

import numpy as np
import pytest
import torch

from ablations.baselines import conse
from ablations.baselines.conse import Conse
from tests.ablations.baselines.small_task import all_features, fitted, small_task


@pytest.mark.parametrize("top", [3, 10])
def test_scores_are_cosines_to_the_mean_signature_of_the_top_classes(monkeypatch: pytest.MonkeyPatch, top: int) -> None:
    monkeypatch.setattr(conse, "MOST_PROBABLE", top)
    task = small_task()
    points, z = fitted(Conse(), task), task.attributes.numpy()
    seen = np.flatnonzero(task.seen)
    for state, scores in zip(points.states, points.scores, strict=True):
        W, b = state["W"].numpy(), state["b"].numpy()
        for image, row in zip(all_features(task).float().numpy(), scores.numpy(), strict=True):
            logits = image / np.linalg.norm(image) @ W + b
            p = np.exp(logits) / np.exp(logits).sum()
            best = sorted(range(len(seen)), key=lambda s: -p[s])[:top]
            e = sum(p[s] * z[seen[s]] for s in best) / sum(p[s] for s in best)
            expected = [e @ z_c / np.linalg.norm(e) / np.linalg.norm(z_c) for z_c in z]
            np.testing.assert_allclose(row, expected, atol=1e-5)
    assert torch.isfinite(points.scores[0]).all()
