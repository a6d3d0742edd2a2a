"""Resumable extraction of region features from images: batches go through the backbone into a work file.

The work file has one record per image, with a checksum. A resumed run keeps the records with a valid checksum, up to
the last complete batch, so it gives the same numbers as an uninterrupted run. The rule for callers: within `lock_path`,
call `WorkFile.recover`, then `extract`; then read the work file as `Regions`.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from filelock import FileLock, Timeout

from dazle.errors import InputError
from dazle.extraction.backbones import Backbone
from dazle.extraction.images import in_order, read_image
from dazle.features.feature_set import BLOCK_BYTES, Regions, normalise

HEADER_BYTES = 4096
CHECKSUM_BYTES = 16
SYNC_SECONDS = 10  # between two flushes to disk
Progress = Callable[[int, int], object]  # called with (images done, all images)


class WorkFile(Regions):
    """The regions extracted so far, of `written` images; complete, it has (N, R, D) = `shape`."""

    in_memory = False

    def __init__(self, path: Path, shape: tuple[int, int, int], identity: dict[str, Any]):
        self.shape = shape
        self.path, self.written = path, 0
        self._identity = identity
        self._record = np.dtype(
            [("regions", "<f2", shape[1:]), ("norms", "<f4", shape[1:2]), ("checksum", f"V{CHECKSUM_BYTES}")]
        )

    @property
    def missing_bytes(self) -> int:
        """Disk space that the images not extracted yet need."""
        return (self.shape[0] - self.written) * self._record.itemsize

    def recover(self, batch: int, progress: Progress, log: Callable[[str], object]) -> None:
        """Keep the records of an interrupted run of the same extraction, up to the last complete batch, or start anew.

        `log` is called with a line that a user should read.
        """
        stored = self._header()
        if stored == self._identity:
            self.written = self._count_intact(progress)
            if self.written < self.shape[0]:
                self.written -= self.written % batch
            os.truncate(self.path, HEADER_BYTES + self.written * self._record.itemsize)
            log(f"resuming after {self.written:,} of {self.shape[0]:,} images")
            return
        if stored is not None:
            changed = [key for key in self._identity if stored.get(key) != self._identity[key]]
            log(f"{', '.join(changed) or 'settings'} changed since the interrupted extraction; starting over")
        header = json.dumps(self._identity).encode().ljust(HEADER_BYTES)
        assert len(header) == HEADER_BYTES
        self.path.write_bytes(header)

    def _header(self) -> dict[str, Any] | None:
        try:
            with self.path.open("rb") as file:
                return dict(json.loads(file.read(HEADER_BYTES)))
        except (OSError, ValueError, TypeError):
            return None

    def _count_intact(self, progress: Progress) -> int:
        """Number of records, from the first on, with a valid checksum."""
        records = (self.path.stat().st_size - HEADER_BYTES) // self._record.itemsize
        progress(0, records)
        for image in range(min(records, self.shape[0])):
            record = self._records(image, image + 1)[0]
            if record["checksum"].tobytes() != _checksum(record):
                return image
            progress(image + 1, records)
        return min(records, self.shape[0])

    def append(self, file: BinaryIO, regions: np.ndarray, norms: np.ndarray) -> None:
        """Appends the next images: `regions` (n, R, D) float16 and `norms` (n, R) float32."""
        records = np.zeros(len(regions), self._record)
        records["regions"], records["norms"] = regions, norms
        for record in records:
            record["checksum"] = np.void(_checksum(record))
        file.write(records.tobytes())
        file.flush()
        self.written += len(records)

    def read(self, indices: np.ndarray) -> np.ndarray:
        """(n, R, D) float16."""
        return np.concatenate([self._verified_records(i, i + 1)["regions"] for i in indices])

    def read_norms(self, indices: np.ndarray) -> np.ndarray:
        """(n, R) float32."""
        return np.concatenate([self._verified_records(i, i + 1)["norms"] for i in indices])

    def blocks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """All images in order as blocks (regions, norms); every checksum is verified."""
        step = max(1, BLOCK_BYTES // self._record.itemsize)
        for start in range(0, self.shape[0], step):
            records = self._verified_records(start, min(start + step, self.shape[0]))
            yield np.ascontiguousarray(records["regions"]), np.ascontiguousarray(records["norms"])

    def _verified_records(self, start: int, stop: int) -> np.ndarray:
        records = self._records(start, stop)
        if len(records) < stop - start or any(r["checksum"].tobytes() != _checksum(r) for r in records):
            raise InputError(f"{self.path}: was changed or is not whole; start the preparation again")
        return records

    def _records(self, start: int, stop: int) -> np.ndarray:
        offset = HEADER_BYTES + start * self._record.itemsize
        return np.fromfile(self.path, self._record, stop - start, offset=offset)


def _checksum(record: np.void) -> bytes:
    return hashlib.blake2b(record.tobytes()[:-CHECKSUM_BYTES], digest_size=CHECKSUM_BYTES).digest()


@contextmanager
def lock_path(path: Path) -> Iterator[None]:
    """Locks `path` against other runs. Raises InputError if it is locked or its folder cannot be used."""
    lock = FileLock(path.with_name(f"{path.name}.lock"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise InputError(f"{path}: another run is extracting these features; wait for it to end") from error
    except OSError as error:
        raise InputError(f"{path.parent}: cannot be used ({error.strerror}); give another folder") from error
    try:
        yield
    finally:
        lock.release()


def check_space(work: WorkFile) -> None:
    """Raise InputError if the disk has no room for the missing images and a second copy of all regions."""
    needed, free = work.missing_bytes + work.nbytes, shutil.disk_usage(work.path.parent).free
    if needed > free:
        raise InputError(
            f"{work.path.parent}: needs {needed / 1e9:.1f} GB (regions are copied once, then the work file goes), the "
            f"disk has {free / 1e9:.1f}; use another folder"
        )


def extract(work: WorkFile, files: Sequence[Path], backbone: Backbone, batch: int, progress: Progress) -> None:
    """Extract the images that the work file does not have yet, and flush them to disk.

    Raises InputError for an image that cannot be read, or whose regions are all zero or not finite.
    """
    progress(work.written, len(files))
    remaining = files[work.written :]
    prepared = in_order(lambda path: backbone.preparation(read_image(path)), remaining)
    try:
        with work.path.open("ab") as file:
            synced = time.monotonic()
            for start in range(0, len(remaining), batch):
                images = list(islice(prepared, batch))
                # The last batch is filled up: results of a smaller batch differ in the last bits.
                full = torch.stack(images + images[:1] * (batch - len(images)))
                regions, norms = normalise(backbone.regions(full)[: len(images)].numpy())
                _check(norms, remaining[start : start + batch])
                work.append(file, regions, norms)
                if time.monotonic() - synced > SYNC_SECONDS:
                    os.fsync(file.fileno())
                    synced = time.monotonic()
                progress(work.written, len(files))
            os.fsync(file.fileno())
    except OSError as error:
        raise InputError(f"{work.path}: cannot be written ({error.strerror}); the same command continues") from error


def _check(norms: np.ndarray, paths: Sequence[Path]) -> None:
    for path, lengths in zip(paths, norms, strict=True):
        if not np.isfinite(lengths).all() or not lengths.any():
            values = "all zero" if not lengths.any() else "not finite"
            raise InputError(f"{path}: its regions are {values}; look at it, or take it away and add --skip-broken")
