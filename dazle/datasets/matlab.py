"""Safe reading of MATLAB .mat files: selected variables, and every fault is an InputError with the file.

A damaged file can crash scipy's reader or make it allocate all memory, so the reader runs in a separate process with a
memory limit. The first file starts that process, which takes a second; later files use it again.
"""

import multiprocessing
import resource
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from pathlib import Path

import numpy as np
import psutil

from dazle.errors import InputError

# The reader's limit. SUN's files, the largest, need 20 MB.
MEMORY_BYTES = 2**30


class MatFile:
    """Some variables of one file. Raises InputError if it is missing, damaged or in another format."""

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        """Reads those of `names` that the file has; large variables such as `features` are skipped."""
        self.path = path
        if not path.is_file():
            raise InputError(f"{path}: no such file; it is part of the xlsa17 archive, give the folder that has it")
        try:
            self._values = _read_in_process(path, tuple(names))
        except NotImplementedError as error:
            raise InputError(f"{path}: not in MATLAB's format 5 to 7; save it again with -v7") from error
        except BrokenProcessPool as error:
            _reader.cache_clear()
            raise InputError(f"{path}: cannot be read, it is damaged and crashes the reader; fetch it again") from error
        except ValueError as error:
            raise InputError(f"{path}: cannot be read, it is damaged or cut short; fetch it again ({error})") from error

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def integers(self, name: str) -> np.ndarray:
        """(n,) int64; MATLAB may store whole numbers as floating point."""
        values = self._get(name)
        if values.dtype.kind not in "iuf" or values.size != max(values.shape, default=0):
            raise InputError(f"{self.path}: {name} is {_type(values)}; one column of whole numbers is needed")
        values = values.ravel()
        wrong = np.flatnonzero(~np.isfinite(values) | (values != np.round(values)) | (np.abs(values) > 2**40))
        if wrong.size:
            raise InputError(f"{self.path}: {name} has {values[wrong[0]]} in row {wrong[0] + 1}, not a whole number")
        return values.astype(np.int64)

    def matrix(self, name: str) -> np.ndarray:
        """(rows, columns) float64, finite."""
        values = self._get(name)
        if values.dtype.kind not in "iuf" or values.ndim != 2 or not values.size:
            raise InputError(f"{self.path}: {name} is {_type(values)}; a matrix of numbers is needed")
        values = values.astype(np.float64)
        if not np.isfinite(values).all():
            row, column = np.argwhere(~np.isfinite(values))[0] + 1
            raise InputError(f"{self.path}: {name} is not finite in row {row}, column {column}; fetch it again")
        return values

    def texts(self, name: str) -> tuple[str, ...]:
        """The strings of a cell array, or of an array of characters."""
        values = self._get(name).ravel()
        cells = [np.ravel(cell) for cell in values]
        wrong = [row for row, cell in enumerate(cells, 1) if cell.dtype.kind != "U" or cell.size != 1]
        if wrong or not cells:
            raise InputError(f"{self.path}: {name} is {_type(values)}, not a list of texts (row {[*wrong, 0][0]})")
        return tuple(str(cell[0]).strip() for cell in cells)

    def _get(self, name: str) -> np.ndarray:
        if name not in self._values:
            names = ", ".join(self._values) or "none of the variables needed"
            raise InputError(f"{self.path}: {name} is missing, it has {names}; take the file of the xlsa17 archive")
        values = self._values[name]
        return values if isinstance(values, np.ndarray) else np.array(values, object)


def _read_in_process(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Raises BrokenProcessPool if the file crashes two readers: the first may have died before it."""
    try:
        return _reader().submit(_read, path.absolute(), names).result()
    except BrokenProcessPool:
        _reader.cache_clear()
        return _reader().submit(_read, path.absolute(), names).result()


@cache
def _reader() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _limit_memory)


def _limit_memory() -> None:
    import scipy.io  # noqa: F401  loaded first, so that its memory is below the limit

    warnings.simplefilter("ignore")
    limit = psutil.Process().memory_info().vms + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _read(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The variables of the file, read in the reader's process. Raises ValueError for a damaged file."""
    import scipy.io

    try:
        variables = scipy.io.loadmat(path, variable_names=list(names))
    except NotImplementedError:
        raise
    except Exception as error:  # the errors are not documented and depend on the place of the damage
        raise ValueError(" ".join(str(error).split()) or type(error).__name__) from None
    return {name: variables[name] for name in names if name in variables}


def _type(values: np.ndarray) -> str:
    return f"{values.dtype} of shape {values.shape}"
