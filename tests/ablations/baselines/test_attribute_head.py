"""The attribute head is compared with its formulas, in float64."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, einsum

from ablations.baselines.attribute_head import AttributeHead
from tests.ablations.baselines.region_tasks import SEEN, assert_equal_to, cross_entropy, example


@pytest.mark.parametrize("pooling", ["mean", "max"])
@pytest.mark.parametrize("learned", [False, True])
def test_scores_loss_and_gradients_are_those_of_the_formulas(pooling: str, learned: bool) -> None:
    head = example(AttributeHead(), {"model.pooling": pooling, "model.learn_scale": learned})

    def formulas(parameters: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        on_regions = einsum("af,brf->bar", parameters["W"], head.regions)
        e = on_regions.mean(dim=2) if pooling == "mean" else on_regions.amax(dim=2)
        cosine = einsum("ba,ca->bc", e, head.Z) / einsum("b,c->bc", e.norm(dim=1), head.Z.norm(dim=1))
        s = parameters.get("scale", 5.0) * cosine
        return s, cross_entropy(s[:, :SEEN], head.labels)

    assert_equal_to(formulas, head)


def test_peaks_are_the_best_regions_and_the_mean_has_none() -> None:
    best = example(AttributeHead(), {"model.pooling": "max"})
    expected = einsum("af,brf->bar", best.model.W, best.regions).argmax(dim=2)
    assert torch.equal(best.model(best.regions).peaks(), expected)
    mean = example(AttributeHead(), {"model.pooling": "mean"})
    assert mean.model(mean.regions).peaks() is None
