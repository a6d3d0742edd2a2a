"""Regions that stay in a feature file and are read image by image, in any process."""

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from dazle import hdf5
from dazle.errors import InputError
from dazle.features import Regions


class StoredRegions(Regions):
    """The regions of the feature file with that fingerprint. Each process opens the file for itself.

    Reading raises InputError where the file is damaged or was replaced, IndexError for an image that is not
    there.
    """

    in_memory = False

    def __init__(self, path: Path, shape: tuple[int, int, int], fingerprint: str):
        self.shape = shape
        self._path, self._fingerprint = path, fingerprint
        self._file: h5py.File | None = None
        self._process = 0

    def __reduce__(self) -> tuple[Any, ...]:
        return StoredRegions, (self._path, self.shape, self._fingerprint)

    def read(self, indices: np.ndarray) -> np.ndarray:
        """(n, R, D) float16, rows in the order of `indices`, which may be unsorted and repeat."""
        return self._rows("regions", indices)

    def read_norms(self, indices: np.ndarray) -> np.ndarray:
        """(n, R) float32, rows in the order of `indices`."""
        return self._rows("norms", indices)

    def _rows(self, key: str, indices: np.ndarray) -> np.ndarray:
        """The rows of one dataset: runs of neighbours are read at once, repeated rows once."""
        unique, back = np.unique(indices, return_inverse=True)
        if unique.size and not 0 <= unique[0] <= unique[-1] < self.shape[0]:
            raise IndexError(f"image indices {unique[0]}..{unique[-1]} of {self.shape[0]} images")
        stored = self._opened()[key]
        found = np.empty((len(unique), *stored.shape[1:]), stored.dtype)
        starts = np.flatnonzero(np.diff(unique, prepend=-2) != 1)
        try:
            for start, stop in zip(starts, [*starts[1:], len(unique)], strict=False):
                stored.read_direct(found, np.s_[unique[start] : unique[stop - 1] + 1], np.s_[start:stop])
        except hdf5.UNREADABLE as error:
            raise hdf5.damaged(self._path, key, error) from error
        return found if np.array_equal(back, np.arange(len(found))) else found[back]

    def _opened(self) -> h5py.File:
        # A handle inherited through fork shares its file position with the parent and must not be used.
        if self._file is None or self._process != os.getpid():
            try:
                file = h5py.File(self._path, "r")
            except OSError as error:
                raise hdf5.damaged(self._path, "file", error) from error
            if file.attrs.get("fingerprint") != self._fingerprint:
                raise InputError(f"{self._path}: was replaced while in use; start again")
            self._file, self._process = file, os.getpid()
        return self._file
