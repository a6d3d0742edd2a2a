"""Feature file: the project's HDF5 format for a feature set; written atomically, regions read image by image.

Datasets: `regions` (N, R, D) float16, `norms` (N, R) float32, `labels`, `attributes`, `splits/<name>`,
`folds/<k>/train_classes` and `validation_classes`, `semantics/<name>`; optional `original_attributes`,
`places/part_regions`, `places/attribute_parts`, `places/present`, `class_names`, `attribute_names`, `image_files`.

Every dataset has checksums, so a flipped byte raises an error and never gives another number. From version 1.10 of its
format on (`LIBRARY`), HDF5 has them in its own structures too. In older files a flipped byte of an index can lead to
the wrong chunk.

Regions are chunked by image and not compressed: training reads single images, and decompressing one takes five times
as long as reading it, even if nine of ten values are zero.
"""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from filelock import FileLock, Timeout

from dazle.config import DATASETS, MADE_SEMANTICS
from dazle.errors import InputError
from dazle.features import hdf5
from dazle.features.added_semantics import attach_added
from dazle.features.descriptions import members, read_descriptions, write_arrays
from dazle.features.feature_set import FeatureSet, check
from dazle.features.fingerprint import SPLITS, Fingerprint, stored_arrays
from dazle.features.stored_regions import StoredRegions

FORMAT, VERSION = "dazle features", 1
LIBRARY = ("v110", "v110")
CHUNK_BYTES = 2**19
UNIT_TOLERANCE = 2e-3  # float16 has 11 bits, so the error of a length is below 5e-4
Progress = Callable[[int, int], object]  # called with (images done, all images)


def check_name(name: str, what: str = "name") -> None:
    """Raise InputError for a name that cannot be a file name on every system."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", name):
        raise InputError(f"{what} {name!r}: use 1 to 64 of a-z, 0-9, - and _, the first a letter or digit")
    if re.fullmatch("con|prn|aux|nul|com[0-9]|lpt[0-9]", name):
        raise InputError(f"{what} {name!r}: is the name of a device on Windows; use another")


def check_semantics_name(name: str) -> None:
    """Raise InputError for a name that attribute vectors cannot have: no file name, or `random` or `one-hot`."""
    check_name(name, "semantics")
    if name in MADE_SEMANTICS:
        raise InputError(f"semantics {name!r}: is a choice of its own and needs no vectors; give these another name")


def check_identity(name: str, preset: str, source: str) -> None:
    """Raise InputError for an invalid name, preset or source, or if other features take the name of a real dataset."""
    check_name(name)
    check_name(preset, "preset")
    if source not in ("real", "simulated"):
        raise InputError(f"source {source!r}: it is real or simulated")
    if name in DATASETS and (source, preset) != ("real", name):
        raise InputError(f"name {name!r} is for real features of the preset {name}; use another name")


def write(path: Path, features: FeatureSet, progress: Progress = lambda done, images: None) -> str:
    """Store a feature set, streaming its regions, and return its fingerprint.

    The file gets its name when it is complete and on disk; the remains of an interrupted run are replaced. Raises
    InputError for a set that fails `check`, a name it may not have, a full disk, or a second writer.
    """
    if path.stem != features.name:
        raise InputError(f"{path}: features named {features.name!r} are kept in {features.name}.h5")
    check_identity(features.name, features.preset, features.source)
    for name in features.semantics:
        check_name(name, "semantics")
    check(features)
    with new_file(path, features.regions.nbytes) as file:
        _write_arrays(file, features)
        fingerprint = _write_regions(file, features, progress)
        hdf5.write_text(file, "fingerprint", fingerprint)
        file.flush()
        file.attrs["complete"] = True
    return fingerprint


@contextmanager
def new_file(path: Path, needed: int, libver: tuple[str, str] | None = LIBRARY) -> Iterator[h5py.File]:
    """A new file under a temporary name, renamed to `path` if the block succeeds and removed if it fails.

    `libver`: versions of the format; None: the oldest that is possible, which every library reads.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(path.parent).free
    except OSError as error:
        raise InputError(f"{path.parent}: cannot be used ({error.strerror}); give another folder") from error
    if needed > free:
        raise InputError(f"{path}: needs {needed / 1e9:.1f} GB, the disk has {free / 1e9:.1f}; use another folder")
    partial = path.with_name(f".{path.name}.partial")
    # HDF5 truncates a file before it locks it. So the lock is a separate, empty file, which is not removed.
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise InputError(f"{path}: is being written by another run; wait for it to end") from error
    except OSError as error:
        raise InputError(f"{path.parent}: cannot be used ({error.strerror}); give another folder") from error
    try:
        partial.unlink(missing_ok=True)
        with h5py.File(partial, "x", libver=libver) as file:
            yield file
        _sync(partial)
        os.replace(partial, path)
        _sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)
        lock.release()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_arrays(file: h5py.File, features: FeatureSet) -> None:
    """Everything except regions and norms."""
    arrays = stored_arrays(features)
    arrays |= {f"semantics/{name}": values.astype("<f4") for name, values in features.semantics.items()}
    write_arrays(file, features, arrays)
    for key in ("name", "preset", "source", "backbone"):
        hdf5.write_text(file, key, getattr(features, key))
    hdf5.write_text(file, "format", FORMAT)
    file.attrs["version"] = VERSION
    file.attrs["grid"] = np.array(features.grid, "<i8")
    hdf5.write_text(file, "provenance", json.dumps(features.provenance))


