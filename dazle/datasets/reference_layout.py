"""Reference layout: the HDF5 files that DAZLE, MSDN, TransZero, GEM-ZSL and others share, read as a feature set.

`feature_map` (N, D, h, w), or (N, D, R) with a grid that the user gives, `labels` (N,), `trainval_loc`,
`test_seen_loc`, `test_unseen_loc`, all 0-based, `att` (C, A), `w2v_att` (A, d), and in some files `original_att`,
`train_loc`, `val_loc`. In the file channels come before regions and are not normalised; here each region is one row of
unit length.

`train_loc` and `val_loc` have the leak of xlsa17: they contain images of test_seen. Only their images in trainval are
used.
"""

import json
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from dazle.datasets.export_reference import FORMAT as EXPORT_FORMAT
from dazle.datasets.npy_semantics import read_npy
from dazle.errors import InputError
from dazle.features import feature_file, hdf5
from dazle.features.descriptions import read_descriptions
from dazle.features.feature_set import BLOCK_BYTES, ClassFold, FeatureSet, Regions, check, check_splits, normalise
from dazle.features.fingerprint import SPLITS
from dazle.features.splits import draw_folds

BACKBONES = {"ResNet_101": "ResNet-101", "EfficientNet_Lite0": "EfficientNet-Lite0"}
ROUNDING = 1e-3  # a float16 region of unit length has a length of 1 +- 5e-4
LARGEST_SLAB = 8 * BLOCK_BYTES  # bytes


