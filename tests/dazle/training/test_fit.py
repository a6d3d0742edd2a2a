from dataclasses import replace

import numpy as np
import pytest
import torch

from dazle.config import Settings, TrainingSettings
from dazle.datasets.simulated import simulate
from dazle.features.splits import final_phase, validation_phase
from dazle.method.semantics import initial_semantics
from dazle.training.dazle import Dazle
from dazle.training.fit import schedule
from dazle.training.train import train

CPU = torch.device("cpu")


def test_a_schedule_counts_as_the_reference_does() -> None:
    plan = schedule(TrainingSettings(epochs=20), 7057)
    assert (plan.per_epoch, plan.steps, len(plan.points)) == (141, 2820, 20)
    deepfashion = schedule(TrainingSettings(epochs=1, evaluate_every=200), 200_050)
    assert deepfashion.steps == 4001
    assert deepfashion.points[:2] == (200, 400)
    assert deepfashion.points[-2:] == (4000, 4001)
    assert schedule(TrainingSettings(epochs=2), 7).points == (1, 2)


@pytest.fixture(scope="module")
def settings() -> Settings:
    return Settings.preset("cub", simulated=True).changed({"training.epochs": 3})


def test_a_curve_has_a_point_an_epoch_and_everything_in_it(settings: Settings) -> None:
    features = simulate("cub")
    phase = final_phase(features)
    fitted = train(Dazle(), features, phase, settings, (1, "cub", 0), CPU)
    assert [point["epoch"] for point in fitted.curves[0]] == [1, 2, 3]
    point = fitted.curves[0][-1]
    sizes = np.bincount(features.labels[np.concatenate([phase.eval_seen, phase.eval_unseen])])
    shares = 100 * np.array(point["correct"]) / sizes
    assert point["S"] == pytest.approx(shares[phase.seen].mean())
    assert point["U"] == pytest.approx(shares[~phase.seen].mean())
    assert point["best_margin_H"] >= point["H"]
    assert point["loss"]["total"] == pytest.approx(
        point["loss"]["class"] + 0.1 * point["loss"]["self_calibration"], rel=1e-5
    )
    assert fitted.images_trained == 3 * (len(phase.train) // 80) * 80


def test_a_validated_margin_is_its_own_in_validation_and_the_mean_over_folds_in_the_test(settings: Settings) -> None:
    features = simulate("cub")
    settings = settings.changed({"loss.test_margin": "validated"})
    validation = train(Dazle(), features, validation_phase(features, 1), settings, (1, "cub", 0), CPU).curves[0]
    assert all(point["margin"] == point["best_margin"] for point in validation)
    assert all(point["H"] == pytest.approx(point["best_margin_H"]) for point in validation)
    other = [{**point, "best_margin": point["best_margin"] + 1} for point in validation]
    test = train(
        Dazle(), features, final_phase(features), settings, (1, "cub", 0), CPU, validation=[validation, other]
    ).curves[0]
    assert [point["margin"] for point in test] == [pytest.approx(point["best_margin"] + 0.5) for point in validation]


def test_unseen_classes_of_the_test_stay_out_of_validation() -> None:
    """Features of every test image may be anything, and the validation curve is the same to the last bit."""
    features = simulate("cub")
    settings = Settings.preset("cub", simulated=True).changed({"training.epochs": 2})
    before = train(Dazle(), features, validation_phase(features, 1), settings, (1, "cub", 0), CPU).curves[0]
    values = features.regions.read(np.arange(len(features.labels))).copy()
    values[np.concatenate([features.test_seen, features.test_unseen])] = np.nan
    attributes = features.attributes.copy()
    attributes[features.unseen_classes] = np.nan
    norms = features.regions.read_norms(np.arange(len(values)))
    poisoned = replace(features, regions=type(features.regions)(values, norms), attributes=attributes)
    assert train(Dazle(), poisoned, validation_phase(poisoned, 1), settings, (1, "cub", 0), CPU).curves[0] == before


def test_a_training_that_diverges_says_so() -> None:
    settings = Settings.preset("cub", simulated=True).changed({"training.epochs": 1, "training.learning_rate": 1e30})
    features = simulate("cub")
    with pytest.raises(FloatingPointError, match="diverged"):
        train(Dazle(), features, final_phase(features), settings, (1, "cub", 0), CPU)


def test_bf16_moves_H_by_less_than_another_seed_does() -> None:
    """Paired by seed: the mean difference lies within one standard deviation over seeds."""
    features = simulate("cub")
    H = {}
    for precision in ("float32", "bf16"):
        settings = Settings.preset("cub", simulated=True).changed({"training.precision": precision})
        fits = [train(Dazle(), features, final_phase(features), settings, (1, "cub", seed), CPU) for seed in range(4)]
        H[precision] = np.array([fitted.curves[0][-1]["H"] for fitted in fits])
    assert abs((H["bf16"] - H["float32"]).mean()) < H["float32"].std(ddof=1)
    assert not np.array_equal(H["bf16"], H["float32"])


def test_semantics_are_of_length_one_and_random_ones_follow_the_seed() -> None:
    features = simulate("cub")
    for choice in ("word2vec", "random", "one-hot"):
        vectors = initial_semantics(features.semantics, 48, choice, 1, "cub", 0)
        assert torch.allclose(vectors.norm(dim=1), torch.ones(len(vectors)))
    first, second = (initial_semantics(features.semantics, 48, "random", 1, "cub", seed) for seed in (0, 1))
    assert first.shape == second.shape == features.semantics["word2vec"].shape
    assert not torch.equal(first, second)
