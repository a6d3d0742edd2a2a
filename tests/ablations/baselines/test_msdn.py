"""MSDN is compared with its formulas, in float64, and its first branch with DAZLE."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, einsum
from torch.testing import assert_close

from ablations.baselines.msdn import Msdn, MsdnSettings, distillation
from dazle.config import Settings
from dazle.training.dazle import build
from tests.ablations.baselines.region_tasks import IS_SEEN, assert_equal_to, calibrated, example, small_task


def js_divergence(p: Tensor, q: Tensor) -> Tensor:
    middle = (p + q) / 2
    return sum((x * (x / middle).log()).sum(dim=1) for x in (p, q)) / 2


@pytest.mark.parametrize("renormalised", [False, True])
@pytest.mark.parametrize("branch_weight", [0.9, 0.3])
def test_scores_loss_and_gradients_are_those_of_the_formulas(renormalised: bool, branch_weight: float) -> None:
    changes = {
        "model.renormalise_semantics": renormalised,
        "model.branch_weight": branch_weight,
        "loss.distillation": 0.5,
    }
    msdn = example(Msdn(), changes)

    def formulas(W: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        V = W["V"] / W["V"].norm(dim=1, keepdim=True) if renormalised else W["V"]
        product = {name: einsum("av,vf,brf->bar", V, W[name], msdn.regions) for name in W if name != "V"}
        e_1 = einsum("bar,bar->ba", torch.softmax(product["W_alpha"], dim=2), product["W_e"])
        e_2 = einsum("bar,bar->ba", torch.softmax(product["W_4"], dim=1), product["W_3"])
        s_1, s_2 = (einsum("ca,ba->bc", msdn.Z, e) for e in (e_1, e_2))
        p_1, p_2 = (torch.softmax(s + torch.where(IS_SEEN, -1.0, 1.0), dim=1) for s in (s_1, s_2))
        d = s_1 - s_2
        distance = (d.abs() ** 3).sum(dim=1) / (d**2).sum(dim=1).sqrt()
        loss = calibrated(s_1, msdn.labels, 0.1) + calibrated(s_2, msdn.labels, 0.1)
        scores = branch_weight * s_1 + (1 - branch_weight) * s_2
        return scores, loss + 0.5 * (js_divergence(p_1, p_2) + distance).mean()

    assert_equal_to(formulas, msdn)


def test_the_first_branch_starts_as_dazle_without_attribute_attention() -> None:
    task = small_task()
    dazle = build(task, Settings().changed({"model.attribute_attention": "none"}))
    msdn = Msdn().model(task, MsdnSettings())
    assert all(torch.equal(value, msdn.state_dict()[name]) for name, value in dazle.state_dict().items())


def test_distillation_is_finite_where_scores_are_equal_or_far_apart() -> None:
    first = torch.tensor([[1.0, 2.0, 3.0], [500.0, 0.0, 0.0]], requires_grad=True)
    second = torch.tensor([[1.0, 2.0, 3.0], [0.0, 500.0, 0.0]])
    distance = distillation(first, second)
    distance.backward()
    assert torch.isfinite(distance) and torch.isfinite(first.grad).all()
    assert_close(distillation(first, first).item(), 0.0)
