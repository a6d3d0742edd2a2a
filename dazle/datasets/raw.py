"""Raw dataset: image files with labels, splits and descriptions, before regions are extracted from the images.

Readers (`cub`, `sun`, `awa2`, `deepfashion`) return one; `dazle.datasets.prepare` writes a feature file from it.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dazle.features.feature_set import ClassFold


@dataclass(frozen=True, eq=False)
class KeyPoints:
    """The places of parts in the images, the attributes of each part, and the attributes that images show."""

    names: tuple[str, ...]  # P part names ("beak", "left eye", ...)
    points: np.ndarray  # (N, P, 2) float64 x, y in pixels of the image file; NaN if not visible
    attribute_parts: np.ndarray  # (A, P) bool: the parts that show an attribute; all False: it has no place
    present: np.ndarray  # (N, A) bool: the attribute is present in the image


@dataclass(frozen=True, eq=False)
class RawDataset:
    """Everything in a `FeatureSet` except its regions, and the image files to extract them from."""

    name: str
    preset: str
    images: tuple[Path, ...]  # in image order
    image_files: tuple[str, ...]  # their names in the feature file, "/" between folders
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
    provenance: dict[str, Any]  # files, counts and choices of the reader, for the feature file
    notes: tuple[str, ...]  # lines for the user about the data, such as counts and missing files


def drop_images(raw: RawDataset, images: Collection[int]) -> RawDataset:
    """The dataset without `images`; the other images are renumbered in their order.

    A seen class that loses all its training images is also removed from the class folds, and its test images from
    test_seen.
    """
    remaining = np.setdiff1d(np.arange(len(raw.images)), list(images))

    def renumber(indices: np.ndarray) -> np.ndarray:
        return np.flatnonzero(np.isin(remaining, indices))

    points = raw.key_points
    seen = raw.labels[np.setdiff1d(raw.trainval, list(images))]
    folds = (
        ClassFold(np.intersect1d(fold.train_classes, seen), np.intersect1d(fold.validation_classes, seen))
        for fold in raw.folds
    )
    return replace(
        raw,
        images=tuple(raw.images[image] for image in remaining),
        image_files=tuple(raw.image_files[image] for image in remaining),
        labels=raw.labels[remaining],
        trainval=renumber(raw.trainval),
        test_seen=renumber(raw.test_seen[np.isin(raw.labels[raw.test_seen], seen)]),
        test_unseen=renumber(raw.test_unseen),
        folds=tuple(folds),
        key_points=points and replace(points, points=points.points[remaining], present=points.present[remaining]),
    )


def drop_untrained_classes(raw: RawDataset) -> tuple[RawDataset, list[str]]:
    """The dataset without test images of seen classes that have no training images, and a note with their names."""
    trained = np.isin(raw.labels[raw.test_seen], raw.labels[raw.trainval])
    if trained.all():
        return raw, []
    names = ", ".join(raw.class_names[label] for label in np.unique(raw.labels[raw.test_seen[~trained]]))
    note = f"{(~trained).sum():,} images of test_seen are left out, their classes have no training images: {names}"
    return replace(raw, test_seen=raw.test_seen[trained]), [note]
