"""Fingerprint of a feature set: a sha256 of everything in it that can change a result.

Included: name, preset, source, backbone, grid, names, every array, and all regions with their norms. Not included:
semantics, which cells identify separately (`FeatureSet.semantics_sha256`), and provenance, so that a file imported from
another folder is the same dataset.
"""

import hashlib
import json

import numpy as np

from dazle.features.feature_set import FeatureSet

SPLITS = ("trainval", "test_seen", "test_unseen")
TEXTS = ("class_names", "attribute_names", "image_files")


def stored_arrays(features: FeatureSet) -> dict[str, np.ndarray]:
    """All arrays except regions, norms and semantics, by their key in the file and with the type they have there."""
    arrays = {"labels": features.labels.astype("<i8"), "attributes": features.attributes.astype("<f4")}
    arrays |= {f"splits/{name}": getattr(features, name).astype("<i8") for name in SPLITS}
    for number, fold in enumerate(features.folds, 1):
        arrays[f"folds/{number}/train_classes"] = fold.train_classes.astype("<i8")
        arrays[f"folds/{number}/validation_classes"] = fold.validation_classes.astype("<i8")
    if features.original_attributes is not None:
        arrays["original_attributes"] = features.original_attributes.astype("<f4")
    if features.places is not None:
        arrays["places/part_regions"] = features.places.part_regions.astype("<i2")
        arrays["places/attribute_parts"] = features.places.attribute_parts.astype("u1")
        arrays["places/present"] = features.places.present.astype("u1")
    return arrays


class Fingerprint:
    """Computes the fingerprint of a feature set while its regions are streamed: `add` every image once, in order."""

    def __init__(self, features: FeatureSet):
        self._regions, self._norms, self._rest = hashlib.sha256(), hashlib.sha256(), hashlib.sha256()
        tolerance = () if features.places is None else (features.places.tolerance,)
        numbers = [int(number) for number in (*features.grid, *features.regions.shape, *tolerance)]
        texts = [getattr(features, key) for key in ("name", "preset", "source", "backbone", *TEXTS)]
        self._rest.update(json.dumps([numbers, texts]).encode())
        for key, values in stored_arrays(features).items():
            self._rest.update(f"{key} {values.dtype.str} {values.shape}".encode())
            self._rest.update(np.ascontiguousarray(values).data)

    def add(self, regions: np.ndarray, norms: np.ndarray) -> None:
        """The next images: (n, R, D) and (n, R)."""
        self._regions.update(np.ascontiguousarray(regions, "<f2").data)
        self._norms.update(np.ascontiguousarray(norms, "<f4").data)

    def hexdigest(self) -> str:
        """The fingerprint, 64 hex digits, after all images were added."""
        parts = (self._rest, self._regions, self._norms)
        return hashlib.sha256(b"".join(part.digest() for part in parts)).hexdigest()
