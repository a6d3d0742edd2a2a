"""Published counts: images, attributes and classes of the four datasets (splits of xlsa17; DeepFashion: DAZLE's).

The rule: a published result may stand only beside features with exactly these counts; a subset is another dataset.
"""

from typing import TYPE_CHECKING, Protocol

import numpy as np

from dazle.features.feature_set import FeatureSet

if TYPE_CHECKING:
    from dazle.datasets.raw import RawDataset

PUBLISHED: dict[str, dict[str, int]] = {
    "cub": {"images": 11_788, "attributes": 312, "seen classes": 150, "unseen classes": 50,
            "trainval": 7_057, "test_seen": 1_764, "test_unseen": 2_967},
    "sun": {"images": 14_340, "attributes": 102, "seen classes": 645, "unseen classes": 72,
            "trainval": 10_320, "test_seen": 2_580, "test_unseen": 1_440},
    "awa2": {"images": 37_322, "attributes": 85, "seen classes": 40, "unseen classes": 10,
             "trainval": 23_527, "test_seen": 5_882, "test_unseen": 7_913},
    # Its split sizes are not verified, so they are not compared.
    "deepfashion": {"images": 289_222, "attributes": 1_000, "seen classes": 36, "unseen classes": 10},
}  # fmt: skip


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


def counts(features: Countable) -> dict[str, int]:
    """The counts of a dataset, with the keys of `PUBLISHED`."""
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
    actual, published = counts(raw), PUBLISHED[raw.preset]
    note = "counts: " + ", ".join(f"{key} {number:,}" for key, number in actual.items())
    differences = [f"{key} {number:,}" for key, number in published.items() if actual[key] != number]
    if differences:
        return [note, f"not the published counts ({', '.join(differences)}): no published number stands beside these"]
    return [note, "exactly the published counts"]


def has_published_counts(features: FeatureSet) -> bool:
    """Whether these are real features with exactly the published counts of their preset."""
    published = PUBLISHED.get(features.preset)
    if features.source != "real" or published is None:
        return False
    actual = counts(features)
    return all(actual[key] == number for key, number in published.items())
