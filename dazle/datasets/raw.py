"""A dataset as its owners distribute it, checked and described, before any image was turned into regions.

Readers (`cub`, `sun`, `awa2`, `deepfashion`) make one; `dazle.datasets.prepare` makes a feature file of it.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dazle.features.feature_set import ClassFold


@dataclass(frozen=True, eq=False)
class KeyPoints:
    """Where parts are in the images, which attributes belong to them, and which attributes an image has."""

    names: tuple[str, ...]  # P part names ("beak", "left eye", ...)
    points: np.ndarray  # (N, P, 2) float64 x, y in pixels of the image file; NaN where not visible
    attribute_parts: np.ndarray  # (A, P) bool: parts where an attribute can be looked for; all False: nowhere
    present: np.ndarray  # (N, A) bool: the attribute is present in the image


@dataclass(frozen=True, eq=False)
class RawDataset:
    """Everything of a `FeatureSet` but its regions, and the image files that the regions come from."""

    name: str
    preset: str
    images: tuple[Path, ...]  # in image order
    image_files: tuple[str, ...]  # the names that the feature file keeps, "/" between folders
    labels: np.ndarray  # (N,) int64, 0-based
    attributes: np.ndarray  # (C, A) float32, rows L2-normalised
    original_attributes: np.ndarray | None  # (C, A) float32
    semantics: dict[str, np.ndarray]  # name -> (A, d) float32
    trainval: np.ndarray  # sorted int64, 0-based
    test_seen: np.ndarray
    test_unseen: np.ndarray
    folds: tuple[ClassFold, ...]
    class_names: tuple[str, ...]
    attribute_names: tuple[str, ...]
    key_points: KeyPoints | None
    provenance: dict[str, Any]  # what was read: files, counts, how many leaked images were taken out
    notes: tuple[str, ...]  # what was found, a line each, for whoever prepares


def without(raw: RawDataset, images: Collection[int]) -> RawDataset:
    """The dataset without some images (broken ones, say): the others keep their order and move up.

    A seen class that has no image left to train on leaves the class folds, and its test images leave the split.
    """
    kept = np.setdiff1d(np.arange(len(raw.images)), list(images))

    def moved(indices: np.ndarray) -> np.ndarray:
        return np.flatnonzero(np.isin(kept, indices))

    points = raw.key_points
    seen = raw.labels[np.setdiff1d(raw.trainval, list(images))]
    folds = (
        ClassFold(np.intersect1d(fold.train_classes, seen), np.intersect1d(fold.validation_classes, seen))
        for fold in raw.folds
    )
    return replace(
        raw,
        images=tuple(raw.images[image] for image in kept),
        image_files=tuple(raw.image_files[image] for image in kept),
        labels=raw.labels[kept],
        trainval=moved(raw.trainval),
        test_seen=moved(raw.test_seen[np.isin(raw.labels[raw.test_seen], seen)]),
        test_unseen=moved(raw.test_unseen),
        folds=tuple(folds),
        key_points=points and replace(points, points=points.points[kept], present=points.present[kept]),
    )


def with_trained_classes(raw: RawDataset) -> tuple[RawDataset, list[str]]:
    """The dataset without test images of seen classes that have none to train on, and a line that names these."""
    trained = np.isin(raw.labels[raw.test_seen], raw.labels[raw.trainval])
    if trained.all():
        return raw, []
    names = ", ".join(raw.class_names[label] for label in np.unique(raw.labels[raw.test_seen[~trained]]))
    note = f"{(~trained).sum():,} images of test_seen are left out, their classes have none to train on: {names}"
    return replace(raw, test_seen=raw.test_seen[trained]), [note]
