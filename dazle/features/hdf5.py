"""Reading HDF5 files that somebody else made: what does not look right is refused before memory is asked for.

Links that lead elsewhere, data kept in other files, filters that need a plugin, unexpected types, and shapes that the
file cannot hold are all InputErrors of one line that begin with the file. What a dataset says of itself is asked of the
library's low-level interface first: to open a virtual dataset the usual way can open the files that it points to.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from dazle.errors import InputError

HIGHEST_RATIO = 1100  # deflate shrinks a run of equal bytes 1032 times, lzf less
SMALL_BYTES = 2**26
LONGEST_TEXT = 4096
KINDS = {
    "iu": "whole numbers",
    "i": "whole numbers",
    "fiu": "numbers",
    "f": "real numbers",
    "S": "plain text",
    "OS": "texts",
}
# All that reference files use. For others HDF5 looks for a plugin, a library of whoever may write into its folder.
FILTERS = {
    h5py.h5z.FILTER_DEFLATE: "gzip",
    h5py.h5z.FILTER_SHUFFLE: "shuffle",
    h5py.h5z.FILTER_FLETCHER32: "fletcher32",
    h5py.h5z.FILTER_LZF: "lzf",
}
COMPRESSION = (h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_LZF)
# What h5py raises for damaged files; which of them is not documented and differs by the place of the damage.
UNREADABLE = (OSError, RuntimeError, ValueError, KeyError, TypeError, MemoryError, OverflowError, AttributeError)


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """The file opened for reading. Raises InputError where it is missing, no HDF5, or cut short."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the path of an HDF5 file")
    try:
        if not h5py.is_hdf5(path):
            raise InputError(f"{path}: not an HDF5 file; fetch or make it again")
        file = h5py.File(path, "r")
    except OSError as error:
        raise damaged(path, "file", error) from error
    with file:
        yield file


def find(file: h5py.File, key: str) -> h5py.Dataset | h5py.Group | None:
    """What is at `key` ("splits/trainval"), None where nothing is. Raises InputError for a link."""
    place: Any = file
    try:
        for part in key.split("/"):
            link = place.get(part, getlink=True) if isinstance(place, h5py.Group) else None
            if link is None:
                return None
            if not isinstance(link, h5py.HardLink):
                raise InputError(f"{file.filename}: {key} is a link; the data must be in the file itself")
            _check_storage(file, place, part, key)
            place = place[part]
    except UNREADABLE as error:
        raise damaged(Path(file.filename), key, error) from error
    return place


def _check_storage(file: h5py.File, group: h5py.Group, part: str, key: str) -> None:
    """Raises InputError for a dataset whose data lie in other files, or that this library alone cannot read."""
    found = h5py.h5o.open(group.id, part.encode())
    if not isinstance(found, h5py.h5d.DatasetID):
        return
    made = found.get_create_plist()
    if made.get_layout() == h5py.h5d.VIRTUAL or made.get_external_count():
        raise InputError(f"{file.filename}: {key} keeps its data in another file; the data must be in the file itself")
    strange = [number for number in _filters(made) if number not in FILTERS]
    if strange:
        known = ", ".join(FILTERS.values())
        raise InputError(
            f"{file.filename}: {key} is packed by filter {strange[0]}; only {known} are read, pack it anew"
        )


def _filters(made: h5py.h5p.PropDCID) -> list[int]:
    return [made.get_filter(number)[0] for number in range(made.get_nfilters())]


