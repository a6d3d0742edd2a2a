"""Simulated features of a real dataset's exact size, for work on speed and memory: `data simulate NAME --full`.

Images, classes, splits, attributes and the 7 x 7 regions of 2,048 channels are as many as in the published dataset;
DeepFashion's splits, which nobody here has verified, are a guess that adds up to its images. What the regions hold is
cheap, not lifelike: one row of a fixed pool of random rows each, and in a third of the regions the prototype of the
image's class on top, rectified. Prototypes are a linear image of the class attributes, so that a training learns
something and unseen classes are not out of reach; its accuracy means nothing, and nobody may report it.

An image depends on its number alone, so the file streams by and is the same on every run; on another processor the last
bit of a value may differ, and then so does the fingerprint.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dazle.config import DATASETS
from dazle.datasets.published_counts import PUBLISHED
from dazle.errors import InputError
from dazle.features.feature_set import BLOCK_BYTES, ClassFold, FeatureSet, Regions, check, normalise
from dazle.features.splits import draw_folds
from dazle.streams import stream

# Part of the name of the backbone, and so of every fingerprint: raise it when the generator changes what it draws.
GENERATOR_VERSION = 1
GRID, CHANNELS, SEMANTIC_DIMENSION = (7, 7), 2048, 300
POOL = 1024
SHOWN = 1 / 3  # of the regions, how many show the class
STRENGTH = 0.7


@dataclass(frozen=True)
class Sizes:
    """How many images and classes; class fold 1 gives `train_images` to its `train_classes`, None where it is drawn."""

    attributes: int
    seen: int
    unseen: int
    trainval: int
    test_seen: int
    test_unseen: int
    train_classes: int | None = None
    train_images: int | None = None
    grid: tuple[int, int] = GRID
    channels: int = CHANNELS

    @property
    def images(self) -> int:
        return self.trainval + self.test_seen + self.test_unseen


# Classes and images of class fold 1, once the leak is taken out of train_loc.
FOLD_1 = {"cub": (100, 4_702), "sun": (580, 9_280), "awa2": (27, 16_187)}
# 205,050 is the middle of what is published; the others divide the rest as the official partition does.
DEEPFASHION = {"trainval": 205_050, "test_seen": 32_910, "test_unseen": 51_262}


def sizes(preset: str) -> Sizes:
    """The published sizes of one of `DATASETS`; InputError for another name."""
    if preset not in DATASETS:
        raise InputError(f"simulate --full {preset}: name one of {', '.join(DATASETS)}")
    counts = DEEPFASHION | PUBLISHED[preset]
    return Sizes(
        counts["attributes"], counts["seen classes"], counts["unseen classes"],
        counts["trainval"], counts["test_seen"], counts["test_unseen"], *FOLD_1.get(preset, (None, None)),
    )  # fmt: skip


class FullSizeRegions(Regions):
    """Regions that are made when they are read; an image is the same whenever it is."""

    in_memory = False

    def __init__(self, seed: int, labels: NDArray[np.int64], prototypes: NDArray[np.float32], regions: int):
        self.shape = (len(labels), regions, prototypes.shape[1])
        self._seed, self._labels, self._prototypes = seed, labels, prototypes
        draw = np.random.default_rng([seed, len(labels)])
        self._pool = _unit(draw.standard_normal((POOL, prototypes.shape[1]), np.float32))

    def read(self, indices: np.ndarray) -> np.ndarray:
        """(n, R, D) float16."""
        return normalise(self._made(indices))[0]

    def read_norms(self, indices: np.ndarray) -> np.ndarray:
        """(n, R) float32."""
        return normalise(self._made(indices))[1]

    def blocks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """All images in order as (regions, norms), each made once."""
        step = max(1, BLOCK_BYTES // 2 // (self.shape[1] * self.shape[2] * 2))
        for start in range(0, self.shape[0], step):
            yield normalise(self._made(np.arange(start, min(start + step, self.shape[0]))))

    def _made(self, indices: np.ndarray) -> NDArray[np.float32]:
        made = np.empty((len(indices), *self.shape[1:]), np.float32)
        for values, image in zip(made, indices, strict=True):
            draw = np.random.default_rng([self._seed, int(image)])
            np.take(self._pool, draw.integers(POOL, size=len(values)), axis=0, out=values)
            values[draw.random(len(values)) < SHOWN] += self._prototypes[self._labels[image]]
        return np.maximum(made, 0, out=made)


def full_size(preset: str, shape: Sizes | None = None) -> FeatureSet:
    """Features named `PRESET-full`, their regions made as they are read; `shape` in place of the published sizes."""
    shape = shape or sizes(preset)
    name = f"{preset}-full"
    seed = stream("full size", preset, GENERATOR_VERSION)
    draw = np.random.default_rng(seed)
    classes = shape.seen + shape.unseen
    # Squares make attributes of a class differ in strength, as published ones do.
    attributes = _unit(draw.random((classes, shape.attributes), np.float32) ** 2)
    image_of_attributes = draw.standard_normal((shape.attributes, shape.channels), np.float32)
    centred = attributes - attributes.mean(axis=0)
    prototypes = STRENGTH * _unit(centred @ image_of_attributes)
    labels, test_seen = _labels(shape, draw)
    seen = labels < shape.seen
    features = FeatureSet(
        name=name,
        preset=preset,
        source="simulated",
        fingerprint="",
        regions=FullSizeRegions(seed, labels, prototypes, shape.grid[0] * shape.grid[1]),
        labels=labels,
        attributes=attributes,
        semantics={"word2vec": draw.standard_normal((shape.attributes, SEMANTIC_DIMENSION), np.float32)},
        trainval=np.flatnonzero(seen & ~test_seen),
        test_seen=np.flatnonzero(test_seen),
        test_unseen=np.flatnonzero(~seen),
        folds=draw_folds(name, np.arange(shape.seen), _fold_1(shape)),
        grid=shape.grid,
        places=None,
        backbone=f"simulated, full size {GENERATOR_VERSION}",
        provenance={"made_by": "simulate --full", "generator": GENERATOR_VERSION},
    )
    check(features)
    return features


def _labels(shape: Sizes, draw: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Labels (N,), images of one class together, and which of them are test_seen: some of each seen class."""
    if shape.train_classes is None or shape.train_images is None:
        trains = _spread(shape.trainval, shape.seen)
    else:
        rest = _spread(shape.trainval - shape.train_images, shape.seen - shape.train_classes)
        trains = np.concatenate([_spread(shape.train_images, shape.train_classes), rest])
    tests = _spread(shape.test_seen, shape.seen)
    of_class = np.concatenate([trains + tests, _spread(shape.test_unseen, shape.unseen)])
    test_seen = np.zeros(shape.images, bool)
    for start, stop, tested in zip(of_class.cumsum() - of_class, of_class.cumsum(), tests, strict=False):
        test_seen[draw.choice(np.arange(start, stop), tested, replace=False)] = True
    return np.repeat(np.arange(len(of_class)), of_class), test_seen


def _spread(total: int, parts: int) -> NDArray[np.int64]:
    """`total` in `parts` numbers that differ by one at most."""
    return np.diff(np.arange(parts + 1) * total // parts)


def _fold_1(shape: Sizes) -> ClassFold | None:
    if shape.train_classes is None:
        return None
    return ClassFold(np.arange(shape.train_classes), np.arange(shape.train_classes, shape.seen))


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)
