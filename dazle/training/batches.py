"""Batches: the sequence of image indices, and a reader of their regions onto the training device.

The sequence depends on labels, batch size and random stream only, so all variants of a repetition train on the same
batches. Since it is known in advance, regions on disk are read ahead. Values are bit-identical from disk or memory.
"""

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from math import prod
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dazle.features.feature_set import BLOCK_BYTES

# The regions of a reader are kept on the GPU, converted once, if they fit into this share of its free memory. Training
# and evaluation have one reader each. On a CPU regions are converted batch by batch: conversion is cheap there, and a
# converted copy would take twice the memory.
RESIDENT_SHARE = 0.4
# More batches would only fill memory: if reading is slower than training, no number of them is enough.
MAX_BATCHES_AHEAD = 8

Batch = NDArray[np.int64]
Read = tuple[int, NDArray[Any], NDArray[np.float32] | None]  # images, buffer, norms
PendingReads = deque[tuple[Batch, Future[Read]]]


def index_batches(
    labels: NDArray[np.integer], steps: int, size: int, balanced: bool, seed: int
) -> Iterator[NDArray[np.int64]]:
    """`steps` batches of positions in `labels`.

    Unbalanced: a new random subset in every step, as in the reference code (there are no passes over the data).
    Balanced: one image for each of min(size, classes) classes, so a batch can have fewer than `size` images.
    """
    random = np.random.default_rng(seed)
    class_images = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    for _ in range(steps):
        if balanced:
            classes = random.choice(len(class_images), min(size, len(class_images)), replace=False)
            # One call draws the same numbers as one call per class.
            numbers = random.integers([len(class_images[c]) for c in classes])
            yield np.array([class_images[c][number] for c, number in zip(classes, numbers, strict=True)])
        else:
            yield random.choice(len(labels), min(size, len(labels)), replace=False)


class Images(Protocol):
    """What a reader reads: regions or pooled features, of all images of a feature set or of its train images alone."""

    dtype: np.dtype[Any]
    read_ahead: int  # bytes that may be read before they are needed

    @property
    def shape(self) -> tuple[int, ...]:
        """(images, R, D) or (images, D)."""

    def read_into(self, images: NDArray[np.integer], buffer: NDArray[Any], /) -> None: ...


class ImageReader:
    """Reads batches of images as the model's input: regions (b, R, D), or pooled features (b, D).

    Large buffers are allocated once and reused: if two threads allocate and free blocks of many megabytes, the
    allocator keeps several times the memory in use.
    """

    def __init__(
        self,
        source: Images,
        images: NDArray[np.integer],
        normalise: bool,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        """`images`: (n,) image indices, to which positions refer; `normalise` False restores the stored norms of
        regions, pooled features are read as they are; batches have `dtype` and are on `device`."""
        self.source, self.images = source, images
        self.shape = source.shape[1:]
        self.normalise = normalise or len(self.shape) == 1
        self.dtype, self.device = dtype, device
        self.count = 0  # images handed out
        self.image_bytes = prod(self.shape) * source.dtype.itemsize
        self.idle_buffers: list[NDArray[Any]] = []
        self.batch_memory = torch.empty(0, dtype=dtype, device=device)
        self.resident = self._resident() if device.type == "cuda" and self._fits() else None

    def batches(self, positions: Iterable[Batch]) -> Generator[tuple[Batch, Tensor]]:
        """Each batch of positions with its regions, which are overwritten when the next batch is requested.

        Raises InputError if the feature file is damaged.
        """
        with closing(self._batches(positions)) as batches:
            for batch, regions in batches:
                self.count += len(batch)
                yield batch, regions

    def _batches(self, positions: Iterable[Batch]) -> Generator[tuple[Batch, Tensor]]:
        if self.resident is not None:
            for batch in positions:
                # Without waiting for the device, which may still run the previous step.
                yield batch, self.resident[torch.from_numpy(batch).to(self.device, non_blocking=True)]
        elif not self.source.read_ahead:
            for batch in positions:
                yield batch, self._convert(self._read(batch, self._buffer(len(batch))))
        else:
            yield from self._batches_read_ahead(positions)

    def _batches_read_ahead(self, positions: Iterable[Batch]) -> Generator[tuple[Batch, Tensor]]:
        """A thread reads the next batches, in order, while the caller uses the current one.

        One thread only, since HDF5 runs one read at a time. A failed read raises its error when its batch is due.
        """
        thread = ThreadPoolExecutor(1, "read-ahead")
        reads: PendingReads = deque()
        try:
            for batch in positions:
                # First free a buffer, then submit the read that needs it.
                ready = self._next(reads) if len(reads) >= self._batches_ahead(batch) else None
                reads.append((batch, thread.submit(self._read, batch, self._buffer(len(batch)))))
                if ready is not None:
                    yield ready
            while reads:
                yield self._next(reads)
        finally:
            thread.shutdown(cancel_futures=True)

    def _next(self, reads: PendingReads) -> tuple[Batch, Tensor]:
        batch, read = reads.popleft()
        return batch, self._convert(read.result())

    def _batches_ahead(self, batch: Batch) -> int:
        """Number of batches of this size to read ahead, at least one."""
        return max(1, min(MAX_BATCHES_AHEAD, self.source.read_ahead // (len(batch) * self.image_bytes)))

    def _buffer(self, images: int) -> NDArray[Any]:
        """A free buffer for at least so many images; `_convert` returns it to the free ones."""
        buffer = self.idle_buffers.pop() if self.idle_buffers else None
        if buffer is not None and len(buffer) >= images:
            return buffer
        return np.empty((images, *self.shape), self.source.dtype)

    def _read(self, positions: Batch, buffer: NDArray[Any]) -> Read:
        images = self.images[positions]
        self.source.read_into(images, buffer)
        return len(images), buffer, None if self.normalise else self.source.read_norms(images)  # type: ignore[attr-defined]

    def _convert(self, read: Read) -> Tensor:
        count, buffer, norms = read
        if len(self.batch_memory) < count:
            self.batch_memory = torch.empty(count, *self.shape, dtype=self.dtype, device=self.device)
        regions = self.batch_memory[:count]
        # Conversion happens on the device: float16 is half the bytes to copy to a GPU.
        regions.copy_(torch.from_numpy(buffer[:count]).to(self.device))
        self.idle_buffers.append(buffer)
        return regions if norms is None else regions.mul_(torch.from_numpy(norms).to(regions)[:, :, None])

    def _fits(self) -> bool:
        free, _ = torch.cuda.mem_get_info(self.device)
        return bool(len(self.images) * prod(self.shape) * self.dtype.itemsize <= RESIDENT_SHARE * free)

    def _resident(self) -> Tensor:
        """All regions of `images` on the device, copied a few at a time so that the memory of the host stays small."""
        regions = torch.empty(len(self.images), *self.shape, dtype=self.dtype, device=self.device)
        step = max(1, BLOCK_BYTES // self.image_bytes)
        for start in range(0, len(regions), step):
            rows = np.arange(start, min(start + step, len(regions)))
            regions[start : start + step] = self._convert(self._read(rows, self._buffer(len(rows))))
        self.idle_buffers.clear()
        self.batch_memory = regions[:0]
        return regions
