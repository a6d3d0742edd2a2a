"""Feature set: the region features of a dataset's images with their labels, splits, class attributes and semantics.

A `FeatureSet` comes from a feature file (`dazle.features.feature_file`) or a generator of simulated features, and has
passed `check`. The rule for callers: `regions` may be on disk, so read only the rows you need, or call `load()` to read
all into memory.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from dazle.errors import InputError
from dazle.features.pooled import Pooled, pooled_features

BLOCK_BYTES = 16 * 2**20  # of regions that are read, converted or written at once


@dataclass(frozen=True, eq=False)
class ClassFold:
    """A division of the seen classes for validation: two disjoint int64 arrays of class ids."""

    train_classes: np.ndarray
    validation_classes: np.ndarray


@dataclass(frozen=True, eq=False)
class Places:
    """Where attributes are in the images: an attribute belongs to some parts, and a part lies in one region."""

    part_regions: np.ndarray  # (N, P) int, stored as int16: region of each part, -1 if it is not visible
    attribute_parts: np.ndarray  # (A, P) bool: the parts that show an attribute; all False: it has no place
    present: np.ndarray  # (N, A) bool: the attribute is present in the image
    tolerance: int  # largest distance of a hit from the part, in cells, diagonals included; 0: the region itself


class Regions:
    """Regions in memory: (N, R, D) float16, each of unit length or all zero, and their norms, (N, R) float32.

    Subclasses that store them elsewhere override `read`, `read_norms` and `in_memory`.
    """

    in_memory = True
    dtype = np.dtype(np.float16)
    read_ahead = 0  # bytes to read ahead of their use; 0 if reading is as fast as copying

    def __init__(self, values: np.ndarray, norms: np.ndarray):
        self.shape: tuple[int, int, int] = values.shape
        self._values, self._norms = values, norms

    @property
    def nbytes(self) -> int:
        """Bytes of all regions and their norms in memory, N * R * (2 D + 4)."""
        images, regions, channels = self.shape
        return images * regions * (channels * 2 + 4)

    def read(self, indices: np.ndarray) -> np.ndarray:
        """(n, R, D) float16, rows in the order of `indices`, which may be unsorted and repeat."""
        return self._values[indices]

    def read_into(self, indices: np.ndarray, values: np.ndarray) -> None:
        """Like `read`, into the first n rows of `values`, so that a reader can reuse one buffer."""
        if not self.in_memory:
            values[: len(indices)] = self.read(indices)
        elif len(indices) and not 0 <= indices.min() <= indices.max() < self.shape[0]:
            raise IndexError(f"image indices {indices.min()}..{indices.max()} of {self.shape[0]} images")
        else:
            # Only mode `clip` writes to `out` without a temporary copy.
            np.take(self._values, indices, axis=0, out=values[: len(indices)], mode="clip")

    def read_norms(self, indices: np.ndarray) -> np.ndarray:
        """(n, R) float32: the length of each region before normalisation."""
        return self._norms[indices]

    def blocks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """All images in order as blocks (regions, norms) of at most `BLOCK_BYTES`."""
        images, regions, channels = self.shape
        step = max(1, BLOCK_BYTES // max(1, regions * channels * 2))
        for start in range(0, images, step):
            rows = np.arange(start, min(start + step, images))
            yield self.read(rows), self.read_norms(rows)

    def load(self) -> "Regions":
        """The same regions in memory; `self` if they already are."""
        if self.in_memory:
            return self
        values = np.empty(self.shape, np.float16)
        norms = np.empty(self.shape[:2], np.float32)
        start = 0
        for block, block_norms in self.blocks():
            values[start : start + len(block)], norms[start : start + len(block)] = block, block_norms
            start += len(block)
        return Regions(values, norms)


def normalise(raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, R, D) L2-normalised over D as float16, and the norms (n, R) as float32; a zero region stays zero.

    A region that is not finite or overflows has a norm that is not finite: callers check the norms.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        raw = np.asarray(raw, np.float32)
        norms = np.sqrt(np.einsum("nrd,nrd->nr", raw, raw))
        return (raw / np.where(norms > 0, norms, 1)[..., None]).astype(np.float16, order="C"), norms


@dataclass(frozen=True, eq=False)
class FeatureSet:
    """One dataset. Class ids are 0..C-1, image indices 0..N-1; splits are sorted and disjoint."""

    name: str
    preset: str
    source: str  # "real" or "simulated"
    fingerprint: str  # hash of all content except the semantics, see `semantics_sha256`; empty: not computed
    regions: Regions
    labels: np.ndarray  # (N,) int64
    attributes: np.ndarray  # (C, A) float32, rows L2-normalised: z_c
    semantics: dict[str, np.ndarray]  # name -> (A, d) float32, not normalised: v_a
    trainval: np.ndarray
    test_seen: np.ndarray
    test_unseen: np.ndarray
    folds: tuple[ClassFold, ...]
    grid: tuple[int, int]  # region r is at (r // columns, r % columns)
    places: Places | None
    backbone: str
    class_names: tuple[str, ...] = ()
    attribute_names: tuple[str, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)
    original_attributes: np.ndarray | None = None  # (C, A) float32, before any normalisation
    image_files: tuple[str, ...] = ()
    file: Path | None = None  # that they were read from; None: made in memory

    @cached_property
    def pooled(self) -> Pooled:
        """The pooled features of all images; those of a file are computed once and kept beside it."""
        return pooled_features(self.regions, self.file, self.fingerprint)

    @cached_property
    def seen_classes(self) -> np.ndarray:
        """Class ids with images in trainval, sorted."""
        return np.unique(self.labels[self.trainval])

    @cached_property
    def unseen_classes(self) -> np.ndarray:
        """Class ids with images in test_unseen, sorted."""
        return np.unique(self.labels[self.test_unseen])

    def semantics_sha256(self, name: str) -> str:
        """Hex sha256 of the attribute vectors `name` and their shape. Raises InputError for an unknown name."""
        if name not in self.semantics:
            names = ", ".join(self.semantics) or "none"
            raise InputError(f"{self.name}: no semantics {name!r}; it has {names}: import it with --semantics")
        array = np.ascontiguousarray(self.semantics[name], "<f4")
        return hashlib.sha256(repr(array.shape).encode() + array.tobytes()).hexdigest()


def check(features: FeatureSet, where: str = "") -> None:
    """Raise InputError if a feature set contradicts itself; the message begins with `where`, such as a file name.

    The values of the regions are not read: the file's checksums and `verify` cover them.
    """
    where = where or features.name
    check_splits(features, where)
    _check_descriptions(features, where)
    _check_places(features, where)
    for number, fold in enumerate(features.folds, 1):
        _check_fold(features, number, fold, where)
    if not features.folds:
        raise InputError(f"{where}: no class folds; at least one is needed for validation")


def check_splits(features: FeatureSet, where: str) -> None:
    """Raise InputError for labels, a grid or image indices out of range, or for splits that share images or classes."""
    images, regions, channels = features.regions.shape
    classes = len(features.attributes)
    if min(images, regions, channels) < 1:
        raise InputError(f"{where}: regions have shape {features.regions.shape}; no dimension may be 0")
    if min(features.grid) < 1 or features.grid[0] * features.grid[1] != regions:
        raise InputError(f"{where}: grid {features.grid} does not make {regions} regions")
    if features.labels.shape != (images,):
        raise InputError(f"{where}: labels have shape {features.labels.shape}, not ({images},), one an image")
    wrong = np.flatnonzero((features.labels < 0) | (features.labels >= classes))
    if wrong.size:
        place = f"labels[{wrong[0]}] = {features.labels[wrong[0]]}"
        raise InputError(f"{where}: {place} is outside 0..{classes - 1}; labels are 0-based class ids")
    splits = {name: getattr(features, name) for name in ("trainval", "test_seen", "test_unseen")}
    for name, indices in splits.items():
        _check_indices(name, indices, images, where)
    for first, second in (("trainval", "test_seen"), ("trainval", "test_unseen"), ("test_seen", "test_unseen")):
        shared = np.intersect1d(splits[first], splits[second])
        if shared.size:
            raise InputError(
                f"{where}: {first} and {second} share {shared.size} images, the first is {shared[0]}; "
                "an image belongs to one split"
            )
    _check_classes(features, where)


def _check_indices(name: str, indices: np.ndarray, images: int, where: str) -> None:
    if indices.ndim != 1 or (not indices.size and name != "test_seen"):
        raise InputError(f"{where}: {name} has shape {indices.shape}; a list of image indices is needed")
    wrong = indices[(indices < 0) | (indices >= images)]
    if wrong.size:
        raise InputError(f"{where}: {name} has index {wrong[0]}, outside 0..{images - 1}; indices are 0-based")
    if np.any(np.diff(indices) <= 0):
        raise InputError(f"{where}: {name} is not sorted or names an image twice; each image once, in order")


def _check_classes(features: FeatureSet, where: str) -> None:
    shared = np.intersect1d(features.seen_classes, features.unseen_classes)
    if shared.size:
        raise InputError(
            f"{where}: class {shared[0]} is in trainval and in test_unseen ({shared.size} such classes); "
            "seen and unseen classes must be apart"
        )
    unknown = np.setdiff1d(features.labels[features.test_seen], features.seen_classes)
    if unknown.size:
        raise InputError(
            f"{where}: test_seen has images of class {unknown[0]}, which has none in trainval; "
            "move them to test_unseen or leave them out"
        )


def _check_descriptions(features: FeatureSet, where: str) -> None:
    if features.attributes.ndim != 2 or not features.attributes.size:
        raise InputError(f"{where}: attributes have shape {features.attributes.shape}, not (classes, attributes)")
    classes, attributes = features.attributes.shape
    lengths = np.linalg.norm(features.attributes, axis=1)
    wrong = np.flatnonzero(~(np.abs(lengths - 1) < 1e-3))
    if wrong.size:
        raise InputError(
            f"{where}: attributes of class {wrong[0]} have length {lengths[wrong[0]]:.4g}, not 1; "
            "rows must be finite, not all zero, and L2-normalised"
        )
    for name, array in features.semantics.items():
        if array.ndim != 2 or len(array) != attributes or not array.size:
            raise InputError(f"{where}: semantics {name} has shape {array.shape}, not ({attributes}, d)")
        if not np.isfinite(array).all():
            row = np.flatnonzero(~np.isfinite(array).all(axis=1))[0]
            raise InputError(f"{where}: semantics {name} is not finite in the row of attribute {row}")
    original = features.original_attributes
    if original is not None and original.shape != (classes, attributes):
        raise InputError(f"{where}: original_attributes have shape {original.shape}, not {(classes, attributes)}")
    counts = {"class_names": classes, "attribute_names": attributes, "image_files": features.regions.shape[0]}
    for name, count in counts.items():
        if len(getattr(features, name)) not in (0, count):
            raise InputError(f"{where}: {len(getattr(features, name))} {name}, not {count}")


def _check_places(features: FeatureSet, where: str) -> None:
    places = features.places
    if places is None:
        return
    images, regions, _ = features.regions.shape
    attributes, parts = features.attributes.shape[1], places.attribute_parts.shape[-1]
    shapes = {"part_regions": (images, parts), "attribute_parts": (attributes, parts), "present": (images, attributes)}
    for name, shape in shapes.items():
        if getattr(places, name).shape != shape:
            raise InputError(f"{where}: places/{name} has shape {getattr(places, name).shape}, not {shape}")
    part_regions = places.part_regions
    if part_regions.size and (part_regions.min() < -1 or part_regions.max() >= regions):
        values = f"{part_regions.min()}..{part_regions.max()}"
        raise InputError(f"{where}: places/part_regions run {values}, not -1..{regions - 1}")
    if places.tolerance < 0:
        raise InputError(f"{where}: places have the tolerance {places.tolerance}; it is 0 or more cells")


def _check_fold(features: FeatureSet, number: int, fold: ClassFold, where: str) -> None:
    train, validation = fold.train_classes, fold.validation_classes
    if not train.size or not validation.size:
        raise InputError(f"{where}: fold {number} has {train.size} train and {validation.size} validation classes")
    shared = np.intersect1d(train, validation)
    if shared.size:
        raise InputError(f"{where}: fold {number} has class {shared[0]} on both sides; they must be disjoint")
    unknown = np.setdiff1d(np.concatenate([train, validation]), features.seen_classes)
    if unknown.size:
        raise InputError(f"{where}: fold {number} has class {unknown[0]}, which is not a seen class")
