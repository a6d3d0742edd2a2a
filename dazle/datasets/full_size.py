"""Full-size simulated features, with the published size of a real dataset: `data simulate NAME --full`.

They are for measurements of speed and memory only; accuracies on them have no meaning and must not be reported.

Images, classes, splits, attributes and the 7 x 7 regions of 2,048 channels have the published numbers. DeepFashion's
split sizes are not verified; those used here add up to its number of images. A region is a random row of a fixed pool,
and in a third of the regions the prototype of the image's class is added; then all are rectified. Prototypes are a
linear image of the class attributes, so that a model can learn something, about unseen classes too.

An image depends only on its number, so features are generated while they are read, and they are equal in every run. On
another processor the last bit of a value may differ, and with it the fingerprint.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dazle.datasets.spec import specs
from dazle.errors import InputError
from dazle.features.feature_set import BLOCK_BYTES, ClassFold, FeatureSet, Regions, check, normalise
from dazle.features.splits import draw_folds
from dazle.streams import stream

# Part of the backbone's name and so of every fingerprint: raise it if the generated numbers change.
GENERATOR_VERSION = 1
GRID, CHANNELS, SEMANTIC_DIMENSION = (7, 7), 2048, 300
POOL = 1024  # rows
SHOWN_SHARE = 1 / 3  # of the regions, those that show the class
STRENGTH = 0.7  # length of a prototype


@dataclass(frozen=True)
class Sizes:
    """Numbers of images, classes and attributes. `train_images` are those of class fold 1's `train_classes`.

    Both are None if fold 1 is drawn.
    """

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


def sizes(preset: str) -> Sizes:
    """The published sizes of a dataset. Raises InputError if it has none."""
    published = {name: {**spec.published, **spec.full_size} for name, spec in specs().items() if spec.published}
    if preset not in published:
        raise InputError(f"simulate --full {preset}: name one of {', '.join(published)}")
    counts = published[preset]
    return Sizes(
        counts["attributes"], counts["seen classes"], counts["unseen classes"],
        counts["trainval"], counts["test_seen"], counts["test_unseen"],
        counts.get("train classes"), counts.get("train images"),
    )  # fmt: skip


class FullSizeRegions(Regions):
    """Regions that are generated when they are read; an image is equal in every read."""

    in_memory = False

    def __init__(self, seed: int, labels: NDArray[np.int64], prototypes: NDArray[np.float32], regions: int):
        self.shape = (len(labels), regions, prototypes.shape[1])
        self._seed, self._labels, self._prototypes = seed, labels, prototypes
        draw = np.random.default_rng([seed, len(labels)])
        self._pool = _unit(draw.standard_normal((POOL, prototypes.shape[1]), np.float32))

    def read(self, indices: np.ndarray) -> np.ndarray:
        """(n, R, D) float16."""
        return normalise(self._generate(indices))[0]

    def read_norms(self, indices: np.ndarray) -> np.ndarray:
        """(n, R) float32."""
        return normalise(self._generate(indices))[1]

    def blocks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """All images in order as blocks (regions, norms); each image is generated once."""
        step = max(1, BLOCK_BYTES // 2 // (self.shape[1] * self.shape[2] * 2))
        for start in range(0, self.shape[0], step):
            yield normalise(self._generate(np.arange(start, min(start + step, self.shape[0]))))

    def _generate(self, indices: np.ndarray) -> NDArray[np.float32]:
        regions = np.empty((len(indices), *self.shape[1:]), np.float32)
        for values, image in zip(regions, indices, strict=True):
            draw = np.random.default_rng([self._seed, int(image)])
            np.take(self._pool, draw.integers(POOL, size=len(values)), axis=0, out=values)
            values[draw.random(len(values)) < SHOWN_SHARE] += self._prototypes[self._labels[image]]
        return np.maximum(regions, 0, out=regions)


def full_size(preset: str, shape: Sizes | None = None) -> FeatureSet:
    """Features named `PRESET-full` with the published sizes, or with those of `shape`."""
    shape = shape or sizes(preset)
    name = f"{preset}-full"
    seed = stream("full size", preset, GENERATOR_VERSION)
    draw = np.random.default_rng(seed)
    classes = shape.seen + shape.unseen
    # Squares give the attributes of a class different strengths, as in published ones.
    attributes = _unit(draw.random((classes, shape.attributes), np.float32) ** 2)
    projection = draw.standard_normal((shape.attributes, shape.channels), np.float32)
    centred = attributes - attributes.mean(axis=0)
    prototypes = STRENGTH * _unit(centred @ projection)
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
    """Labels (N,), in the order of classes, and (N,) bool: test_seen, which has images of every seen class."""
    if shape.train_classes is None or shape.train_images is None:
        train_counts = _spread(shape.trainval, shape.seen)
    else:
        other_counts = _spread(shape.trainval - shape.train_images, shape.seen - shape.train_classes)
        train_counts = np.concatenate([_spread(shape.train_images, shape.train_classes), other_counts])
    test_counts = _spread(shape.test_seen, shape.seen)
    class_sizes = np.concatenate([train_counts + test_counts, _spread(shape.test_unseen, shape.unseen)])
    test_seen = np.zeros(shape.images, bool)
    stops = class_sizes.cumsum()
    for start, stop, test_count in zip(stops - class_sizes, stops, test_counts, strict=False):
        test_seen[draw.choice(np.arange(start, stop), test_count, replace=False)] = True
    return np.repeat(np.arange(len(class_sizes)), class_sizes), test_seen


def _spread(total: int, parts: int) -> NDArray[np.int64]:
    """`parts` numbers with the sum `total` that differ by at most one."""
    return np.diff(np.arange(parts + 1) * total // parts)


def _fold_1(shape: Sizes) -> ClassFold | None:
    if shape.train_classes is None:
        return None
    return ClassFold(np.arange(shape.train_classes), np.arange(shape.train_classes, shape.seen))


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)
