"""Regions that stay in memory once they were read: the same rows, and each is read from the file once."""

import numpy as np
import pytest

from dazle.features.feature_set import Regions
from dazle.features.stored_regions import KeptRegions
from tests.dazle.features.small_features import small


class Watched(Regions):
    """As if on the disk; notes what is read."""

    in_memory, read_ahead = False, 100

    def __init__(self) -> None:
        whole = small().regions
        super().__init__(whole.read(np.arange(48)), whole.read_norms(np.arange(48)))
        self.asked: list[int] = []

    def read(self, indices: np.ndarray) -> np.ndarray:
        self.asked += indices.tolist()
        return super().read(indices)


def test_rows_come_in_the_order_asked_for_and_are_read_once() -> None:
    stored, wanted = Watched(), small().regions
    kept = KeptRegions(stored)
    for rows in ([7, 3, 3, 47], [3], [47, 0, 7], []):
        indices = np.array(rows, np.int64)
        np.testing.assert_array_equal(kept.read(indices), wanted.read(indices))
        np.testing.assert_array_equal(kept.read_norms(indices), wanted.read_norms(indices))
    assert sorted(stored.asked) == [0, 3, 7, 47]
    assert kept.read_ahead == 100


def test_nothing_is_read_ahead_once_all_is_there() -> None:
    stored = Watched()
    kept = KeptRegions(stored)
    kept.read(np.arange(48))
    assert kept.read_ahead == 0
    kept.read(np.arange(48))
    assert len(stored.asked) == 48


@pytest.mark.parametrize("row", [-1, 48])
def test_an_image_that_is_not_there_is_an_error(row: int) -> None:
    kept = KeptRegions(Watched())
    kept.read(np.arange(48))
    with pytest.raises(IndexError):
        kept.read(np.array([row]))
