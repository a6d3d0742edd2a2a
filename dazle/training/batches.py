"""Which images a step sees, and their regions on the device that trains.

The sequence of batches depends on the images, the size and the stream alone, so that every variant of a repetition is
trained on the same batches; and since it is known beforehand, regions that lie on the disk are read ahead of their use.
Values are the same bits wherever they come from.
"""

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dazle.features.feature_set import BLOCK_BYTES

# Regions of one phase stay on the GPU, converted once, where they take up to this share of its free memory: training
# and evaluation have a reader each. On a CPU they are converted batch by batch: that costs next to nothing there, and a
# converted copy would be twice as large as what it is made of.
RESIDENT_SHARE = 0.4
# More than a few batches ahead only fills memory: reading is either faster than training or slower for good.
MOST_AHEAD = 8

Batch = NDArray[np.int64]
Read = tuple[int, NDArray[np.float16], NDArray[np.float32] | None]  # images, buffer, norms
Waiting = deque[tuple[Batch, Future[Read]]]


def index_batches(
    labels: NDArray[np.integer], steps: int, size: int, balanced: bool, seed: int
) -> Iterator[NDArray[np.int64]]:
    """`steps` batches of positions in `labels`.

    Unbalanced: a fresh random subset each step, as the reference draws it (there are no passes over the data).
    Balanced: one image for each of min(size, classes) classes, so the batch is smaller where there are fewer classes.
    """
    random = np.random.default_rng(seed)
    of_class = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    for _ in range(steps):
        if balanced:
            chosen = random.choice(len(of_class), min(size, len(of_class)), replace=False)
            # One call draws the numbers that a call for each class would.
            numbers = random.integers([len(of_class[c]) for c in chosen])
            yield np.array([of_class[c][number] for c, number in zip(chosen, numbers, strict=True)])
        else:
            yield random.choice(len(labels), min(size, len(labels)), replace=False)


class ImageRegions(Protocol):
    """Where regions are read from: a feature set's own, or those of its train images alone."""

    shape: tuple[int, int, int]  # images, R, D
    read_ahead: int  # bytes that may be read before they are needed

    def read_into(self, images: NDArray[np.integer], buffer: NDArray[np.float16], /) -> None: ...
    def read_norms(self, images: NDArray[np.integer], /) -> NDArray[np.float32]: ...


class RegionReader:
    """Regions of some images, as the model wants them: (b, R, D) in `dtype` on `device`.

    All large memory is asked for once and used again: blocks of many megabytes that come and go, from two threads,
    leave the allocator with several times what is in use.
    """

    def __init__(
        self,
        regions: ImageRegions,
        images: NDArray[np.integer],
        normalise: bool,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        """`images`: what positions refer to; `normalise` False multiplies the stored norms back in."""
        self.regions, self.images, self.normalise = regions, images, normalise
        self.dtype, self.device = dtype, device
        self.shape = regions.shape[1:]
        self.count = 0  # images handed out
        self.image_bytes = self.shape[0] * self.shape[1] * 2
        self.idle: list[NDArray[np.float16]] = []
        self.converted = torch.empty(0, dtype=dtype, device=device)
        self.resident = self._resident() if device.type == "cuda" and self._fits() else None

    def batches(self, positions: Iterable[Batch]) -> Generator[tuple[Batch, Tensor]]:
        """Each batch of positions with its regions, which are good until the next batch is asked for.

        Raises InputError where the file that they are read from is damaged.
        """
        with closing(self._batches(positions)) as batches:
            for batch, regions in batches:
                self.count += len(batch)
                yield batch, regions

    def _batches(self, positions: Iterable[Batch]) -> Generator[tuple[Batch, Tensor]]:
        if self.resident is not None:
            for batch in positions:
                # Without waiting for the device: it may still be at the step before.
                yield batch, self.resident[torch.from_numpy(batch).to(self.device, non_blocking=True)]
        elif not self.regions.read_ahead:
            for batch in positions:
                yield batch, self._convert(self._read(batch, self._buffer(len(batch))))
        else:
            yield from self._ahead(positions)

    def _ahead(self, positions: Iterable[Batch]) -> Generator[tuple[Batch, Tensor]]:
        """A thread reads the next batches, in their order, while the caller works on the one it was given.

        One thread: HDF5 reads one thing at a time. An error of a read is raised where its batch is asked for.
        """
        thread = ThreadPoolExecutor(1, "read-ahead")
        waiting: Waiting = deque()
        try:
            for batch in positions:
                # Taken before the next is asked for: the buffer that this frees is the one to read that into.
                ready = self._taken(waiting) if len(waiting) >= self._depth(batch) else None
                waiting.append((batch, thread.submit(self._read, batch, self._buffer(len(batch)))))
                if ready is not None:
                    yield ready
            while waiting:
                yield self._taken(waiting)
        finally:
            thread.shutdown(cancel_futures=True)

    def _taken(self, waiting: Waiting) -> tuple[Batch, Tensor]:
        batch, read = waiting.popleft()
        return batch, self._convert(read.result())

    def _depth(self, batch: Batch) -> int:
        """How many batches of this size are read ahead: one at least."""
        return max(1, min(MOST_AHEAD, self.regions.read_ahead // (len(batch) * self.image_bytes)))

    def _buffer(self, images: int) -> NDArray[np.float16]:
        """A buffer for so many images that nobody uses now; `_convert` gives it back."""
        buffer = self.idle.pop() if self.idle else None
        return buffer if buffer is not None and len(buffer) >= images else np.empty((images, *self.shape), np.float16)

    def _read(self, positions: Batch, buffer: NDArray[np.float16]) -> Read:
        images = self.images[positions]
        self.regions.read_into(images, buffer)
        return len(images), buffer, None if self.normalise else self.regions.read_norms(images)

    def _convert(self, read: Read) -> Tensor:
        count, buffer, norms = read
        if len(self.converted) < count:
            self.converted = torch.empty(count, *self.shape, dtype=self.dtype, device=self.device)
        regions = self.converted[:count]
        # Half as many bytes go to a GPU as if they were converted first.
        regions.copy_(torch.from_numpy(buffer[:count]).to(self.device))
        self.idle.append(buffer)
        return regions if norms is None else regions.mul_(torch.from_numpy(norms).to(regions)[:, :, None])

    def _fits(self) -> bool:
        free, _ = torch.cuda.mem_get_info(self.device)
        return bool(len(self.images) * self.image_bytes // 2 * self.dtype.itemsize <= RESIDENT_SHARE * free)

    def _resident(self) -> Tensor:
        """All of them on the device, a few at a time, so that the memory of the host stays small."""
        filled = torch.empty(len(self.images), *self.shape, dtype=self.dtype, device=self.device)
        step = max(1, BLOCK_BYTES // self.image_bytes)
        for start in range(0, len(filled), step):
            rows = np.arange(start, min(start + step, len(filled)))
            filled[start : start + step] = self._convert(self._read(rows, self._buffer(len(rows))))
        self.idle.clear()
        self.converted = filled[:0]
        return filled
