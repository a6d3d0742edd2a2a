"""Reference layout of DeepFashion (`feature_map_..._sep_seen_samples.hdf5`), read as a feature set.

`feature_map_train/<label>` (n, D, h, w), `label_train/<label>` and `img_train/<label>` for each seen class, then
`feature_map_test_seen` and `feature_map_test_unseen` with their `label_...` and `img_...`; `att` (rows, A), whose row l
describes label l, and `w2v_att` (A, d). Labels are category ids from 1. Rows of zeros (row 0, and categories without
images) are dropped and labels renumbered. `att` has mean annotations over all images, test images included; a class
vector is `normalize((mean + 1) / 2)`.

Images keep the order of the file: trainval label by label, then test_seen, then test_unseen. The file compresses
hundreds of images together, so another order would decompress every chunk many times. If the file also has its origin
(`imgs`, `labels`, `train_loc`, `test_seen_loc`, `test_unseen_loc`), each image is looked up there by its name, and its
label and split must be the same.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from dazle.datasets.reference_layout import (
    ReferenceRegions,
    feature_map,
    grid_of,
    guess_backbone,
    read_indices,
    read_semantics,
)
from dazle.datasets.specs.deepfashion import FOLDS_NOTE, class_folds, vectors_from_means
from dazle.errors import InputError
from dazle.features import hdf5
from dazle.features.feature_set import FeatureSet, Regions, check, check_splits

LOCS = {"trainval": "train_loc", "test_seen": "test_seen_loc", "test_unseen": "test_unseen_loc"}


class JoinedRegions(Regions):
    """The regions of several arrays with the same grid, concatenated."""

    in_memory = False

    def __init__(self, parts: list[Regions]):
        self._parts = parts
        self._ends = np.cumsum([part.shape[0] for part in parts])
        self.shape = (int(self._ends[-1]), *parts[0].shape[1:])

    def read(self, indices: np.ndarray) -> np.ndarray:
        """(n, R, D) float16."""
        return np.concatenate([self._parts[part].read(rows) for part, rows in self._split(indices)])

    def read_norms(self, indices: np.ndarray) -> np.ndarray:
        """(n, R) float32."""
        return np.concatenate([self._parts[part].read_norms(rows) for part, rows in self._split(indices)])

    def blocks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """All images in order as blocks (regions, norms), part by part."""
        for part in self._parts:
            yield from part.blocks()

    def _split(self, indices: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        for index in indices:
            part = int(np.searchsorted(self._ends, index, side="right"))
            yield part, np.array([index - self._ends[part] + self._parts[part].shape[0]])


def describe(
    file: h5py.File,
    source: Path,
    name: str,
    preset: str,
    backbone: str | None,
    semantics: Mapping[str, Path],
    grid: tuple[int, int] | None = None,
) -> FeatureSet:
    """The feature set of an open file; its regions are converted when they are read."""
    if preset != "deepfashion":
        raise InputError(f"{source}: has DeepFashion's own layout; import it with --preset deepfashion")
    keys = [*(f"train/{label}" for label in _train_labels(file)), "test_seen", "test_unseen"]
    maps = _maps(file, keys)
    labels_by_key = [_labels(file, key, len(part)) for key, part in zip(keys, maps, strict=True)]
    trainval_stop, test_seen_stop = (sum(map(len, maps[:stop])) for stop in (-2, -1))
    splits = {
        "trainval": np.arange(trainval_stop),
        "test_seen": np.arange(trainval_stop, test_seen_stop),
        "test_unseen": np.arange(test_seen_stop, test_seen_stop + len(maps[-1])),
    }
    old_labels = np.concatenate(labels_by_key)
    means, rows = _means(file, old_labels)
    image_files = _names(file, keys, labels_by_key)
    _check_origin(file, image_files, old_labels, splits)
    provenance: dict[str, Any] = {
        "made_by": "import of DeepFashion's reference layout",
        "file": source.name,
        "class_vectors": "paper",
        "category_ids": ", ".join(map(str, rows)),
        "folds": FOLDS_NOTE,
    }
    fields: dict[str, Any] = {
        "name": name,
        "preset": preset,
        "source": "real",
        "fingerprint": "",
        "regions": JoinedRegions([ReferenceRegions(part) for part in maps]),
        "labels": np.searchsorted(rows, old_labels),
        "attributes": vectors_from_means(means),
        "semantics": read_semantics(file, source, semantics, provenance),
        **splits,
        "grid": grid_of(maps[0], grid),
        "places": None,
        "backbone": backbone or guess_backbone(source, maps[0].shape[1]),
        "original_attributes": means,
        "image_files": image_files,
    }
    check_splits(FeatureSet(**fields, folds=()), str(source))
    folds = class_folds(np.unique(fields["labels"][splits["trainval"]]))
    features = FeatureSet(**fields, folds=folds, provenance=provenance)
    check(features, str(source))
    return features


def _train_labels(file: h5py.File) -> list[int]:
    group = hdf5.find(file, "feature_map_train")
    if not isinstance(group, h5py.Group):
        raise InputError(f"{file.filename}: feature_map_train is not a group of labels; extract the features again")
    invalid = [key for key in group if not re.fullmatch("0|[1-9][0-9]{0,8}", key)]
    if invalid or not len(group):
        fault = f"has the member {invalid[0]!r}" if invalid else "is empty"
        raise InputError(f"{file.filename}: feature_map_train {fault}; its members are labels, whole numbers")
    return sorted(int(key) for key in group)


def _maps(file: h5py.File, keys: list[str]) -> list[h5py.Dataset]:
    maps = [feature_map(file, f"feature_map_{key}") for key in keys]
    for key, part in zip(keys, maps, strict=True):
        if part.shape[1:] != maps[0].shape[1:]:
            raise InputError(
                f"{file.filename}: feature_map_{key} has images of {part.shape[1:]}, feature_map_{keys[0]} of "
                f"{maps[0].shape[1:]}; all must come from one backbone"
            )
    return maps


def _labels(file: h5py.File, key: str, images: int) -> np.ndarray:
    """The array `label_<key>`. In `label_train/<label>` all values must be that label."""
    labels = hdf5.array(file, f"label_{key}", "iu", 1)
    if len(labels) != images:
        raise InputError(f"{file.filename}: label_{key} has {len(labels)} labels for the {images} images there")
    label = key.removeprefix("train/")
    wrong = labels[labels != int(label)] if label != key else labels[:0]
    if wrong.size:
        raise InputError(f"{file.filename}: label_{key} has the label {wrong[0]}; all of them must be {label}")
    return labels


def _means(file: h5py.File, old_labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(C, A) mean annotations, the rows of `att` that are not zero, and (C,) the numbers of these rows."""
    att = hdf5.array(file, "att", "f", 2)
    if not (np.abs(att) <= 1 + 1e-6).all():
        row = np.flatnonzero(~(np.abs(att) <= 1 + 1e-6).all(axis=1))[0]
        raise InputError(f"{file.filename}: att is not within -1..1 in row {row}; means of -1, 0 and 1 are needed")
    rows = np.flatnonzero(att.any(axis=1))
    unknown = np.setdiff1d(old_labels, rows)
    if unknown.size:
        fault = "is all zero" if 0 <= unknown[0] < len(att) else f"is outside 0..{len(att) - 1}"
        raise InputError(
            f"{file.filename}: images have the label {unknown[0]}, but its row of att {fault}; "
            "row l must describe label l, labels are category ids from 1"
        )
    return att[rows], rows


