"""Pointing accuracy: of how many present attributes the region looked at most is one where the attribute is.

An (image, attribute) pair counts where the attribute is present and one of its parts is visible. It is a hit where the
arg-max region of the attribute's map is at most `tolerance` cells (diagonals included) from a visible part of it.
Chance is how often a region drawn uniformly would hit, over the same pairs.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dazle.features.feature_set import Places

# Masks of one phase up to this size are made once; larger ones again for every batch.
RESIDENT_BYTES = 256 * 2**20
BLOCK = 128


def neighbours(grid: tuple[int, int], tolerance: int) -> NDArray[np.bool_]:
    """(R, R): whether two regions are at most `tolerance` rows and columns apart."""
    row, column = np.divmod(np.arange(grid[0] * grid[1]), grid[1])
    apart = np.maximum(np.abs(row[:, None] - row), np.abs(column[:, None] - column))
    return apart <= tolerance


class Pointing:
    """Judges the arg-max regions of some images against the places of their attributes."""

    def __init__(self, places: Places, images: NDArray[np.integer], grid: tuple[int, int]) -> None:
        """`images`: what positions refer to."""
        self.places, self.images = places, images
        near = neighbours(grid, places.tolerance)
        # A part that is not visible has the region -1, which is the last row: near to nothing.
        self._near = np.vstack([near, np.zeros(near.shape[1], bool)]).astype(np.float32)
        size = len(images) * len(places.attribute_parts) * len(near)
        self._resident: NDArray[np.bool_] | None = None
        if size <= RESIDENT_BYTES:
            self._resident = np.concatenate([self._targets(positions) for positions in self._blocks()])
        self.pairs, right = 0, 0
        for positions in self._blocks():
            targets = self.targets(positions)
            self.pairs += int(targets.any(axis=2).sum())
            right += int(targets.sum())
        self.chance = 100.0 * right / (self.pairs * len(near)) if self.pairs else None

    def targets(self, positions: NDArray[np.integer]) -> NDArray[np.bool_]:
        """(n, A, R): the regions that are a hit; none for a pair that does not count."""
        return self._targets(positions) if self._resident is None else self._resident[positions]

    def hits(self, positions: NDArray[np.integer], peaks: NDArray[np.integer]) -> int:
        """How many pairs of these images are hit; `peaks`: (n, A), the arg-max regions."""
        return int(np.take_along_axis(self.targets(positions), peaks[..., None], axis=2).sum())

    def accuracy(self, hits: int) -> float | None:
        """Percent of all pairs, None where there are none."""
        return 100.0 * hits / self.pairs if self.pairs else None

    def _targets(self, positions: NDArray[np.integer]) -> NDArray[np.bool_]:
        images = self.images[positions]
        of_parts = self._near[self.places.part_regions[images]]
        somewhere = self.places.attribute_parts.astype(np.float32) @ of_parts > 0
        return somewhere & self.places.present[images][..., None]

    def _blocks(self) -> Iterator[NDArray[np.int64]]:
        # At least one block, so that there is something to join.
        for start in range(0, max(1, len(self.images)), BLOCK):
            yield np.arange(start, min(start + BLOCK, len(self.images)))
