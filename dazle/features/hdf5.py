"""Safe reading of HDF5 files from unknown sources: anything suspicious is refused before memory is allocated.

Links, data in other files, filters that need a plugin, unexpected types, and shapes larger than the file are each an
InputError of one line that begins with the file. A dataset's properties are read through h5py's low-level interface
first, since opening a virtual dataset with the usual one can open the files that it points to.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from dazle.errors import InputError, cannot_read

HIGHEST_RATIO = 1100  # of compression; deflate reaches 1032 with a run of equal bytes, lzf less
SMALL_BYTES = 2**26
LONGEST_TEXT = 4096  # bytes
KINDS = {
    "iu": "whole numbers",
    "i": "whole numbers",
    "fiu": "numbers",
    "f": "real numbers",
    "S": "plain text",
    "OS": "texts",
}
# The filters of reference files. For others HDF5 loads a plugin, a library from a folder that others may write to.
FILTERS = {
    h5py.h5z.FILTER_DEFLATE: "gzip",
    h5py.h5z.FILTER_SHUFFLE: "shuffle",
    h5py.h5z.FILTER_FLETCHER32: "fletcher32",
    h5py.h5z.FILTER_LZF: "lzf",
}
COMPRESSION = (h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_LZF)
# The errors that h5py raises for damaged files. They are not documented and depend on the place of the damage.
UNREADABLE = (OSError, RuntimeError, ValueError, KeyError, TypeError, MemoryError, OverflowError, AttributeError)


@contextmanager
def open_file(path: Path) -> Iterator[h5py.File]:
    """The file, opened for reading. Raises InputError if it is missing, truncated, not HDF5, or may not be read."""
    if not path.is_file() and not path.is_dir():  # a pipe would block
        raise InputError(f"{path}: no such file; give the path of an HDF5 file")
    try:
        path.open("rb").close()
    except OSError as error:
        raise cannot_read(path, error, "give the path of an HDF5 file") from error
    try:
        if not h5py.is_hdf5(path):
            raise InputError(f"{path}: not an HDF5 file; fetch or make it again")
        file = h5py.File(path, "r")
    except OSError as error:
        raise damage_error(path, "file", error) from error
    with file:
        yield file


def find(file: h5py.File, key: str) -> h5py.Dataset | h5py.Group | None:
    """The dataset or group at `key`, such as "splits/trainval", or None. Raises InputError for a link."""
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
        raise damage_error(Path(file.filename), key, error) from error
    return place


def _check_storage(file: h5py.File, group: h5py.Group, part: str, key: str) -> None:
    """Raises InputError for a dataset with data in other files or with a filter that is not in `FILTERS`."""
    identifier = h5py.h5o.open(group.id, part.encode())
    if not isinstance(identifier, h5py.h5d.DatasetID):
        return
    properties = identifier.get_create_plist()
    if properties.get_layout() == h5py.h5d.VIRTUAL or properties.get_external_count():
        raise InputError(f"{file.filename}: {key} keeps its data in another file; the data must be in the file itself")
    unknown = [number for number in _filters(properties) if number not in FILTERS]
    if unknown:
        readable = ", ".join(FILTERS.values())
        raise InputError(
            f"{file.filename}: {key} is packed by filter {unknown[0]}; only {readable} are read, pack it anew"
        )


def _filters(properties: h5py.h5p.PropDCID) -> list[int]:
    return [properties.get_filter(number)[0] for number in range(properties.get_nfilters())]


def dataset(file: h5py.File, key: str, kinds: str, dimensions: int) -> h5py.Dataset:
    """The dataset at `key`, checked and not read. `kinds`: allowed types, as numpy's letters (a key of `KINDS`)."""
    data = find(file, key)
    where = f"{file.filename}: {key}"
    if not isinstance(data, h5py.Dataset):
        raise InputError(f"{where} is missing; the file has {', '.join(sorted(file)) or 'nothing'}")
    try:
        kind, shape, size = data.dtype.kind, data.shape, data.nbytes
        stored_bytes, chunk_bytes = data.id.get_storage_size(), prod(data.chunks or ()) * data.dtype.itemsize
        compression = set(COMPRESSION) & set(_filters(data.id.get_create_plist()))
    except UNREADABLE as error:
        raise damage_error(Path(file.filename), key, error) from error
    if kind not in kinds:
        raise InputError(f"{where} has the type {data.dtype}, but {KINDS[kinds]} are needed")
    if shape is None or len(shape) != dimensions:
        raise InputError(f"{where} has the shape {shape}, but {dimensions} dimensions are needed")
    if stored_bytes > file.id.get_filesize() or size > stored_bytes * (HIGHEST_RATIO if compression else 1):
        raise InputError(f"{where} declares the shape {shape}, which the file does not hold; make it again")
    if chunk_bytes > max(SMALL_BYTES, size):
        raise InputError(f"{where} has chunks of {chunk_bytes:,} bytes for data of {size:,}; make it again")
    return data


