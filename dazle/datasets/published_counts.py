"""Comparison with published counts: numbers of images, attributes and classes (`published` of a `DatasetSpec`).

The rule: a published result may stand only beside features with exactly these counts; a subset is another dataset.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import numpy as np

from dazle.datasets.spec import names, spec
from dazle.features.feature_set import FeatureSet

if TYPE_CHECKING:
    from dazle.datasets.raw import RawDataset


class Countable(Protocol):
    """A `FeatureSet` or a `RawDataset`."""

    @property
    def labels(self) -> np.ndarray: ...
    @property
    def attributes(self) -> np.ndarray: ...
    @property
    def trainval(self) -> np.ndarray: ...
    @property
    def test_seen(self) -> np.ndarray: ...
    @property
    def test_unseen(self) -> np.ndarray: ...


def published_counts(preset: str) -> Mapping[str, int]:
    """The published counts of the dataset of that name; empty if it has none."""
    return spec(preset).published if preset in names() else {}


def counts(features: Countable) -> dict[str, int]:
    """The counts of a dataset, with the keys of `DatasetSpec.published`."""
    return {
        "images": len(features.labels),
        "attributes": features.attributes.shape[1],
        "seen classes": len(np.unique(features.labels[features.trainval])),
        "unseen classes": len(np.unique(features.labels[features.test_unseen])),
        "trainval": len(features.trainval),
        "test_seen": len(features.test_seen),
        "test_unseen": len(features.test_unseen),
    }


def count_notes(raw: "RawDataset") -> list[str]:
    """Lines for the user: the counts of a raw dataset, and how they differ from the published counts."""
    actual, published = counts(raw), published_counts(raw.preset)
    note = "counts: " + ", ".join(f"{key} {number:,}" for key, number in actual.items())
    if not published:
        return [note]
    differences = [f"{key} {number:,}" for key, number in published.items() if actual[key] != number]
    if differences:
        return [note, f"not the published counts ({', '.join(differences)}): no published number stands beside these"]
    return [note, "exactly the published counts"]


def has_published_counts(features: FeatureSet) -> bool:
    """Whether these are real features with exactly the published counts of their preset."""
    published = published_counts(features.preset)
    if features.source != "real" or not published:
        return False
    actual = counts(features)
    return all(actual[key] == number for key, number in published.items())
