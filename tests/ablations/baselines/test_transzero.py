"""TransZero is compared with its formulas, in float64; its geometry and its dropout are tested apart."""

import math
from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from torch import Tensor, einsum
from torch.testing import assert_close

from ablations.baselines.transzero import TransZero, TransZeroSettings
from ablations.baselines.transzero_layers import Dropout, geometry
from tests.ablations.baselines.region_tasks import GRID, IMAGES, assert_equal_to, calibrated, example, small_task

SMALL = {"model.dimension": 4, "model.hidden": 8, "loss.regression": 0.5}
Parameters = Mapping[str, Tensor]


def loop_geometry(rows: int, columns: int) -> Tensor:
    """G (R, R, 64) pair by pair: region r is at (r // columns, r % columns)."""
    G = torch.zeros(rows * columns, rows * columns, 64, dtype=torch.float64)
    for i in range(rows * columns):
        for j in range(rows * columns):
            down, right = abs(i // columns - j // columns) / rows, abs(i % columns - j % columns) / columns
            down, right = down / (1 + 1 / rows), right / (1 + 1 / columns)
            numbers = [math.log(max(down, 1e-3)), math.log(max(right, 1e-3)), 0.0, 0.0]
            angles = [100 * number / 1000 ** (k / 8) for number in numbers for k in range(8)]
            values = [math.sin(angle) for angle in angles] + [math.cos(angle) for angle in angles]
            G[i, j] = torch.tensor(values, dtype=torch.float64)
    return G


def affine(x: Tensor, p: Parameters, name: str) -> Tensor:
    return einsum("...i,oi->...o", x, p[f"{name}.weight"]) + p.get(f"{name}.bias", torch.zeros(()).double())


def norm(x: Tensor, p: Parameters, name: str) -> Tensor:
    centred = x - x.mean(dim=-1, keepdim=True)
    scaled = centred / ((centred**2).mean(dim=-1, keepdim=True) + 1e-5).sqrt()
    return scaled * p[f"{name}.weight"] + p[f"{name}.bias"]


def attend(x: Tensor, memory: Tensor, p: Parameters, name: str, penalty: Tensor | float = 0.0) -> Tensor:
    q, k, v = affine(x, p, f"{name}.query"), affine(memory, p, f"{name}.key"), affine(memory, p, f"{name}.value")
    weights = torch.softmax(einsum("bim,bjm->bij", q, k) / math.sqrt(x.shape[2]) - penalty, dim=2)
    return affine(einsum("bij,bjm->bim", weights, v), p, f"{name}.out")


def feed_forward(x: Tensor, p: Parameters, name: str) -> Tensor:
    inner = torch.relu(affine(x, p, f"{name}.inner"))
    return norm(x + affine(inner, p, f"{name}.outer"), p, f"{name}.norm")


def evidence(p: Parameters, F: Tensor, self_attention: bool, renormalised: bool) -> Tensor:
    """e (B, A)."""
    V = p["V"] / p["V"].norm(dim=1, keepdim=True) if renormalised else p["V"]
    x = affine(F, p, "map_regions")
    penalty = torch.relu(affine(loop_geometry(*GRID), p, "encoder.weigh_geometry")[..., 0])
    y = norm(x + attend(x, x, p, "encoder.attention", penalty), p, "encoder.norm")
    memory = feed_forward(norm(x + y, p, "encoder.norm_around"), p, "encoder.feed_forward")
    t = affine(V, p, "map_attributes").expand(len(F), -1, -1)
    if self_attention:
        t = norm(t + attend(t, t, p, "decoder.self_attention"), p, "decoder.norm_self")
    t = norm(t + attend(t, memory, p, "decoder.attention"), p, "decoder.norm")
    return einsum("av,vm,bam->ba", V, p["W_e"], feed_forward(t, p, "decoder.feed_forward"))


@pytest.mark.parametrize("self_attention", [False, True])
@pytest.mark.parametrize("renormalised", [False, True])
def test_scores_loss_and_gradients_are_those_of_the_formulas(self_attention: bool, renormalised: bool) -> None:
    changes = {"model.attribute_self_attention": self_attention, "model.renormalise_semantics": renormalised}
    small = example(TransZero(), SMALL | changes)
    small.model.encoder.geometry = geometry(GRID)
    with torch.no_grad():
        # So large that the ReLU is positive for some pairs.
        small.model.encoder.weigh_geometry.bias.fill_(1.0)

    def formulas(parameters: Parameters) -> tuple[Tensor, Tensor]:
        e = evidence(parameters, small.regions, self_attention, renormalised)
        s = einsum("ca,ba->bc", small.Z, e)
        regression = ((e - small.Z[small.labels]) ** 2).mean()
        return s, calibrated(s, small.labels, 0.3) + 0.5 * regression

    assert_equal_to(formulas, small)


@pytest.mark.parametrize("grid", [(2, 3), (3, 2), (1, 5), (3, 3)])
def test_the_geometry_follows_the_grid(grid: tuple[int, int]) -> None:
    assert_close(geometry(grid), loop_geometry(*grid), rtol=1e-9, atol=1e-9)
    settings = TransZeroSettings().changed(SMALL)
    model = TransZero().model(small_task(grid), settings)
    assert_close(model.encoder.geometry, geometry(grid).float(), rtol=0, atol=0)


def test_a_region_below_another_is_not_as_far_as_one_beside_it_if_the_grid_is_wide() -> None:
    wide = geometry((2, 3))
    assert not torch.allclose(wide[0, 3], wide[0, 1])
    # Region 4 lies below region 1 as region 3 below region 0.
    assert torch.equal(wide[0, 3], wide[1, 4])


def test_initial_weights_and_training_leave_torchs_own_numbers_alone() -> None:
    task, settings = small_task(), TransZeroSettings().changed(SMALL | {"training.epochs": 1})
    torch.manual_seed(5)
    before = torch.get_rng_state()
    TransZero().fit(replace(task, attributes=task.attributes.float()), settings, lambda *point, **more: None)
    assert torch.equal(before, torch.get_rng_state())


def test_training_drops_and_scoring_does_not() -> None:
    method, task, settings = TransZero(), small_task(), TransZeroSettings().changed(SMALL)
    model = method.model(task, settings).double()
    regions = torch.rand(IMAGES, GRID[0] * GRID[1], task.images.shape[2]).double()
    assert not torch.equal(model(regions).scores, model(regions).scores)
    model.eval()
    assert torch.equal(model(regions).scores, model(regions).scores)


@pytest.mark.parametrize("shape", [(100_001,), (50, 40, 50)])
def test_dropout_keeps_the_mean_and_drops_the_share(shape: tuple[int, ...]) -> None:
    torch.manual_seed(1)
    dropped = Dropout(0.4).train()(torch.ones(shape))
    assert dropped.unique().tolist() == pytest.approx([0.0, 1 / 0.6])
    assert (dropped == 0).double().mean().item() == pytest.approx(0.4, abs=0.01)
