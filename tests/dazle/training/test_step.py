"""Models that are trained side by side become, to the last bit, what each of them becomes alone."""

import pytest
import torch

from ablations.variants import VARIANTS, find
from dazle.datasets.simulated import simulate, simulated_settings
from dazle.features.splits import final_phase, validation_phase
from dazle.training.fit import Repetition, fit, fit_side_by_side

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _one_thread() -> object:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


ALL_VARIANTS = [(dataset, name) for dataset in ("cub", "deepfashion") for name in VARIANTS if name != "glove"]
# Averaged regions and a single map make the shapes that libraries treat in ways of their own.
NARROW_SHAPES = [(dataset, name) for dataset in ("sun", "awa2") for name in ("uniform", "shared-map")]


@pytest.mark.parametrize(("dataset", "name"), ALL_VARIANTS + NARROW_SHAPES)
def test_every_variant_side_by_side_is_itself(dataset: str, name: str) -> None:
    features = simulate(dataset)
    settings = simulated_settings(dataset).changed(find(name).changes).changed({"training.epochs": 1})
    phase = final_phase(features)
    repetitions = [Repetition((1, dataset, seed), margins=[0.5] * 9) for seed in range(3)]
    stacked = fit_side_by_side(features, phase, settings, repetitions, CPU)
    for repetition, fitted in zip(repetitions, stacked, strict=True):
        single = fit(features, phase, settings, repetition.seed, CPU, [0.5] * 9)
        assert fitted.curve == single.curve
        assert fitted.train_images == single.train_images
        for parameter, expected in zip(fitted.model.parameters(), single.model.parameters(), strict=True):
            assert torch.equal(parameter, expected)
    assert not torch.equal(stacked[0].model.W_e, stacked[1].model.W_e)


def test_bf16_side_by_side_is_itself() -> None:
    features = simulate("sun")
    settings = simulated_settings("sun").changed({"training.epochs": 1, "training.precision": "bf16"})
    phase = validation_phase(features, 1)
    stacked = fit_side_by_side(features, phase, settings, [Repetition((1, "sun", seed)) for seed in range(6)], CPU)
    for seed, fitted in enumerate(stacked):
        assert fitted.curve == fit(features, phase, settings, (1, "sun", seed), CPU).curve
