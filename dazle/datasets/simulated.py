"""Four simulated datasets, shaped like the real ones and made from nothing in seconds.

Numbers from them say nothing about photographs: they show that the harness runs, and catch a change of the method.

The model behind them, the same for all four (drawn once, from a constant seed, whatever the seed of a run):
- attributes come in groups (a bird's bill has a shape, a wing a colour); the semantic vector of an attribute is that of
  its group plus its own;
- each attribute owns a visual prototype, a noisy linear image of its semantic vector;
- each class has, in each group, a strength for every attribute (how often its images show it); the published class
  attributes are these strengths with an annotator's noise;
- an image shows, for each group that is visible in it, one attribute drawn from its class's strengths, at a region that
  moves from image to image, over a background of its own, with clutter (weaker prototypes of attributes that the class
  need not have) and noise; features are rectified.

The generator knows where every attribute is, so attention can be scored against the truth.

The constants were set on the generator seeds `CONSTANTS_FROM`, which are never reported, looking at the full model
alone, until its validation S and U (fold 1, best epoch) lay between 40 and 80 on all four sets; then they were frozen.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dazle.config import Settings, preset
from dazle.features.feature_set import FeatureSet, Places, Regions, check, normalise
from dazle.features.splits import draw_folds
from dazle.streams import stream

# Part of every fingerprint: raise it when the generator changes what it draws.
GENERATOR_VERSION = 1
REPORTED_SEED = 0
CONSTANTS_FROM = (101, 102, 103)


@dataclass(frozen=True)
class Shape:
    """One simulated dataset; every constant is part of the fingerprint."""

    groups: int
    attributes_per_group: int
    seen: int
    unseen: int
    train_images: int  # of each seen class
    test_images: int  # of each class: test_seen and test_unseen
    annotation_noise: float  # standard deviation added to published strengths, which lie in 0..1
    clutter: int  # weaker prototypes scattered over an image
    noise: float  # length of the noise in a region; a prototype has length 1
    visible: float = 0.9  # chance that a group shows in an image
    peakedness: float = 3.0  # how sure a class is of its attribute in a group
    clutter_strength: float = 0.5
    background: float = 0.6
    prototype_noise: float = 0.5
    grid: tuple[int, int] = (3, 3)
    channels: int = 64
    semantic_dimension: int = 24
    training: dict[str, Any] = field(default_factory=dict)

    @property
    def attributes(self) -> int:
        return self.groups * self.attributes_per_group

    @property
    def images(self) -> int:
        return int(_images_of_class(self).sum())


SHAPES = {
    "cub": Shape(
        groups=12,
        attributes_per_group=4,
        seen=42,
        unseen=12,
        train_images=24,
        test_images=10,
        annotation_noise=0.02,
        clutter=4,
        noise=0.2,
        training={"training.epochs": 10, "training.learning_rate": 0.0015},
    ),
    # Few images a class.
    "sun": Shape(
        groups=15,
        attributes_per_group=2,
        seen=60,
        unseen=12,
        train_images=14,
        test_images=6,
        annotation_noise=0.02,
        clutter=3,
        noise=0.15,
        training={"training.epochs": 10, "training.learning_rate": 0.0015},
    ),
    # Few classes, many images. The paper trains without momentum here, so steps have to be larger.
    "awa2": Shape(
        groups=12,
        attributes_per_group=3,
        seen=24,
        unseen=8,
        train_images=40,
        test_images=20,
        annotation_noise=0.02,
        clutter=3,
        noise=0.2,
        visible=0.95,
        training={"training.epochs": 8, "training.learning_rate": 0.02},
    ),
    # Many noisy attributes, and a curve by steps in place of epochs.
    "deepfashion": Shape(
        groups=20,
        attributes_per_group=3,
        seen=48,
        unseen=12,
        train_images=24,
        test_images=10,
        annotation_noise=0.05,
        clutter=3,
        noise=0.15,
        prototype_noise=0.4,
        training={"training.epochs": 9, "training.learning_rate": 0.0015, "training.evaluate_every": 20},
    ),
}


def simulated_settings(name: str) -> Settings:
    """The paper's settings for the dataset, with the learning rate and epochs that so few steps need."""
    return preset(name).changed(SHAPES[name].training)


