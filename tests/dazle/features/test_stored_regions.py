"""Cached regions return the rows of the file, and read each row once."""

import numpy as np
import pytest

from dazle.features.feature_set import Regions
from dazle.features.stored_regions import CachedRegions
from tests.dazle.features.small_features import small


class RecordingRegions(Regions):
    """Regions that pretend to be on disk and record the rows that are read."""

    in_memory, read_ahead = False, 100

    def __init__(self) -> None:
        regions = small().regions
        super().__init__(regions.read(np.arange(48)), regions.read_norms(np.arange(48)))
        self.reads: list[int] = []

    def read(self, indices: np.ndarray) -> np.ndarray:
        self.reads += indices.tolist()
        return super().read(indices)


def test_rows_come_in_the_order_asked_for_and_are_read_once() -> None:
    stored, expected = RecordingRegions(), small().regions
    cached = CachedRegions(stored)
    for rows in ([7, 3, 3, 47], [3], [47, 0, 7], []):
        indices = np.array(rows, np.int64)
        np.testing.assert_array_equal(cached.read(indices), expected.read(indices))
        np.testing.assert_array_equal(cached.read_norms(indices), expected.read_norms(indices))
    assert sorted(stored.reads) == [0, 3, 7, 47]
    assert cached.read_ahead == 100


def test_nothing_is_read_ahead_once_all_is_there() -> None:
    stored = RecordingRegions()
    cached = CachedRegions(stored)
    cached.read(np.arange(48))
    assert cached.read_ahead == 0
    cached.read(np.arange(48))
    assert len(stored.reads) == 48


@pytest.mark.parametrize("row", [-1, 48])
def test_an_image_that_is_not_there_is_an_error(row: int) -> None:
    cached = CachedRegions(RecordingRegions())
    cached.read(np.arange(48))
    with pytest.raises(IndexError):
        cached.read(np.array([row]))
