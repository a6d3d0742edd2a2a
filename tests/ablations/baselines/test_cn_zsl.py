"""CN-ZSL: its formula by loops, running statistics in test, its initialisation and its schedule."""

from typing import Any

import pytest
import torch
from torch import Tensor

from ablations.baselines.cn_zsl import ClassStandardisation, CnZsl, Decayed, Prototypes
from dazle.training.task import Task
from tests.ablations.baselines.small_task import all_features, fitted, small_task

METHOD = CnZsl()
SWITCHES = ({}, {"model.class_normalisation": False}, {"model.initialisation": "plain"})


def settings_of(**changes: Any) -> Any:
    return METHOD.Settings().changed({"model.hidden": 8, "training.epochs": 4, "training.batch_size": 15} | changes)


def model_of(task: Task, **changes: Any) -> Prototypes:
    return Prototypes(settings_of(**changes).model, task)


def loop_standardised(rows: list[Tensor]) -> list[Tensor]:
    mean = sum(rows) / len(rows)  # type: ignore[arg-type]
    variance = sum((row - mean) ** 2 for row in rows) / (len(rows) - 1)  # type: ignore[arg-type]
    return [(row - mean) / (variance + 1e-5) for row in rows]


@pytest.mark.parametrize("changes", SWITCHES, ids=str)
def test_training_logits_are_the_formula(changes: dict[str, Any]) -> None:
    task = small_task()
    model = model_of(task, **changes).double().requires_grad_(False)
    images = all_features(task)
    standardised = (lambda rows: rows) if "model.class_normalisation" in changes else loop_standardised
    z = [
        z_c.double() / z_c.double().norm() * 5**0.5
        for z_c, seen in zip(task.attributes, task.seen, strict=True)
        if seen
    ]
    layer = lambda linear, x: linear.weight @ x + linear.bias  # noqa: E731
    rows = [layer(model.W_2, layer(model.W_1, z_c).clamp(min=0)) for z_c in z]
    rows = standardised([row.clamp(min=0) for row in standardised(rows)])
    prototypes = [layer(model.V, row).clamp(min=0) for row in rows]
    assert torch.allclose(model.signatures[model.seen], torch.stack(z), atol=1e-6)
    # Normalised in float32 by the model; the comparison below is in float64.
    model.signatures = torch.nn.functional.normalize(task.attributes.double(), dim=1) * 5**0.5
    logits = model(images)
    for image, row in zip(images, logits, strict=True):
        expected = [25 * float(image @ p) / float(image.norm() * p.norm()) for p in prototypes]
        assert row.tolist() == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_running_statistics_are_nine_parts_old_and_one_part_new() -> None:
    CS = ClassStandardisation(3)
    mean, variance = torch.zeros(3), torch.ones(3)
    for number in range(5):
        values = torch.randn(7, 3, generator=torch.Generator().manual_seed(number)) + number
        CS(values, fixed=False)
        mean = 0.9 * mean + 0.1 * values.mean(dim=0)
        variance = 0.9 * variance + 0.1 * values.var(dim=0)
    assert torch.allclose(CS.mean, mean) and torch.allclose(CS.variance, variance)
    rows = torch.randn(4, 3)
    assert torch.allclose(CS(rows, fixed=True), (rows - mean) / (variance + 1e-5))
    assert torch.allclose(CS.mean, mean)


@pytest.mark.parametrize("training", [True, False])
def test_test_scores_never_depend_on_what_else_is_scored(training: bool) -> None:
    """Neither on the other images of the batch, nor on the other classes, nor on the mode of the module."""
    task = small_task()
    model = model_of(task).train(training)
    model(all_features(task).float())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    images = all_features(task).float()
    together = model.scores(images)
    assert torch.allclose(together[3:4], model.scores(images[3:4]), atol=1e-5)
    model.signatures = model.signatures[:4]
    assert torch.allclose(together[:, :4], model.scores(images), atol=1e-5)
    after = model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items() if name != "signatures")


@pytest.mark.parametrize("changes", SWITCHES, ids=str)
def test_being_judged_does_not_change_the_training(changes: dict[str, Any]) -> None:
    """The states with a judge that scores at every point equal those with one that never does."""
    task, settings, states = small_task(), settings_of(**changes), []
    scored = fitted(METHOD, task, settings).states
    METHOD.fit(task, settings, lambda scorer, state, *_, **__: states.append({k: v.clone() for k, v in state.items()}))
    for one, other in zip(scored, states, strict=True):
        assert all(torch.equal(value, other[name]) for name, value in one.items())
    assert ("CS_1.mean" in scored[0]) == ("model.class_normalisation" not in changes)


def test_initial_weights() -> None:
    task = small_task()
    proper, plain = model_of(task), model_of(task, **{"model.initialisation": "plain"})
    bound = (3 / (8 * task.images.shape[1])) ** 0.5
    assert 0.9 * bound < proper.V.weight.abs().max() <= bound
    assert float(proper.V.weight.detach().var()) == pytest.approx(1 / (8 * task.images.shape[1]), rel=0.4)
    assert 0.9 * 8**-0.5 < plain.V.weight.abs().max() <= 8**-0.5
    assert torch.equal(proper.W_1.weight, plain.W_1.weight) and torch.equal(proper.V.bias, plain.V.bias)


def test_the_learning_rate_is_a_tenth_from_half_of_the_schedule_on() -> None:
    task, settings = small_task(), settings_of()
    step = METHOD.step(task, settings)
    decayed, rates = Decayed(step, 3), []
    images, labels = all_features(task).float(), torch.from_numpy(task.labels)
    for _ in range(6):
        decayed(images, labels)
        rates.append(float(step.optimiser.param_groups[0]["lr"]))
    assert rates == pytest.approx([5e-4] * 3 + [5e-5] * 3)


def test_a_step_lowers_the_cross_entropy_over_seen_classes() -> None:
    task = small_task()
    step = METHOD.step(task, settings_of())
    images, labels = all_features(task).float(), torch.from_numpy(task.labels)
    positions = [int(task.seen[:label].sum()) for label in task.labels]
    model = step.model
    assert isinstance(model, Prototypes)
    expected = torch.nn.functional.cross_entropy(model(images), torch.tensor(positions))
    losses = [float(step(images, labels)["total"]) for _ in range(40)]
    assert losses[0] == pytest.approx(expected.item(), rel=1e-5)
    assert losses[-1] < losses[0]
