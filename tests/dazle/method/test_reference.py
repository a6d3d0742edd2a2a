"""The fast form and the paper's notation, held together over every combination of choices, in float64."""

import itertools

import pytest
import torch
from torch.testing import assert_close

from dazle.config import LossSettings, ModelSettings
from dazle.method import reference
from dazle.method.losses import loss
from dazle.method.model import Model, _attributes_first

B, R, D, A, C, SEEN = 5, 6, 7, 4, 6, 4
REGION = ("dense", "uniform", "shared", "max", "sparse")
ATTRIBUTE = ("sigmoid", "none", "softmax")
# d below and above A takes each of the two orders of multiplication.
CHOICES = list(itertools.product(REGION, ATTRIBUTE, (True, False), (True, False), (2, 9)))
LOSSES = [
    LossSettings(class_loss=class_loss, ce_classes=classes, lambda_=weight, self_calibration=form, train_margin=margin)
    for class_loss, classes, weight, form, margin in itertools.product(
        ("cross-entropy", "ranking"), ("all", "seen"), (0.0, 0.1), ("log-mean", "mean-log"), (0.0, 1.0)
    )
    if weight or form == "log-mean"  # with weight 0 both forms are equal
]


def random_model(region: str, attribute: str, trained: bool, renormalised: bool, d: int) -> tuple[Model, torch.Tensor]:
    """A model with random weights everywhere (zero weights would hide the attentions) and regions, in float64."""
    torch.manual_seed(d)
    settings = ModelSettings(
        region_attention=region,
        attribute_attention=attribute,
        train_semantics=trained,
        renormalise_semantics=renormalised,
    )
    model = Model(settings, torch.randn(A, d).double(), torch.rand(C, A).double(), D, "test")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
    return model, torch.randn(B, R, D).double()


@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: "-".join(map(str, choice)))
def test_scores_loss_and_every_gradient_agree(choice: tuple[str, str, bool, bool, int]) -> None:
    model, regions = random_model(*choice)
    labels, seen = torch.tensor([0, 1, 2, 3, 1]), torch.arange(C) < SEEN
    parameters = {name: value.detach().clone().requires_grad_() for name, value in model.named_parameters()}
    fast = model(regions).scores
    expected_scores = reference.scores({"V": model.V} | parameters, model.class_attributes, regions, model.settings)
    assert_close(fast, expected_scores, rtol=1e-9, atol=1e-12)

    losses = [loss(fast, labels, seen, settings) for settings in LOSSES]
    expected = [reference.loss(expected_scores, labels, seen, settings) for settings in LOSSES]
    assert_close(torch.stack([result.total for result, _ in losses]), torch.stack(expected), rtol=1e-9, atol=1e-12)
    fast_gradients = gradients([(fast * slope).sum() for _, slope in losses], list(model.parameters()))
    expected_gradients = gradients(expected, list(parameters.values()))
    for name, gradient, expected_gradient in zip(parameters, fast_gradients, expected_gradients, strict=True):
        for index, settings in enumerate(LOSSES):
            scale = expected_gradient[index].abs().max().item()
            assert scale > 0, (name, settings)
            difference = (gradient[index] - expected_gradient[index]).abs().max().item()
            assert difference <= 1e-9 * scale, (name, settings)


def gradients(losses: list[torch.Tensor], parameters: list[torch.Tensor]) -> list[torch.Tensor]:
    """For each parameter, (losses, *shape)."""
    per_loss = [torch.autograd.grad(class_loss, parameters, retain_graph=True) for class_loss in losses]
    return [torch.stack(parts) for parts in zip(*per_loss, strict=True)]


def test_both_orders_of_multiplication_are_taken() -> None:
    orders = set()
    for d in (2, 9):
        model, regions = random_model("dense", "sigmoid", True, False, d)
        orders.add(_attributes_first(regions.view(1, B * R, D), model.V[None]))
    assert orders == {True, False}


@pytest.mark.parametrize("rows", [1, 7])
def test_sparsemax_is_the_projection_onto_the_simplex(rows: int) -> None:
    """Against bisection on the threshold, which knows nothing of sorting."""
    from dazle.method.attention import sparsemax

    logits = torch.randn(rows, 9, dtype=torch.float64) * 2
    low, high = logits.min(dim=1).values - 1, logits.max(dim=1).values
    for _ in range(100):
        middle = (low + high) / 2
        above = (logits - middle[:, None]).clamp(min=0).sum(dim=1) > 1
        low, high = torch.where(above, middle, low), torch.where(above, high, middle)
    assert_close(sparsemax(logits, dim=1), (logits - low[:, None]).clamp(min=0), rtol=0, atol=1e-12)


def test_attribute_features_never_exist_in_the_fast_form() -> None:
    """No tensor of A x D values an image, nor a copy of the regions, is kept for the backward pass."""
    model, regions = random_model("dense", "sigmoid", True, False, 2)
    shapes: list[torch.Size] = []

    def save(tensor: torch.Tensor) -> torch.Tensor:
        shapes.append(tensor.shape)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(save, lambda tensor: tensor):
        model(regions)
    assert shapes
    assert not [shape for shape in shapes if len(shape) >= 3 and shape[0] == B and shape[-2:] == (A, D)]


@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: "-".join(map(str, choice)))
def test_maps_and_evidence_are_those_of_the_reference(choice: tuple[str, str, bool, bool, int]) -> None:
    model, regions = random_model(*choice)
    parameters = {"V": model.V} | dict(model.named_parameters())
    V = parameters["V"]
    if model.settings.renormalise_semantics:
        V = V / V.norm(dim=1, keepdim=True)
    alpha, evidence = model.maps(regions)
    assert_close(alpha.sum(dim=2), torch.ones(B, A).double())
    assert_close(alpha, reference.region_attention(parameters, V, regions, model.settings.region_attention))
    assert_close(evidence @ model.class_attributes.T, model(regions).scores)
