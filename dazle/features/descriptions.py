"""Names, class folds and places of a feature set in an HDF5 file.

Feature files have them, and files that `data export` writes: the layout of others has no place for them.
"""

from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np

from dazle.errors import InputError
from dazle.features import hdf5
from dazle.features.feature_set import ClassFold, FeatureSet, Places
from dazle.features.fingerprint import TEXTS


def write_arrays(file: h5py.File, features: FeatureSet, arrays: Mapping[str, np.ndarray]) -> None:
    """Write `arrays` by their keys, the names, and the tolerance of places, all with checksums."""
    texts = {
        key: np.array([text.encode() for text in getattr(features, key)], "S")
        for key in TEXTS
        if getattr(features, key)
    }
    for key, values in {**arrays, **texts}.items():
        # HDF5 has checksums for chunks only, and chunks for at least one value.
        file.create_dataset(key, data=values, fletcher32=True if values.size else None)
    if features.places is not None:
        file["places"].attrs["tolerance"] = np.int64(features.places.tolerance)


def read_descriptions(file: h5py.File) -> dict[str, Any]:
    """The fields of a feature set for class folds, places and names."""
    folds = tuple(_fold(file, number) for number in range(1, len(members(file, "folds")) + 1))
    return {"folds": folds, "places": _places(file), **{key: _texts(file, key) for key in TEXTS}}


def members(file: h5py.File, key: str) -> list[str]:
    """The sorted names in a group; none if it is missing."""
    group = hdf5.find(file, key)
    return sorted(group) if isinstance(group, h5py.Group) else []


def _places(file: h5py.File) -> Places | None:
    group = hdf5.find(file, "places")
    if group is None:
        return None
    tolerance = hdf5.attribute(group, "tolerance", np.integer)
    if tolerance is None:
        raise InputError(f"{file.filename}: the attribute tolerance of places is missing; make it again")
    parts, present = (hdf5.array(file, f"places/{name}", "iu", 2) for name in ("attribute_parts", "present"))
    regions = hdf5.array(file, "places/part_regions", "i", 2)
    return Places(regions, parts.astype(bool), present.astype(bool), int(tolerance))


def _texts(file: h5py.File, key: str) -> tuple[str, ...]:
    if hdf5.find(file, key) is None:
        return ()
    return tuple(text.decode("utf-8", "replace") for text in hdf5.array(file, key, "S", 1).tolist())


def _fold(file: h5py.File, number: int) -> ClassFold:
    keys = (f"folds/{number}/train_classes", f"folds/{number}/validation_classes")
    return ClassFold(*(hdf5.array(file, key, "iu", 1) for key in keys))
