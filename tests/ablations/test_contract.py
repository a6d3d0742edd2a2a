"""The contract of a variant, on every registered one; a new variant needs no test of its own."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from ablations.suites import SUITES
from ablations.variants import AXES, VARIANTS, Variant, check_settings, find, register
from dazle.config import PRESETS, Settings
from dazle.datasets.simulated import simulate
from dazle.errors import InputError
from dazle.features.feature_set import FeatureSet
from dazle.features.splits import final_phase
from dazle.method.losses import loss
from dazle.method.model import Model
from dazle.training.dazle import Dazle, build
from dazle.training.task import task_of
from dazle.training.train import train

# A and C of the real sets; R = 49 and D = 2048 everywhere.
SHAPES = {"cub": (312, 200), "sun": (102, 717), "awa2": (85, 50), "deepfashion": (1000, 46)}
CPU = torch.device("cpu")
OF_DAZLE = [variant for variant in VARIANTS.values() if variant.method == "dazle"]
EVERY = pytest.mark.parametrize("variant", OF_DAZLE, ids=lambda variant: variant.name)


@cache
def features_of(name: str) -> FeatureSet:
    """Simulated features with every set of attribute vectors that a variant names."""
    features = simulate(name)
    return replace(features, semantics=features.semantics | {"glove": features.semantics["word2vec"][:, ::-1].copy()})


def settings_of(variant: Variant, dataset: str = "cub") -> Settings:
    return Settings.preset(dataset, simulated=True).changed(variant.changes)


def batch_of(features: FeatureSet, settings: Settings) -> tuple[Model, torch.Tensor, torch.Tensor, torch.Tensor]:
    """The untrained model, 60 training images (every other one), their labels, and the seen classes."""
    phase = final_phase(features)
    images = phase.train[:: len(phase.train) // 60]
    regions = torch.from_numpy(features.regions.read(images)).float()
    if not settings.model.normalise_regions:
        regions = regions * torch.from_numpy(features.regions.read_norms(images))[:, :, None]
    labels = torch.from_numpy(phase.positions(features.labels[images]))
    model = build(task_of(features, phase, (1,), CPU), settings)
    return model, regions, labels, torch.from_numpy(phase.seen)


@EVERY
@pytest.mark.parametrize("dataset", SHAPES)
def test_builds_on_the_shapes_of_every_dataset(variant: Variant, dataset: str) -> None:
    attributes, classes = SHAPES[dataset]
    settings = Settings.preset(dataset).changed(variant.changes)
    d = attributes if settings.model.semantics == "one-hot" else 300
    with torch.inference_mode():
        model = Model(settings.model, torch.randn(attributes, d), torch.rand(classes, attributes), 2048, 1)
        out = model(torch.rand(2, 49, 2048))
    assert out.scores.shape == (2, classes)
    assert torch.isfinite(out.scores).all()
    looks = settings.model.region_attention != "uniform"
    assert (out.peaks().shape == (2, attributes)) if looks else (out.peaks() is None)


@EVERY
def test_one_step_lowers_the_loss_and_reaches_every_parameter(variant: Variant) -> None:
    settings = settings_of(variant)
    model, regions, labels, seen = batch_of(features_of("cub"), settings)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-4)
    before = loss(model(regions).scores, labels, seen, settings.loss)["total"]
    before.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name
        assert torch.isfinite(parameter.grad).all(), name
    optimizer.step()
    assert loss(model(regions).scores, labels, seen, settings.loss)["total"] < before


@EVERY
def test_the_same_seed_gives_the_same_bits(variant: Variant) -> None:
    settings = settings_of(variant).changed({"training.epochs": 1})
    features = features_of("cub")
    runs = [
        train(Dazle(), features, final_phase(features), settings, (1, "cub", 0), CPU, states_at=[None])
        for _ in range(2)
    ]
    assert runs[0].curves == runs[1].curves
    other = runs[1].states[0]
    for name, value in runs[0].states[0].items():
        assert torch.equal(value, other[name]), name


@EVERY
def test_the_state_survives_safetensors(variant: Variant, tmp_path: Path) -> None:
    model, regions, _, _ = batch_of(features_of("cub"), settings_of(variant))
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    again, *_ = batch_of(features_of("cub"), settings_of(variant))
    with torch.no_grad():
        for parameter in again.parameters():
            parameter.zero_()
    again.load_state_dict(load_file(tmp_path / "model.safetensors"))
    assert torch.equal(again(regions).scores, model(regions).scores)


@EVERY
def test_initial_weights_are_those_of_the_full_model(variant: Variant) -> None:
    """Paired by construction: weights of equal shape start from the same numbers."""
    features = features_of("cub")
    full = build(task_of(features, final_phase(features), (1, "cub", 0), CPU), settings_of(find("dazle")))
    own = build(task_of(features, final_phase(features), (1, "cub", 0), CPU), settings_of(variant))
    if own.W_e.shape == full.W_e.shape:
        assert torch.equal(own.W_e, full.W_e)


@EVERY
@pytest.mark.parametrize("dataset", PRESETS)
def test_changes_are_settings_and_change_something(variant: Variant, dataset: str) -> None:
    base = Settings.preset(dataset)
    assert (base.changed(variant.changes) == base) is (variant.name == "dazle")


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=lambda variant: variant.name)
def test_settings_are_those_of_the_method_and_of_no_other_variant(variant: Variant) -> None:
    check_settings(variant)


def test_names_that_others_script_against() -> None:
    assert SUITES["supplement"].variants == (
        "uniform-uncalibrated",
        "dense-uncalibrated",
        "dense-gated-uncalibrated",
        "uniform-calibrated",
        "dense-calibrated",
        "dazle",
    )
    assert set(SUITES["smoke"].variants) <= set(SUITES["ablations"].variants)
    assert SUITES["ablations"].variants[0] == "dazle"
    assert len(SUITES["ablations"].variants) >= 16
    assert {find(name).axis for name in SUITES["ablations"].variants[1:]} == set(AXES)


def test_one_change_at_a_time_but_for_the_uncalibrated_rows() -> None:
    several = {name for name in SUITES["ablations"].variants if len(find(name).changes) > 1}
    assert several == {"dense-gated-uncalibrated", "post-hoc-margin", "post-hoc-validated-margin", "prior-margin"}


@pytest.fixture
def registry() -> Iterator[None]:
    before = dict(VARIANTS)
    yield
    VARIANTS.clear()
    VARIANTS.update(before)


@pytest.mark.usefixtures("registry")
def test_the_registry_refuses_what_would_be_ambiguous() -> None:
    with pytest.raises(ValueError, match="registered already"):
        register("dazle", None, "again", {})
    with pytest.raises(ValueError, match="unknown axis"):
        register("new", "colour", "?", {"loss.lambda": 0.5})
    with pytest.raises(ValueError, match="settings of 'lambda-0'"):
        register("no-lambda", "self-calibration", "the same", {"loss.lambda": 0})
    with pytest.raises(InputError, match=r"unknown setting 'loss.lamda'; the nearest is 'loss.lambda'"):
        register("typo", "self-calibration", "?", {"loss.lamda": 0.5})
    register("made-for-this-test", "self-calibration", "another weight", {"loss.lambda": 0.371})
    assert find("made-for-this-test").change == "loss.lambda = 0.371"


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match="unknown variant 'unifrom'; the nearest is 'uniform'"):
        find("unifrom")


def test_all_variants_of_a_seed_see_the_same_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    import dazle.training.fit as training

    draw, seen = training.index_batches, []

    def watched(*arguments: object) -> Iterator[np.ndarray]:
        seen.append([*draw(*arguments)])  # type: ignore[arg-type]
        return iter(seen[-1])

    monkeypatch.setattr(training, "index_batches", watched)
    features = features_of("cub")
    for name in ("dazle", "uniform", "one-hot", "random-vectors"):
        settings = settings_of(find(name)).changed({"training.epochs": 1})
        train(Dazle(), features, final_phase(features), settings, (1, "cub", 0), CPU)
    assert len(seen) == 4
    assert all(np.array_equal(a, b) for other in seen[1:] for a, b in zip(seen[0], other, strict=True))


def test_batches_are_drawn_as_the_reference_draws_them() -> None:
    from dazle.training.batches import index_batches

    labels = np.repeat(np.arange(5), 20)
    for balanced in (True, False):
        one, other = ([*index_batches(labels, 4, 30, balanced, 7)] for _ in range(2))
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
        assert all(len(batch) == (5 if balanced else 30) for batch in one)
        assert all(len(np.unique(batch)) == len(batch) for batch in one)
        if balanced:
            assert all(sorted(labels[batch]) == [0, 1, 2, 3, 4] for batch in one)


def test_a_balanced_batch_is_one_draw_for_each_class_in_turn() -> None:
    from dazle.training.batches import index_batches

    labels = np.repeat(np.arange(9), np.arange(3, 12))
    random = np.random.default_rng(5)
    for batch in index_batches(labels, 20, 6, True, 5):
        classes = random.choice(9, 6, replace=False)
        assert batch.tolist() == [np.flatnonzero(labels == c)[random.integers(c + 3)] for c in classes]