def simulate(name: str, seed: int = REPORTED_SEED) -> FeatureSet:
    """The simulated features of one of `SHAPES`, in memory; the same for the same `seed` on every run."""
    shape = SHAPES[name]
    random = np.random.default_rng(stream("simulated", name, seed))
    world = _World(shape, random)
    labels = _labels(shape)
    values, places = _images(world, labels, random)
    regions, norms = normalise(values)
    trainval, test_seen, test_unseen = _splits(shape)
    features = FeatureSet(
        name=name,
        preset=name,
        source="simulated",
        fingerprint=fingerprint(name, seed),
        regions=Regions(regions, norms),
        labels=labels,
        attributes=world.attributes,
        semantics={"word2vec": world.semantics},
        trainval=trainval,
        test_seen=test_seen,
        test_unseen=test_unseen,
        folds=draw_folds(name, np.arange(shape.seen)),
        grid=shape.grid,
        # Each attribute is a part of its own.
        places=Places(places, np.eye(places.shape[1], dtype=bool), places >= 0, tolerance=0),
        backbone="simulated",
        provenance={"generator": GENERATOR_VERSION, "seed": seed, **_constants(shape)},
    )
    check(features)
    return features


def _constants(shape: Shape) -> dict[str, Any]:
    """What the drawn features depend on: all of the shape but how they are trained on."""
    return {key: value for key, value in asdict(shape).items() if key != "training"}


def fingerprint(name: str, seed: int = REPORTED_SEED) -> str:
    """Of generator version and settings, not of bits: the last bit of a product may differ between processors."""
    identity = json.dumps([GENERATOR_VERSION, name, seed, _constants(SHAPES[name])], sort_keys=True)
    return hashlib.sha256(identity.encode()).hexdigest()


class _World:
    """What holds for every image: vectors, prototypes, and the strengths of the classes."""

    def __init__(self, shape: Shape, random: np.random.Generator) -> None:
        self.shape = shape
        groups, each, d, channels = (
            shape.groups,
            shape.attributes_per_group,
            shape.semantic_dimension,
            shape.channels,
        )
        of_group = random.normal(size=(groups, 1, d))
        semantics = _unit(of_group + random.normal(size=(groups, each, d))).reshape(groups * each, d)
        image_of_semantics = random.normal(size=(d, channels)) / np.sqrt(d)
        self.prototypes = _unit(
            _unit(semantics @ image_of_semantics)
            + shape.prototype_noise * _unit(random.normal(size=(groups * each, channels)))
        )
        self.backgrounds = _unit(random.normal(size=(5, channels)))
        logits = shape.peakedness * random.normal(size=(shape.seen + shape.unseen, groups, each))
        weights = np.exp(logits)
        self.strengths = weights / weights.sum(axis=2, keepdims=True)
        noise = shape.annotation_noise * random.normal(size=self.strengths.shape)
        published = np.clip(self.strengths + noise, 0, 1).reshape(len(logits), groups * each)
        self.attributes = _unit(published).astype(np.float32)
        self.semantics = semantics.astype(np.float32)


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def _images_of_class(shape: Shape) -> NDArray[np.int64]:
    seen = [shape.train_images + shape.test_images] * shape.seen
    return np.array(seen + [shape.test_images] * shape.unseen)


def _labels(shape: Shape) -> NDArray[np.int64]:
    """(N,) images of one class lie together, the seen classes first."""
    return np.repeat(np.arange(shape.seen + shape.unseen), _images_of_class(shape))


def _splits(shape: Shape) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """trainval, test_seen, test_unseen: of each seen class the first images train."""
    counts = _images_of_class(shape)
    number = np.concatenate([np.arange(count) for count in counts])
    seen = _labels(shape) < shape.seen
    trains = seen & (number < shape.train_images)
    return np.flatnonzero(trains), np.flatnonzero(seen & ~trains), np.flatnonzero(~seen)


def _images(
    world: _World, labels: NDArray[np.int64], random: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.int16]]:
    """Unnormalised regions (N, R, D), and the region (N, A) of each attribute that shows, -1 where it does not."""
    shape, images = world.shape, len(labels)
    regions = shape.grid[0] * shape.grid[1]
    mixture = random.dirichlet(np.ones(len(world.backgrounds)), size=images)
    values = np.repeat((shape.background * mixture @ world.backgrounds)[:, None], regions, axis=1)
    values += shape.noise / np.sqrt(shape.channels) * random.normal(size=values.shape)

    reach = world.strengths[labels].cumsum(axis=2)
    drawn = (random.random((images, shape.groups, 1)) > reach).sum(axis=2).clip(max=shape.attributes_per_group - 1)
    attribute = drawn + np.arange(shape.groups) * shape.attributes_per_group
    region = random.integers(regions, size=attribute.shape)
    image, group = np.nonzero(random.random(attribute.shape) < shape.visible)
    shown, place = attribute[image, group], region[image, group]
    np.add.at(values, (image, place), world.prototypes[shown])
    places = np.full((images, len(world.prototypes)), -1, np.int16)
    places[image, shown] = place

    clutter = random.integers(len(world.prototypes), size=(images, shape.clutter))
    where = random.integers(regions, size=clutter.shape)
    rows = np.arange(images)[:, None]
    np.add.at(values, (rows, where), shape.clutter_strength * world.prototypes[clutter])
    return np.maximum(values, 0), places
