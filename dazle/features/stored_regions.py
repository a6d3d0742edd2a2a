"""Regions on disk: read from a feature file image by image, with or without a cache in memory."""

import os
import threading
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from dazle.errors import InputError
from dazle.features import hdf5
from dazle.features.feature_set import Regions

READ_AHEAD_BYTES = 32 * 2**20


class StoredRegions(Regions):
    """The regions of a feature file. Each process opens the file for itself; the threads of a process share it.

    Reading raises InputError if the file is damaged or its fingerprint has changed, and IndexError for an image index
    out of range.
    """

    in_memory = False

    def __init__(self, path: Path, shape: tuple[int, int, int], fingerprint: str):
        self.shape = shape
        self.read_ahead = READ_AHEAD_BYTES
        self._path, self._fingerprint = path, fingerprint
        self._opening = threading.Lock()
        self._file: h5py.File | None = None
        self._process = 0

    def __reduce__(self) -> tuple[Any, ...]:
        return StoredRegions, (self._path, self.shape, self._fingerprint)

    def read(self, indices: np.ndarray) -> np.ndarray:
        """(n, R, D) float16, rows in the order of `indices`, which may be unsorted and repeat."""
        values = np.empty((len(indices), *self.shape[1:]), np.float16)
        self._fill("regions", indices, values)
        return values

    def read_into(self, indices: np.ndarray, values: np.ndarray) -> None:
        """Like `read`, into the first n rows of `values`."""
        self._fill("regions", indices, values)

    def read_norms(self, indices: np.ndarray) -> np.ndarray:
        """(n, R) float32, rows in the order of `indices`."""
        norms = np.empty((len(indices), self.shape[1]), np.float32)
        self._fill("norms", indices, norms)
        return norms

    def _fill(self, key: str, indices: np.ndarray, values: np.ndarray) -> None:
        """Reads rows in the order of the file; rows that are adjacent in the file and in `values` in one call."""
        order = np.argsort(indices, kind="stable")
        images = np.asarray(indices)[order]
        if images.size and not 0 <= images[0] <= images[-1] < self.shape[0]:
            raise IndexError(f"image indices {images[0]}..{images[-1]} of {self.shape[0]} images")
        stored = self._opened()[key]
        starts = np.flatnonzero((np.diff(images, prepend=-2) != 1) | (np.diff(order, prepend=-2) != 1))
        try:
            for start, stop in zip(starts, [*starts[1:], len(images)], strict=False):
                rows = np.s_[order[start] : order[start] + stop - start]
                stored.read_direct(values, np.s_[images[start] : images[start] + stop - start], rows)
        except hdf5.UNREADABLE as error:
            raise hdf5.damage_error(self._path, key, error) from error

    def _opened(self) -> h5py.File:
        # A file handle inherited through fork shares its position with the parent and must not be used.
        with self._opening:
            if self._file is None or self._process != os.getpid():
                self._file, self._process = self._open(), os.getpid()
            return self._file

    def _open(self) -> h5py.File:
        try:
            file = h5py.File(self._path, "r")
        except OSError as error:
            raise hdf5.damage_error(self._path, "file", error) from error
        shapes = hdf5.dataset(file, "regions", "f", 3).shape, hdf5.dataset(file, "norms", "f", 2).shape
        if hdf5.attribute(file, "fingerprint", str) != self._fingerprint or shapes != (self.shape, self.shape[:2]):
            raise InputError(f"{self._path}: was replaced while in use; start again")
        return file


class CachedRegions(Regions):
    """Regions that are read from `stored` once and then kept in memory, so that a training starts without loading."""

    in_memory = False

    def __init__(self, stored: Regions):
        self.shape, self.read_ahead = stored.shape, stored.read_ahead
        self._stored, self._present = stored, np.zeros(stored.shape[0], bool)
        # The operating system takes memory only for pages that are written.
        self._values = np.empty(stored.shape, np.float16)
        self._memory = Regions(self._values, stored.read_norms(np.arange(stored.shape[0])))

    def read(self, indices: np.ndarray) -> np.ndarray:
        """(n, R, D) float16, rows in the order of `indices`, which may be unsorted and repeat."""
        values = np.empty((len(indices), *self.shape[1:]), np.float16)
        self.read_into(indices, values)
        return values

    def read_into(self, indices: np.ndarray, values: np.ndarray) -> None:
        """Like `read`, into the first n rows of `values`; several threads may read the same image at the same time."""
        missing = np.unique(indices[~self._present[indices]])
        if len(missing):
            self._values[missing] = self._stored.read(missing)
            self._present[missing] = True
            if self._present.all():
                self.read_ahead = 0
        self._memory.read_into(indices, values)

    def read_norms(self, indices: np.ndarray) -> np.ndarray:
        """(n, R) float32, rows in the order of `indices`."""
        return self._memory.read_norms(indices)
