"""Pointing accuracy: how often the region with the highest attention weight is where the attribute is.

An (image, attribute) pair counts if the attribute is present in the image and one of its parts is visible. The pair is
a hit if the arg-max region of the attribute's attention map is at most `tolerance` cells (diagonals included) from a
visible part of the attribute. Chance is the accuracy of a region drawn uniformly, over the same pairs.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dazle.features.feature_set import Places

# Target masks of a phase up to this size are computed once and kept; larger ones are computed again for every batch.
RESIDENT_BYTES = 256 * 2**20
BLOCK = 128  # images


def neighbours(grid: tuple[int, int], tolerance: int) -> NDArray[np.bool_]:
    """(R, R) bool: whether two regions are at most `tolerance` rows and columns apart."""
    row, column = np.divmod(np.arange(grid[0] * grid[1]), grid[1])
    distance = np.maximum(np.abs(row[:, None] - row), np.abs(column[:, None] - column))
    return distance <= tolerance


class Pointing:
    """Compares the arg-max regions of some images with the places of their attributes."""

    def __init__(self, places: Places, images: NDArray[np.integer], grid: tuple[int, int]) -> None:
        """`images`: (n,) image indices; methods take positions in this array."""
        self.places, self.images = places, images
        neighbour = neighbours(grid, places.tolerance)
        # An invisible part has the region -1. That selects the last row, which has no neighbours.
        self._neighbours = np.vstack([neighbour, np.zeros(neighbour.shape[1], bool)]).astype(np.float32)
        size = len(images) * len(places.attribute_parts) * len(neighbour)
        self._resident: NDArray[np.bool_] | None = None
        if size <= RESIDENT_BYTES:
            self._resident = np.concatenate([self._targets(positions) for positions in self._blocks()])
        self.pairs, target_count = 0, 0
        for positions in self._blocks():
            targets = self.targets(positions)
            self.pairs += int(targets.any(axis=2).sum())
            target_count += int(targets.sum())
        self.chance = 100.0 * target_count / (self.pairs * len(neighbour)) if self.pairs else None

    def targets(self, positions: NDArray[np.integer]) -> NDArray[np.bool_]:
        """(n, A, R) bool: the regions that are a hit; all False for a pair that does not count."""
        return self._targets(positions) if self._resident is None else self._resident[positions]

    def hits(self, positions: NDArray[np.integer], peaks: NDArray[np.integer]) -> int:
        """Number of hits in these images; `peaks`: (n, A) arg-max regions."""
        return int(np.take_along_axis(self.targets(positions), peaks[..., None], axis=2).sum())

    def accuracy(self, hits: int) -> float | None:
        """Percent of all pairs, None if there are no pairs."""
        return 100.0 * hits / self.pairs if self.pairs else None

    def _targets(self, positions: NDArray[np.integer]) -> NDArray[np.bool_]:
        images = self.images[positions]
        part_targets = self._neighbours[self.places.part_regions[images]]
        attribute_targets = self.places.attribute_parts.astype(np.float32) @ part_targets > 0
        return attribute_targets & self.places.present[images][..., None]

    def _blocks(self) -> Iterator[NDArray[np.int64]]:
        # At least one block, since numpy cannot concatenate an empty list.
        for start in range(0, max(1, len(self.images)), BLOCK):
            yield np.arange(start, min(start + BLOCK, len(self.images)))
