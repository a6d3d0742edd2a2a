from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from dazle.config import Settings
from dazle.datasets import simulated
from dazle.datasets.simulated import SHAPES, fingerprint, simulate
from dazle.features.splits import validation_phase
from dazle.training.dazle import Dazle
from dazle.training.train import train

cached_features = cache(simulate)
ALL_SETS = pytest.mark.parametrize("name", SHAPES)


@ALL_SETS
def test_the_same_features_every_time(name: str) -> None:
    first, second = cached_features(name), simulate(name)
    images = np.arange(len(first.labels))
    assert np.array_equal(first.regions.read(images), second.regions.read(images))
    assert first.fingerprint == second.fingerprint
    assert first.source == "simulated"


@ALL_SETS
def test_another_seed_is_another_dataset(name: str) -> None:
    assert simulate(name, 7).fingerprint != cached_features(name).fingerprint
    assert not np.array_equal(simulate(name, 7).attributes, cached_features(name).attributes)


def test_the_fingerprint_follows_what_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint("cub")
    monkeypatch.setitem(SHAPES, "cub", replace(SHAPES["cub"], noise=0.3))
    assert fingerprint("cub") != before
    monkeypatch.undo()
    monkeypatch.setattr(simulated, "GENERATOR_VERSION", 999)
    assert fingerprint("cub") != before


@ALL_SETS
def test_shaped_as_said(name: str) -> None:
    shape, features = SHAPES[name], cached_features(name)
    assert features.regions.shape == (shape.images, shape.grid[0] * shape.grid[1], shape.channels)
    assert len(features.seen_classes) == shape.seen
    assert len(features.unseen_classes) == shape.unseen
    assert len(features.trainval) == shape.seen * shape.train_images
    assert len(features.test_seen) == shape.seen * shape.test_images
    assert len(features.test_unseen) == shape.unseen * shape.test_images


def test_each_set_keeps_what_makes_the_real_one_hard() -> None:
    images = {name: shape.train_images for name, shape in SHAPES.items()}
    classes = {name: shape.seen + shape.unseen for name, shape in SHAPES.items()}
    assert min(images, key=images.__getitem__) == max(classes, key=classes.__getitem__) == "sun"
    assert max(images, key=images.__getitem__) == min(classes, key=classes.__getitem__) == "awa2"
    assert max(SHAPES, key=lambda name: SHAPES[name].attributes) == "deepfashion"


@ALL_SETS
def test_a_present_attribute_is_where_its_prototype_is(name: str) -> None:
    """At its place an image looks more like the attribute's prototype than it does elsewhere, most of the time."""
    features = cached_features(name)
    shape = SHAPES[name]
    random = np.random.default_rng(simulated.stream("simulated", name, simulated.REPORTED_SEED))
    prototypes = simulated._World(shape, random).prototypes
    images = features.test_unseen
    similarity = features.regions.read(images).astype(float) @ np.maximum(prototypes, 0).T
    assert features.places is not None
    places = features.places.part_regions[images]
    image, attribute = np.nonzero(places >= 0)
    is_nearest = similarity[image, :, attribute].argmax(axis=1) == places[image, attribute]
    chance = 1 / features.regions.shape[1]
    assert is_nearest.mean() > 4 * chance


@ALL_SETS
def test_the_full_model_is_neither_lost_nor_done_on_the_seeds_that_set_the_constants(name: str) -> None:
    """The rule by which the constants were frozen: validation S and U of the best epoch between 40 and 80."""
    assert simulated.REPORTED_SEED not in simulated.CONSTANTS_FROM
    for seed in simulated.CONSTANTS_FROM:
        features = simulate(name, seed)
        settings = Settings.preset(name, simulated=True)
        curve = train(
            Dazle(), features, validation_phase(features, 1), settings, (214, name, 0), torch.device("cpu")
        ).curves[0]
        best = max(curve, key=lambda point: point["H"])
        assert 40 <= best["S"] <= 80, (seed, best["S"])
        assert 40 <= best["U"] <= 80, (seed, best["U"])