def dataset(file: h5py.File, key: str, kinds: str, dimensions: int) -> h5py.Dataset:
    """The dataset at `key`, of a type in `kinds` (numpy's letters, see KINDS), not read yet."""
    found = find(file, key)
    where = f"{file.filename}: {key}"
    if not isinstance(found, h5py.Dataset):
        raise InputError(f"{where} is missing; the file has {', '.join(sorted(file)) or 'nothing'}")
    try:
        kind, shape, size = found.dtype.kind, found.shape, found.nbytes
        stored, chunk = found.id.get_storage_size(), prod(found.chunks or ()) * found.dtype.itemsize
        packed = set(COMPRESSION) & set(_filters(found.id.get_create_plist()))
    except UNREADABLE as error:
        raise damaged(Path(file.filename), key, error) from error
    if kind not in kinds:
        raise InputError(f"{where} has the type {found.dtype}, but {KINDS[kinds]} are needed")
    if shape is None or len(shape) != dimensions:
        raise InputError(f"{where} has the shape {shape}, but {dimensions} dimensions are needed")
    if stored > file.id.get_filesize() or size > stored * (HIGHEST_RATIO if packed else 1):
        raise InputError(f"{where} declares the shape {shape}, which the file does not hold; make it again")
    if chunk > max(SMALL_BYTES, size):
        raise InputError(f"{where} has chunks of {chunk:,} bytes for data of {size:,}; make it again")
    return found


def array(file: h5py.File, key: str, kinds: str, dimensions: int) -> np.ndarray:
    """Like `dataset`, read into memory: int64 for whole numbers, float32 for others, bytes for text."""
    found = dataset(file, key, kinds, dimensions)
    if found.nbytes > max(SMALL_BYTES, file.id.get_filesize()):
        raise InputError(f"{file.filename}: {key} has the shape {found.shape}, larger than the whole file")
    values = rows(found, ...)
    if kinds == "S":
        return values
    if values.dtype.kind == "u" and values.size and values.max() > np.iinfo(np.int64).max:
        raise InputError(f"{file.filename}: {key} has the value {values.max()}, larger than any index or label")
    with np.errstate(over="ignore"):
        return values.astype(np.float32 if "f" in kinds else np.int64, copy=False)


def texts(file: h5py.File, key: str) -> list[str]:
    """A list of texts, of variable length or not; none longer than `LONGEST_TEXT` bytes."""
    found = dataset(file, key, "OS", 1)
    if h5py.check_string_dtype(found.dtype) is None:
        raise InputError(f"{file.filename}: {key} has the type {found.dtype}, but texts are needed")
    if found.nbytes > max(SMALL_BYTES, file.id.get_filesize()):
        raise InputError(f"{file.filename}: {key} has the shape {found.shape}, larger than the whole file")
    values: list[str] = []
    # A few at a time: texts of variable length may all be one and the same long one in the file.
    for start in range(0, len(found), 1024):
        for text in rows(found, np.s_[start : start + 1024]):
            if len(text) > LONGEST_TEXT:
                raise InputError(f"{file.filename}: {key} has a text of {len(text):,} bytes; make it again")
            values.append(text.decode("utf-8", "replace"))
    return values


def write_text(place: h5py.Group, key: str, text: str) -> None:
    """An attribute of fixed length: it lies in a header with a checksum, one of variable length in a heap without."""
    content = text.encode()
    place.attrs.create(key, content, dtype=h5py.string_dtype("utf-8", max(1, len(content))))


def attribute(place: h5py.Group, key: str, kind: type) -> Any:
    """The attribute of a file or group, None where it is missing or of another type; texts of either length are str."""
    try:
        value = place.attrs.get(key)
    except UNREADABLE as error:
        raise damaged(Path(place.file.filename), key, error) from error
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return value if isinstance(value, kind) else None


def rows(source: h5py.Dataset, selection: Any) -> np.ndarray:
    """`source[selection]`. Raises InputError where a checksum does not match or the file is cut."""
    try:
        return source[selection]
    except UNREADABLE as error:
        raise damaged(Path(source.file.filename), source.name, error) from error


def damaged(path: Path, key: str, error: Exception) -> InputError:
    """The InputError for data that the HDF5 library refuses to read."""
    said = " ".join(str(error).split()) or type(error).__name__
    return InputError(f"{path}: {key.lstrip('/')} cannot be read, the file is damaged; make it again ({said})")
