"""DeViSE, SJE and ALE: each loss by its definition in loops, and the bilinear score that they share."""

import math

import pytest
import torch

from ablations.baselines.ale import Ale
from ablations.baselines.devise import Devise
from ablations.baselines.hinge import HingeMethod, hinges
from ablations.baselines.sje import Sje
from tests.ablations.baselines.small_task import all_features, fitted, small_task

METHODS = [Devise(), Sje(), Ale()]
EVERY = pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)


def loop_loss(name: str, margins: list[float]) -> float:
    """The loss of an image from the m_c of its wrong classes."""
    if name == "devise":
        return sum(margins)
    if name == "sje":
        return max(margins)
    r = sum(margin > 0 for margin in margins)
    return sum(1 / i for i in range(1, r + 1)) / r * sum(margins) if r else 0.0


@EVERY
def test_the_loss_is_its_definition(method: HingeMethod) -> None:
    draw = torch.Generator().manual_seed(0)
    scores = torch.randn(40, 6, generator=draw, dtype=torch.float64)
    scores[0, 2] = 10.0  # so that one image has no loss
    labels = torch.randint(6, (40,), generator=draw)
    labels[0] = 2
    losses = method.image_losses(hinges(scores, labels))
    for row, label, loss in zip(scores.tolist(), labels.tolist(), losses.tolist(), strict=True):
        margins = [max(0.0, 1 + row[c] - row[label]) for c in range(6) if c != label]
        assert loss == pytest.approx(loop_loss(method.name, margins), abs=1e-12)
    assert losses[0] == 0


@EVERY
def test_a_step_minimises_the_mean_over_seen_classes(method: HingeMethod) -> None:
    task = small_task()
    images, z = all_features(task), task.attributes.double()
    step = method.step(task, method.Settings().changed({"training.learning_rate": 1e-3}))
    W, labels = step.model.W.detach().double().clone(), torch.from_numpy(task.labels)
    expected = []
    for image, label in zip(images, task.labels.tolist(), strict=True):
        s = [float(image / image.norm() @ W @ z_c) for z_c in z]
        margins = [max(0.0, 1 + s[c] - s[label]) for c in range(9) if task.seen[c] and c != label]
        expected.append(loop_loss(method.name, margins))
    first = float(step(images.float(), labels)["total"])
    assert first == pytest.approx(sum(expected) / len(expected), rel=1e-5)
    losses = [float(step(images.float(), labels)["total"]) for _ in range(50)]
    assert losses[-1] < first and all(math.isfinite(loss) for loss in losses)


@EVERY
def test_scores_are_bilinear_in_all_classes_at_every_point(method: HingeMethod) -> None:
    task = small_task()
    settings = method.Settings().changed({"training.epochs": 3, "training.batch_size": 20})
    points = fitted(method, task, settings)
    assert len(points.states) == 3
    assert not torch.equal(points.states[0]["W"], points.states[2]["W"])
    images = torch.nn.functional.normalize(all_features(task).float(), dim=1)
    for state, scores in zip(points.states, points.scores, strict=True):
        assert torch.allclose(scores, images @ state["W"] @ task.attributes.T, atol=1e-5)


def test_all_three_start_from_the_same_weights() -> None:
    task = small_task()
    starts = [method.step(task, method.Settings()).model.W for method in METHODS]
    assert torch.equal(starts[0], starts[1]) and torch.equal(starts[0], starts[2])
