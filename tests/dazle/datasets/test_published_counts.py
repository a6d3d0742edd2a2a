"""Published counts of the datasets, and which features have them."""

import pytest

import dazle.datasets.published_counts
from dazle.datasets.published_counts import counts, has_published_counts, published_counts
from tests.dazle.features.small_features import TEST_SEEN, small


def test_only_real_features_of_exactly_the_published_size_count_as_published(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not has_published_counts(small())
    monkeypatch.setattr(dazle.datasets.published_counts, "published_counts", lambda preset: counts(small()))
    assert has_published_counts(small())
    assert not has_published_counts(small(source="simulated"))
    assert not has_published_counts(small(test_seen=TEST_SEEN[1:]))


def test_published_counts_add_up() -> None:
    for preset in ("cub", "sun", "awa2"):
        sizes = published_counts(preset)
        assert sizes["trainval"] + sizes["test_seen"] + sizes["test_unseen"] == sizes["images"]
