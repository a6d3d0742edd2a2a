"""Pooled features: for each image the mean over its regions of the raw features (unit region times its norm).

They are what the backbone's own average pooling gives. A feature file has them computed once, into a file beside it
that carries the fingerprint in its name; later readers map that file and read only the rows that they need.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

SUFFIX = ".pooled.npy"


class RegionBlocks(Protocol):
    """The part of `dazle.features.feature_set.Regions` that pooling needs."""

    shape: tuple[int, int, int]

    def blocks(self) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        """All images in order as blocks of unit regions (n, R, D) and norms (n, R)."""


class Pooled:
    """Pooled features (N, D) float32, in memory or mapped from a file."""

    read_ahead = 0
    dtype = np.dtype(np.float32)

    def __init__(self, values: NDArray[np.float32]) -> None:
        self.shape: tuple[int, ...] = values.shape
        self._values = values

    def read(self, indices: NDArray[np.integer]) -> NDArray[np.float32]:
        """(n, D), rows in the order of `indices`, which may be unsorted and repeat."""
        return self._values[indices]

    def read_into(self, indices: NDArray[np.integer], buffer: NDArray[np.float32]) -> None:
        """Like `read`, into the first n rows of `buffer`."""
        buffer[: len(indices)] = self._values[indices]


def pool(regions: RegionBlocks, values: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """Fills `values` (N, D), by default a new array, block by block."""
    images, count, channels = regions.shape
    values = np.empty((images, channels), np.float32) if values is None else values
    start = 0
    for block, norms in regions.blocks():
        # One product for each image: norms (1, R) times regions (R, D).
        values[start : start + len(block)] = (norms[:, None, :] @ block.astype(np.float32))[:, 0] / count
        start += len(block)
    return values


def pooled_features(regions: RegionBlocks, feature_file: Path | None, fingerprint: str) -> Pooled:
    """The pooled features of `regions`; those of a feature file are read from the file beside it, made if missing.

    Raises InputError if the feature file is damaged. If the folder cannot be written, they are computed in memory.
    """
    if feature_file is None:
        return Pooled(pool(regions))
    path = pooled_path(feature_file, fingerprint)
    try:
        with FileLock(path.with_suffix(".lock")):
            if not path.exists():
                _write(path, regions)
            for other in feature_file.parent.glob(f".{feature_file.stem}.*{SUFFIX}"):
                if other != path:  # of features that the feature file had before
                    other.unlink(missing_ok=True)
    except OSError:
        if not path.exists():
            return Pooled(pool(regions))
    return Pooled(np.load(path, mmap_mode="r", allow_pickle=False))


def pooled_path(feature_file: Path, fingerprint: str) -> Path:
    """The path of the pooled features of a feature file with that fingerprint."""
    return feature_file.parent / f".{feature_file.stem}.{fingerprint[:20]}{SUFFIX}"


def _write(path: Path, regions: RegionBlocks) -> None:
    """Written to a temporary file and renamed, so that no half-written file is read."""
    images, _, channels = regions.shape
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.", suffix=".tmp")
    os.close(handle)
    try:
        values = np.lib.format.open_memmap(temporary, "w+", np.float32, (images, channels))
        pool(regions, values)
        values.flush()
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