def array(file: h5py.File, key: str, kinds: str, dimensions: int) -> np.ndarray:
    """The values of `dataset`: int64 for whole numbers, float32 for other numbers, bytes for text."""
    data = dataset(file, key, kinds, dimensions)
    if data.nbytes > max(SMALL_BYTES, file.id.get_filesize()):
        raise InputError(f"{file.filename}: {key} has the shape {data.shape}, larger than the whole file")
    values = rows(data, ...)
    if kinds == "S":
        return values
    if values.dtype.kind == "u" and values.size and values.max() > np.iinfo(np.int64).max:
        raise InputError(f"{file.filename}: {key} has the value {values.max()}, larger than any index or label")
    with np.errstate(over="ignore"):
        return values.astype(np.float32 if "f" in kinds else np.int64, copy=False)


def texts(file: h5py.File, key: str) -> list[str]:
    """The texts of a dataset, of fixed or variable length. Raises InputError for one above `LONGEST_TEXT`."""
    data = dataset(file, key, "OS", 1)
    if h5py.check_string_dtype(data.dtype) is None:
        raise InputError(f"{file.filename}: {key} has the type {data.dtype}, but texts are needed")
    if data.nbytes > max(SMALL_BYTES, file.id.get_filesize()):
        raise InputError(f"{file.filename}: {key} has the shape {data.shape}, larger than the whole file")
    values: list[str] = []
    # Block by block: a small file can hold one long text and refer to it many times.
    for start in range(0, len(data), 1024):
        for text in rows(data, np.s_[start : start + 1024]):
            if len(text) > LONGEST_TEXT:
                raise InputError(f"{file.filename}: {key} has a text of {len(text):,} bytes; make it again")
            values.append(text.decode("utf-8", "replace"))
    return values


def write_text(place: h5py.Group, key: str, text: str) -> None:
    """Writes an attribute with fixed length: HDF5 has checksums for these, but not for texts of variable length."""
    content = text.encode()
    place.attrs.create(key, content, dtype=h5py.string_dtype("utf-8", max(1, len(content))))


def attribute(place: h5py.Group, key: str, kind: type) -> Any:
    """The attribute of a file or group, or None if it is missing or of another type; texts are str."""
    try:
        value = place.attrs.get(key)
    except UNREADABLE as error:
        raise damage_error(Path(place.file.filename), key, error) from error
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return value if isinstance(value, kind) else None


def rows(source: h5py.Dataset, selection: Any) -> np.ndarray:
    """`source[selection]`. Raises InputError if a checksum does not match or the file is truncated."""
    try:
        return source[selection]
    except UNREADABLE as error:
        raise damage_error(Path(source.file.filename), source.name, error) from error


def damage_error(path: Path, key: str, error: Exception) -> InputError:
    """The InputError for data that the HDF5 library refuses to read."""
    # h5py puts the number of the system into errors that do not come from the content.
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EAGAIN):
        return cannot_read(path, error, "make it again")
    reason = " ".join(str(error).split()) or type(error).__name__
    return InputError(f"{path}: {key.lstrip('/')} cannot be read, the file is damaged; make it again ({reason})")