def _write_regions(file: h5py.File, features: FeatureSet, progress: Progress) -> str:
    images, regions, channels = features.regions.shape
    per_image = regions * channels * 2
    chunk = (
        min(images, max(1, CHUNK_BYTES // 8 // per_image)),
        min(regions, max(1, CHUNK_BYTES // channels // 2)),
    )
    stored = file.create_dataset(
        "regions", (images, regions, channels), "<f2", chunks=(*chunk, channels), fletcher32=True
    )
    stored_norms = file.create_dataset("norms", (images, regions), "<f4", fletcher32=True)
    fingerprint, start = Fingerprint(features), 0
    for block, norms in features.regions.blocks():
        stop = start + len(block)
        stored[start:stop], stored_norms[start:stop] = block, norms
        fingerprint.add(block, norms)
        progress(stop, images)
        start = stop
    return fingerprint.hexdigest()


def stored_source(path: Path) -> str:
    """The source recorded in a feature file, `real` or `simulated`. Raises InputError if it cannot be read."""
    with hdf5.open_file(path) as file:
        return str(_header(file, path)["source"])


def open_features(path: Path, added: bool = True) -> FeatureSet:
    """Open a feature file: small arrays are read and checked, regions stay on disk.

    `added` False ignores attribute vectors in files beside it (`dazle.features.added_semantics`). Raises InputError,
    one line with the file, for anything missing, damaged or contradictory.
    """
    path = Path(path)
    with hdf5.open_file(path) as file:
        fields = _header(file, path)
        fields |= {name: hdf5.array(file, f"splits/{name}", "iu", 1) for name in SPLITS}
        fields |= read_descriptions(file)
        features = FeatureSet(
            **fields,
            regions=StoredRegions(path, _regions_shape(file, path), fields["fingerprint"]),
            file=path,
            labels=hdf5.array(file, "labels", "iu", 1),
            attributes=hdf5.array(file, "attributes", "f", 2),
            semantics=read_semantics(file),
            original_attributes=_optional(file, "original_attributes", "f"),
        )
    check(features, str(path))
    return attach_added(features, path) if added else features


def verify(path: Path, progress: Progress = lambda done, images: None) -> FeatureSet:
    """Read a feature file completely, block by block, and return it opened.

    Raises InputError as `open_features` does, for regions that are not finite or not of unit length, and for a
    fingerprint that is not that of the content.
    """
    features = open_features(path)
    fingerprint, start = Fingerprint(features), 0
    for block, norms in features.regions.blocks():
        lengths = np.sqrt(np.einsum("nrd,nrd->nr", block, block, dtype=np.float32))
        fits = np.isfinite(norms) & (np.abs(lengths - (norms > 0)) < UNIT_TOLERANCE)
        if not fits.all():
            image, region = np.argwhere(~fits)[0]
            values = f"length {lengths[image, region]:.4g} (norm {norms[image, region]:.4g})"
            raise InputError(f"{path}: region {region} of image {start + image} has {values}, not 1; import it again")
        fingerprint.add(block, norms)
        start += len(block)
        progress(start, len(features.labels))
    if fingerprint.hexdigest() != features.fingerprint:
        raise InputError(
            f"{path}: was changed, its fingerprint {features.fingerprint[:12]} is not that of its "
            "content; import it again"
        )
    return features


def _header(file: h5py.File, path: Path) -> dict[str, Any]:
    """The fields name, preset, source, backbone, fingerprint, provenance and grid."""
    if hdf5.attribute(file, "format", str) != FORMAT:
        raise InputError(f"{path}: not a feature file of this project; make one with `data import`")
    if hdf5.attribute(file, "version", np.integer) != VERSION:
        raise InputError(f"{path}: not version {VERSION} of the format; import it again")
    if not hdf5.attribute(file, "complete", np.bool_):
        raise InputError(f"{path}: half-written, the mark `complete` is missing; import it again")
    keys = ("name", "preset", "source", "backbone", "fingerprint", "provenance")
    header: dict[str, Any] = {key: hdf5.attribute(file, key, str) for key in keys}
    grid = hdf5.attribute(file, "grid", np.ndarray)
    if None in header.values() or grid is None or grid.shape != (2,) or grid.dtype.kind != "i":
        raise InputError(f"{path}: one of its attributes {', '.join(keys)}, grid is missing; import it again")
    if path.stem != header["name"]:
        raise InputError(f"{path}: holds the features {header['name']!r}; name the file {header['name']}.h5")
    try:
        check_identity(header["name"], header["preset"], header["source"])
        header["provenance"] = dict(json.loads(header["provenance"]))
    except (InputError, ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{path}: {error}; import it again") from error
    return header | {"grid": (int(grid[0]), int(grid[1]))}


def _regions_shape(file: h5py.File, path: Path) -> tuple[int, int, int]:
    regions, norms = hdf5.dataset(file, "regions", "f", 3), hdf5.dataset(file, "norms", "f", 2)
    if (regions.dtype, norms.dtype, norms.shape) != (np.float16, np.float32, regions.shape[:2]):
        raise InputError(
            f"{path}: regions {regions.shape} {regions.dtype}, norms {norms.shape} {norms.dtype}; "
            "float16 and float32 of the same images are needed, import it again"
        )
    return regions.shape


def read_semantics(file: h5py.File) -> dict[str, np.ndarray]:
    """The attribute vectors (A, d) in the file by their names."""
    names = members(file, "semantics")
    for name in names:
        check_name(name, f"{file.filename}: semantics")
    return {name: hdf5.array(file, f"semantics/{name}", "f", 2) for name in names}


def _optional(file: h5py.File, key: str, kinds: str) -> np.ndarray | None:
    return None if hdf5.find(file, key) is None else hdf5.array(file, key, kinds, 2)
