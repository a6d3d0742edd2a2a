"""Models side by side are equal to each alone, or are not trained side by side."""

import pytest
import torch

from dazle.config import Settings, preset
from dazle.datasets.simulated import simulate
from dazle.features.feature_set import FeatureSet
from dazle.features.splits import final_phase
from dazle.training import equal_bits
from dazle.training.fit import Fitted, Repetition, build, fit_side_by_side
from dazle.training.step import Step

CPU = torch.device("cpu")


def sun_settings(batch: int) -> Settings:
    return preset("sun").changed({"training.epochs": 1, "training.batch_size": batch, "training.evaluate_every": 40})


def fit_groups(features: FeatureSet, settings: Settings, *groups: list[int]) -> list[Fitted]:
    phase = final_phase(features)
    return [
        one
        for group in groups
        for one in fit_side_by_side(features, phase, settings, [Repetition((7, seed)) for seed in group], CPU)
    ]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


# Batches of 1 and 3 make matrices that begin off the boundaries at which a matrix of its own begins.
@pytest.mark.parametrize("batch", [1, 3, 20])
def test_seeds_together_end_as_they_do_alone_whatever_the_batch(batch: int) -> None:
    features = simulate("sun")
    stacked = fit_groups(features, sun_settings(batch), [0, 1, 2])
    single = fit_groups(features, sun_settings(batch), [0], [1], [2])
    for one, two in zip(stacked, single, strict=True):
        assert one.curve == two.curve
        for value, expected in zip(one.model.parameters(), two.model.parameters(), strict=True):
            assert torch.equal(value, expected)


def test_the_usual_batch_is_trained_side_by_side() -> None:
    [one, two] = fit_groups(simulate("sun"), sun_settings(20), [0, 1])
    assert one.side_by_side == two.side_by_side == 2


def test_each_alone_where_the_last_bit_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that rounds in another way as soon as it is given several matrices."""

    class Rounding(Step):
        def scores(self, regions: torch.Tensor) -> torch.Tensor:
            return super().scores(regions) * (1 + 2**-22 * (len(regions) > 1))

    features, settings = simulate("sun"), sun_settings(20)
    expected = fit_groups(features, settings, [0], [1])
    monkeypatch.setattr(equal_bits, "Step", Rounding)
    monkeypatch.setattr("dazle.training.fit.Step", Rounding)
    phase = final_phase(features)
    start, seen = build(features, phase, settings, 7, 0), torch.from_numpy(phase.seen)
    shape = (20, *features.regions.shape[1:])
    assert not equal_bits.equal_side_by_side(start, seen, settings, shape, torch.float32, 2)
    fits = fit_groups(features, settings, [0, 1])
    assert [one.curve for one in fits] == [one.curve for one in expected]
    assert {one.side_by_side for one in fits} == {1}


def test_the_start_is_left_as_it_was() -> None:
    features, settings = simulate("sun"), sun_settings(20)
    phase = final_phase(features)
    start = build(features, phase, settings, 7, 0)
    before = [value.clone() for value in start.parameters()]
    shape = (20, *features.regions.shape[1:])
    seen = torch.from_numpy(phase.seen)
    assert equal_bits.equal_side_by_side(start, seen, settings, shape, torch.float32, 2)
    assert all(map(torch.equal, before, start.parameters()))