class ReferenceRegions(Regions):
    """A `feature_map` (N, D, h, w) or (N, D, R) as regions.

    Reading an image that is all zero or not finite raises InputError.
    """

    in_memory = False

    def __init__(self, maps: h5py.Dataset, norms: np.ndarray | None = None):
        """`norms`: (N, R), those before the export of an exported file."""
        images, channels, *grid = maps.shape
        self.shape = (images, prod(grid), channels)
        self._maps, self._exported_norms = maps, norms

    def read(self, indices: np.ndarray) -> np.ndarray:
        """(n, R, D) float16."""
        return np.concatenate([self._convert(self._slab(i, i + 1), i)[0] for i in indices])

    def read_norms(self, indices: np.ndarray) -> np.ndarray:
        """(n, R) float32."""
        return np.concatenate([self._convert(self._slab(i, i + 1), i)[1] for i in indices])

    def blocks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """All images in order as blocks (regions, norms); every compressed chunk of the file is decompressed once."""
        images, regions, channels = self.shape
        step = max(1, BLOCK_BYTES // 4 // (regions * channels * 4))
        slab = self._slab_images(step)
        for start in range(0, images, slab):
            maps = self._slab(start, min(start + slab, images))
            for first in range(0, len(maps), step):
                yield self._convert(maps[first : first + step], start + first)

    def _slab_images(self, step: int) -> int:
        """Number of images to read at once: whole chunks, or the part of a chunk that fits into `LARGEST_SLAB`.

        These files have h5py's default chunks of hundreds of images, and a read decompresses all chunks it touches.
        """
        per_chunk = (self._maps.chunks or (1,))[0]
        chunk_images = max(1, step // per_chunk) * per_chunk
        image_bytes = self.shape[1] * self.shape[2] * self._maps.dtype.itemsize
        return min(chunk_images, max(1, LARGEST_SLAB // image_bytes))

    def _slab(self, start: int, stop: int) -> np.ndarray:
        return hdf5.rows(self._maps, np.s_[start:stop])

    def _convert(self, maps: np.ndarray, start: int) -> tuple[np.ndarray, np.ndarray]:
        raw = maps.reshape(*maps.shape[:2], -1).swapaxes(1, 2)
        regions, norms = normalise(raw)
        invalid = np.flatnonzero(~np.isfinite(norms).all(axis=1) | ~norms.any(axis=1))
        if invalid.size:
            image = f"{self._maps.name.lstrip('/')} of image {start + invalid[0]}"
            fault = "all zero" if not norms[invalid[0]].any() else "not finite"
            raise InputError(f"{self._maps.file.filename}: {image} is {fault}; extract the image again")
        return (regions, norms) if self._exported_norms is None else self._restore(raw, regions, norms, start)

    def _restore(
        self, raw: np.ndarray, regions: np.ndarray, norms: np.ndarray, start: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Regions and norms as they were before the export, except those that were changed in the file since."""
        assert self._exported_norms is not None
        exported = self._exported_norms[start : start + len(norms)]
        equal = np.abs(norms - exported) <= ROUNDING * exported
        divided = raw.astype(np.float32) / np.where(exported > 0, exported, 1)[..., None]
        return np.where(equal[..., None], divided.astype(np.float16), regions), np.where(equal, exported, norms)


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
    maps = feature_map(file, "feature_map")
    exported = hdf5.attribute(file, "format", str) == EXPORT_FORMAT
    provenance = _exported_provenance(file) if exported else {}
    provenance |= {"made_by": "import of the reference layout", "file": source.name}
    fields: dict[str, Any] = {
        "name": name,
        "preset": preset,
        "source": "real",
        "fingerprint": "",
        "regions": ReferenceRegions(maps, _exported_norms(file, maps) if exported else None),
        "labels": hdf5.array(file, "labels", "iu", 1),
        "attributes": _attributes(file, preset, exported, provenance),
        "semantics": read_semantics(file, source, semantics, provenance, required=preset != "own"),
        **{split: read_indices(file, f"{split}_loc") for split in SPLITS},
        "grid": grid_of(maps, grid),
        "places": None,
        "backbone": backbone or _exported_backbone(file) or guess_backbone(source, maps.shape[1]),
        "original_attributes": _original_attributes(file),
    }
    check_splits(FeatureSet(**fields, folds=()), str(source))
    if exported:
        rest = read_descriptions(file)
        fields["semantics"] = feature_file.read_semantics(file) | fields["semantics"]
    else:
        rest = {"folds": _folds(file, name, fields["labels"], fields["trainval"], provenance)}
    features = FeatureSet(**fields | rest, provenance=provenance)
    check(features, str(source))
    return features


def _attributes(file: h5py.File, preset: str, exported: bool, provenance: dict[str, Any]) -> np.ndarray:
    """(C, A), rows L2-normalised; those of an exported file are, and stay as they are."""
    attributes = hdf5.array(file, "att", "f", 2)
    if exported:
        return attributes
    if preset == "awa2":
        provenance["negative_attributes_set_to_0"] = int((attributes < 0).sum())
        attributes = np.maximum(attributes, 0)
    lengths = np.linalg.norm(attributes, axis=1, keepdims=True)
    return attributes / np.where(lengths > 0, lengths, 1)


def _exported_provenance(file: h5py.File) -> dict[str, Any]:
    try:
        [text] = hdf5.array(file, "provenance", "S", 1)
        return dict(json.loads(text))
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{file.filename}: provenance is not a JSON object ({error}); export it again") from error


def _exported_norms(file: h5py.File, maps: h5py.Dataset) -> np.ndarray:
    norms = hdf5.array(file, "norms", "f", 2)
    if norms.shape != (maps.shape[0], prod(maps.shape[2:])):
        raise InputError(
            f"{file.filename}: norms have the shape {norms.shape}, not one an image region; export it again"
        )
    return norms


def _exported_backbone(file: h5py.File) -> str | None:
    backbone = hdf5.attribute(file, "backbone", str)
    return backbone if backbone is None else str(backbone)


def _folds(
    file: h5py.File, name: str, labels: np.ndarray, trainval: np.ndarray, provenance: dict[str, Any]
) -> tuple[ClassFold, ...]:
    first_fold = _stored_fold(file, labels, trainval, provenance)
    provenance["folds"] = "drawn from the dataset's name" if first_fold is None else "fold 1 given, 2 and 3 drawn"
    return draw_folds(name, np.unique(labels[trainval]), first_fold)


def feature_map(file: h5py.File, key: str) -> h5py.Dataset:
    """The dataset of region features, (N, D, h, w) or (N, D, R)."""
    maps = hdf5.find(file, key)
    flat = isinstance(maps, h5py.Dataset) and maps.ndim == 3
    return hdf5.dataset(file, key, "f", 3 if flat else 4)


def grid_of(maps: h5py.Dataset, grid: tuple[int, int] | None) -> tuple[int, int]:
    """(rows, columns): those of the dataset, or for regions in one line the user's. InputError if these do not fit."""
    stored, where = maps.shape[2:], f"{maps.file.filename}: {maps.name.lstrip('/')}"
    if grid is None:
        if len(stored) == 1:
            raise InputError(
                f"{where} has {stored[0]} regions and not their grid; give its rows and columns with --grid"
            )
        return stored[0], stored[1]
    if grid[0] * grid[1] != prod(stored) or (grid != stored and 1 not in stored and len(stored) == 2):
        size = " x ".join(map(str, stored))
        raise InputError(f"{where} has {size} regions, which --grid {grid[0]}x{grid[1]} does not fit; leave it out")
    return grid


def read_indices(file: h5py.File, key: str) -> np.ndarray:
    """Image indices, sorted. Raises InputError if one occurs twice; their range is not checked."""
    indices = np.sort(hdf5.array(file, key, "iu", 1))
    twice = indices[:-1][np.diff(indices) == 0]
    if twice.size:
        raise InputError(f"{file.filename}: {key} names image {twice[0]} twice; each image once")
    return indices


def _original_attributes(file: h5py.File) -> np.ndarray | None:
    return None if hdf5.find(file, "original_att") is None else hdf5.array(file, "original_att", "fiu", 2)


def guess_backbone(source: Path, channels: int) -> str:
    """The backbone, from the name of the file or the number of channels."""
    for pattern, backbone in BACKBONES.items():
        if pattern in source.name:
            return backbone
    if channels == 2048:
        return "ResNet-101"
    raise InputError(
        f"{source}: the file name does not contain the backbone of these {channels} channels; give it with --backbone"
    )


def read_semantics(
    file: h5py.File, source: Path, npy_files: Mapping[str, Path], provenance: dict[str, Any], required: bool = True
) -> dict[str, np.ndarray]:
    """Reads `w2v_att` (stored as `word2vec`) and the .npy files; adds their names to `provenance`."""
    has_word2vec = hdf5.find(file, "w2v_att") is not None
    if has_word2vec and "word2vec" in npy_files:
        raise InputError(f"{source}: already has word2vec (w2v_att); give {npy_files['word2vec']} another name")
    if required and not has_word2vec and "word2vec" not in npy_files:
        raise InputError(f"{source}: w2v_att is missing; give the vectors with --semantics word2vec=FILE.npy")
    provenance["semantics"] = {name: path.name for name, path in npy_files.items()}
    vectors = {"word2vec": hdf5.array(file, "w2v_att", "f", 2)} if has_word2vec else {}
    return vectors | {name: read_npy(path) for name, path in npy_files.items()}


def _stored_fold(
    file: h5py.File, labels: np.ndarray, trainval: np.ndarray, provenance: dict[str, Any]
) -> ClassFold | None:
    """Class fold 1 from train_loc and val_loc without their test images; None if one of them is missing."""
    keys = ("train_loc", "val_loc")
    if any(hdf5.find(file, key) is None for key in keys):
        return None
    parts = [read_indices(file, key) for key in keys]
    for key, indices in zip(keys, parts, strict=True):
        if indices.size and not 0 <= indices[0] <= indices[-1] < len(labels):
            raise InputError(
                f"{file.filename}: {key} runs {indices[0]}..{indices[-1]}, outside "
                f"0..{len(labels) - 1}; indices are 0-based"
            )
    honest = [np.intersect1d(indices, trainval) for indices in parts]
    provenance["leak_taken_out"] = int(sum(map(len, parts)) - sum(map(len, honest)))
    train, validation = (np.unique(labels[indices]) for indices in honest)
    shared = np.intersect1d(train, validation)
    if shared.size or not train.size or not validation.size:
        sizes = f"have {train.size} and {validation.size} classes"
        fault = f"share class {shared[0]}" if shared.size else sizes
        raise InputError(
            f"{file.filename}: train_loc and val_loc {fault}; they must split the seen classes, "
            "or be removed from the file"
        )
    return ClassFold(train, validation)