def _names(file: h5py.File, keys: list[str], labels_by_key: list[np.ndarray]) -> tuple[str, ...]:
    """The names of all images in the order of their features; empty if the file has none."""
    if hdf5.find(file, "img_test_unseen") is None:
        return ()
    names: list[str] = []
    for key, labels in zip(keys, labels_by_key, strict=True):
        part = hdf5.texts(file, f"img_{key}")
        if len(part) != len(labels):
            raise InputError(f"{file.filename}: img_{key} has {len(part)} names for the {len(labels)} images there")
        names += part
    return tuple(names)


def _check_origin(
    file: h5py.File, image_files: tuple[str, ...], labels: np.ndarray, splits: dict[str, np.ndarray]
) -> None:
    """Raise InputError if labels or splits of the feature arrays differ from `imgs`, `labels` and the locs."""
    if not image_files or any(hdf5.find(file, key) is None for key in ("imgs", "labels", *LOCS.values())):
        return
    where = file.filename
    positions = {image: position for position, image in enumerate(hdf5.texts(file, "imgs"))}
    origin = hdf5.array(file, "labels", "iu", 1)
    if len(positions) != len(origin):
        raise InputError(f"{where}: {len(origin)} labels, but imgs has {len(positions)} different names")
    unknown = next((image for image in image_files if image not in positions), None)
    if unknown is not None:
        raise InputError(f"{where}: the image {unknown!r} is not in imgs; extract the features again")
    places = np.array([positions[image] for image in image_files])
    mismatches = np.flatnonzero(origin[places] != labels)
    if mismatches.size:
        row = mismatches[0]
        labelled = f"{image_files[row]} is stored under the label {labels[row]}"
        raise InputError(f"{where}: {labelled}, but labels says {origin[places[row]]}")
    for split, key in LOCS.items():
        if not np.array_equal(np.sort(places[splits[split]]), read_indices(file, key)):
            raise InputError(f"{where}: {key} does not name the images of {split} that are stored; they must agree")
