"""The smallest dataset that has everything, as a feature set and as a file of the reference layout.

Classes 0-5 are seen (5 trainval images and 1 test_seen each), classes 6-8 unseen (4 images each): 48 images
of 2 x 2 regions with 8 channels, 5 attributes, vectors of 3 dimensions. Images 0-35 show class i // 6.
"""

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from dazle.features.feature_set import ClassFold, FeatureSet, Places, Regions, normalise

LABELS = np.concatenate([np.repeat(np.arange(6), 6), np.repeat(np.arange(6, 9), 4)])
TEST_SEEN = np.arange(5, 36, 6)
TRAINVAL = np.setdiff1d(np.arange(36), TEST_SEEN)
TEST_UNSEEN = np.arange(36, 48)
CHANNELS = 8


def _unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _fold(validation: np.ndarray) -> ClassFold:
    return ClassFold(np.setdiff1d(np.arange(6), validation), validation)


def small(**changes: Any) -> FeatureSet:
    """A feature set in memory that passes `check`; every field can be changed."""
    draw = np.random.default_rng(0)
    raw = draw.random((48, 4, CHANNELS))
    raw[3, 1] = 0
    fields: dict[str, Any] = {
        "name": "small", "preset": "cub", "source": "real", "fingerprint": "0" * 64,
        "regions": Regions(*normalise(raw)), "labels": LABELS, "attributes": _unit(draw.random((9, 5))),
        "semantics": {"word2vec": draw.random((5, 3), np.float32)},
        "trainval": TRAINVAL, "test_seen": TEST_SEEN, "test_unseen": TEST_UNSEEN,
        "folds": tuple(_fold(np.array([k, k + 3])) for k in range(3)),
        "grid": (2, 2), "places": None, "backbone": "ResNet-101",
    }  # fmt: skip
    return FeatureSet(**fields | changes)


def places(**changes: Any) -> Places:
    """Two parts at drawn regions, sometimes not visible; the attributes 0-1 and 2-3 each at one, 4 nowhere."""
    draw = np.random.default_rng(2)
    fields: dict[str, Any] = {
        "part_regions": draw.integers(-1, 4, (48, 2)).astype(np.int16),
        "attribute_parts": np.array([[1, 0], [1, 0], [0, 1], [0, 1], [0, 0]], bool),
        "present": draw.random((48, 5)) < 0.5, "tolerance": 1,
    }  # fmt: skip
    return Places(**fields | changes)


def write_reference(path: Path, **changes: Any) -> Path:
    """A file of the reference layout; a changed key holds that value, None leaves it out."""
    draw = np.random.default_rng(1)
    arrays: dict[str, Any] = {
        "feature_map": draw.random((48, CHANNELS, 2, 3), np.float32), "labels": LABELS,
        "trainval_loc": TRAINVAL, "test_seen_loc": TEST_SEEN, "test_unseen_loc": TEST_UNSEEN,
        "att": draw.random((9, 5)), "original_att": draw.random((9, 5)), "w2v_att": draw.random((5, 3)),
    }  # fmt: skip
    with h5py.File(path, "w") as file:
        for key, values in (arrays | changes).items():
            if key == "feature_map" and values is not None:
                file.create_dataset(key, data=values, compression="gzip", chunks=(4, *values.shape[1:]))
            elif values is not None:
                file[key] = values
    return path
