"""Which images a step sees, and their regions on the device that trains.

The sequence of batches depends on the images, the size and the stream alone, so that every variant of a repetition is
trained on the same batches.
"""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dazle.features import FeatureSet

# Regions of one phase up to this size are converted once and stay where the training runs.
RESIDENT_BYTES = {"cpu": 512 * 2**20, "cuda": 32 * 2**30}


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
            yield np.array([of_class[c][random.integers(len(of_class[c]))] for c in chosen])
        else:
            yield random.choice(len(labels), min(size, len(labels)), replace=False)


class RegionReader:
    """Regions of some images, as the model wants them: (b, R, D) in `dtype` on `device`."""

    def __init__(
        self,
        features: FeatureSet,
        images: NDArray[np.integer],
        normalise: bool,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        """`images`: what positions refer to; `normalise` False multiplies the stored norms back in."""
        self.features, self.images, self.normalise = features, images, normalise
        self.dtype, self.device = dtype, device
        _, regions, dimension = features.regions.shape
        size = len(images) * regions * dimension * dtype.itemsize
        self.resident = self._read(images) if size <= RESIDENT_BYTES[device.type] else None

    def __getitem__(self, positions: NDArray[np.integer]) -> Tensor:
        if self.resident is not None:
            return self.resident[torch.from_numpy(positions).to(self.device)]
        return self._read(self.images[positions])

    def _read(self, images: NDArray[np.integer]) -> Tensor:
        regions = torch.from_numpy(self.features.regions.read(images)).to(self.device).to(self.dtype)
        if self.normalise:
            return regions
        norms = torch.from_numpy(self.features.regions.read_norms(images)).to(self.device)
        return regions * norms.to(self.dtype)[:, :, None]
