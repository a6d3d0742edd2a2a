"""The exported file is read by a reader written from the description of the layout, and imported again without loss."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from dazle.datasets.export_reference import export_reference
from dazle.datasets.import_reference import import_reference
from dazle.errors import InputError
from dazle.features.feature_file import open_features, verify, write
from dazle.features.feature_set import FeatureSet
from tests.dazle.features.small_features import CHANNELS, LABELS, TEST_SEEN, TEST_UNSEEN, TRAINVAL, places, small


def full(**changes: Any) -> FeatureSet:
    draw = np.random.default_rng(3)
    return small(
        **{
            "places": places(),
            "class_names": tuple(f"class {number}" for number in range(9)),
            "attribute_names": ("long", "short", "red", "blue", "größe"),
            "image_files": tuple(f"a/{number}.jpg" for number in range(48)),
            "original_attributes": draw.random((9, 5), np.float32),
            "semantics": {"word2vec": draw.random((5, 3), np.float32), "glove": draw.random((5, 4), np.float32)},
            "provenance": {"weights_sha256": "ab"},
        }
        | changes
    )


def round_trip(folder: Path, features: FeatureSet) -> tuple[FeatureSet, FeatureSet]:
    """The features in a file, and those of its export."""
    (folder / "first").mkdir()
    write(folder / "first" / "small.h5", features)
    original = open_features(folder / "first" / "small.h5")
    export_reference(original, folder / "any.hdf5")
    target = folder / "small.h5"
    import_reference(folder / "any.hdf5", target, name="small", preset=features.preset)
    return original, verify(target)


def authors_reader(path: Path) -> dict[str, np.ndarray]:
    """Reads as the authors' codes do: whole arrays by their keys, regions as (N, D, h * w)."""
    with h5py.File(path, "r") as file:
        keys = ("labels", "trainval_loc", "test_seen_loc", "test_unseen_loc", "att", "original_att", "w2v_att")
        arrays = {key: np.array(file.get(key)) for key in keys}
        maps = np.array(file["feature_map"])
        assert file["feature_map"].dtype == np.float32 and file["feature_map"].compression == "gzip"
    return arrays | {"features": maps.reshape(*maps.shape[:2], -1)}


def test_an_independent_reader_gets_the_features(tmp_path: Path) -> None:
    features = full()
    export_reference(features, tmp_path / "any.hdf5")
    arrays = authors_reader(tmp_path / "any.hdf5")
    assert arrays["features"].shape == (48, CHANNELS, 4)
    images = np.arange(48)
    regions, norms = features.regions.read(images).astype(float), features.regions.read_norms(images)
    np.testing.assert_allclose(
        arrays["features"].swapaxes(1, 2), regions * norms[..., None], rtol=1e-3, atol=1e-6
    )  # fmt: skip
    assert not arrays["features"][3, :, 1].any()
    for key, expected in {
        "labels": LABELS, "trainval_loc": TRAINVAL, "test_seen_loc": TEST_SEEN, "test_unseen_loc": TEST_UNSEEN,
        "att": features.attributes, "original_att": features.original_attributes,
        "w2v_att": features.semantics["word2vec"],
    }.items():  # fmt: skip
        np.testing.assert_array_equal(arrays[key], expected)
    seen = set(arrays["labels"][arrays["trainval_loc"]])
    assert seen.isdisjoint(arrays["labels"][arrays["test_unseen_loc"]])


@pytest.mark.parametrize("preset", ["cub", "awa2", "own"])
def test_a_round_trip_is_equal(tmp_path: Path, preset: str) -> None:
    original, again = round_trip(tmp_path, full(preset=preset))
    assert again.fingerprint == original.fingerprint
    assert again.semantics.keys() == {"word2vec", "glove"}
    assert all(again.semantics_sha256(name) == original.semantics_sha256(name) for name in again.semantics)
    assert again.provenance["weights_sha256"] == "ab" and again.backbone == "ResNet-101"


def test_a_round_trip_with_a_grid_that_is_not_square(tmp_path: Path) -> None:
    original, again = round_trip(tmp_path, full(grid=(1, 4)))
    assert again.grid == (1, 4) and again.fingerprint == original.fingerprint


def test_features_that_were_changed_in_the_file_are_taken_as_they_are(tmp_path: Path) -> None:
    export_reference(full(), tmp_path / "any.hdf5")
    with h5py.File(tmp_path / "any.hdf5", "r+") as file:
        file["feature_map"][7] *= 2
        norms = np.array(file["norms"])
    again = import_reference(tmp_path / "any.hdf5", tmp_path / "small.h5", name="small", preset="cub")
    np.testing.assert_allclose(again.regions.read_norms(np.array([7, 8])), norms[7:9] * [[2], [1]], rtol=1e-3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": "simulated"}, "small: its features are simulated"),
        ({"preset": "deepfashion"}, "another layout"),
        ({"semantics": {}}, "no attribute vectors 'word2vec'.*data add-semantics small --semantics word2vec=FILE"),
    ],
)
def test_features_that_the_layout_cannot_hold_are_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        export_reference(full(**changes), tmp_path / "any.hdf5")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("key", "values", "message"),
    [
        ("provenance", np.array([b"[1"]), "provenance is not a JSON object"),
        ("norms", np.ones((2, 2), np.float32), r"norms have the shape \(2, 2\)"),
        ("folds/1/train_classes", np.array([8]), "fold 1 has class 8, which is not a seen class"),
    ],
)
def test_a_damaged_export_is_one_line(tmp_path: Path, key: str, values: np.ndarray, message: str) -> None:
    export_reference(replace(full(), places=None), tmp_path / "any.hdf5")
    with h5py.File(tmp_path / "any.hdf5", "r+") as file:
        del file[key]
        file[key] = values
    with pytest.raises(InputError, match=message):
        import_reference(tmp_path / "any.hdf5", tmp_path / "small.h5", name="small", preset="cub")


def test_the_provenance_is_json_of_any_length(tmp_path: Path) -> None:
    facts = {"left_out_images": [f"{number}.jpg" for number in range(20_000)]}
    export_reference(full(provenance=facts), tmp_path / "any.hdf5")
    with h5py.File(tmp_path / "any.hdf5", "r") as file:
        assert json.loads(file["provenance"][0]) == facts
