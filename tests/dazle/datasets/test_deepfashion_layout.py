"""DeepFashion's own reference layout becomes our own file; the layout is written as its authors' script writes it."""

import tracemalloc
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from dazle.datasets.deepfashion_layout import JoinedRegions
from dazle.datasets.import_reference import import_reference
from dazle.datasets.specs import deepfashion
from dazle.errors import InputError
from dazle.features.feature_file import verify
from dazle.features.feature_set import FeatureSet, Regions, normalise
from tests.dazle.datasets.deepfashion_archive import IDS, NAMES, PARTS, UNSEEN, VALUES, write

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "DeepFashion"
MAPS = np.random.default_rng(7).random((74, 8, 2, 3), np.float32)
SPLIT = np.where(np.isin(IDS, UNSEEN), 2, PARTS == "test")
ATT = np.zeros((15, 6))
for number in np.unique(IDS):
    ATT[number] = VALUES[number == IDS].mean(axis=0)


def layout_arrays() -> dict[str, Any]:
    """All datasets of the layout, by key."""
    arrays: dict[str, Any] = {}
    parts = {f"train/{label}": (SPLIT == 0) & (label == IDS) for label in np.unique(IDS[SPLIT == 0])}
    parts |= {"test_seen": SPLIT == 1, "test_unseen": SPLIT == 2}
    for key, mask in parts.items():
        arrays |= {
            f"feature_map_{key}": MAPS[mask],
            f"label_{key}": IDS[mask],
            f"img_{key}": np.array(NAMES, object)[mask],
        }
    locs = ("train_loc", "test_seen_loc", "test_unseen_loc")
    arrays |= {loc: np.flatnonzero(split == SPLIT) for split, loc in enumerate(locs)}
    vectors = np.random.default_rng(8).random((6, 3))
    return arrays | {"labels": IDS, "imgs": np.array(NAMES, object), "att": ATT, "w2v_att": vectors}


def write_layout(path: Path, **changes: Any) -> Path:
    """A file of the layout; "__" in a changed key stands for "/", None leaves the key out."""
    arrays = layout_arrays() | {key.replace("__", "/"): values for key, values in changes.items()}
    with h5py.File(path, "w") as file:
        for key, values in arrays.items():
            if values is not None:
                text = isinstance(values, np.ndarray) and values.dtype == object
                dtype = h5py.string_dtype() if text else None
                file.create_dataset(key, data=values, dtype=dtype, compression="gzip")
    return path


def import_layout(folder: Path, preset: str = "deepfashion", **changes: Any) -> FeatureSet:
    source = write_layout(folder / "feature_map_ResNet_101_DeepFashion_sep_seen_samples.hdf5", **changes)
    return import_reference(source, folder / "fashion.h5", name="fashion", preset=preset)


def test_each_image_keeps_its_name_label_split_and_features(tmp_path: Path) -> None:
    features = import_layout(tmp_path)
    order = [NAMES.index(image) for image in features.image_files]
    assert sorted(order) == list(range(74))
    regions, norms = normalise(MAPS[order].reshape(74, 8, 6).swapaxes(1, 2))
    assert np.array_equal(features.regions.read(np.arange(74)), regions)
    np.testing.assert_allclose(features.regions.read_norms(np.arange(74)), norms, rtol=1e-6)
    class_ids = np.unique(IDS)
    assert np.array_equal(class_ids[features.labels], IDS[order])
    for split, indices in enumerate((features.trainval, features.test_seen, features.test_unseen)):
        assert np.array_equal(np.flatnonzero(SPLIT[order] == split), indices)
    assert (features.grid, features.backbone, features.preset) == ((2, 3), "ResNet-101", "deepfashion")
    verify(tmp_path / "fashion.h5")


def test_training_images_come_label_by_label_in_the_order_of_numbers(tmp_path: Path) -> None:
    features = import_layout(tmp_path)
    assert np.array_equal(features.labels[features.trainval], np.sort(features.labels[features.trainval]))
    assert np.array_equal(features.trainval, np.arange(44))


def test_rows_of_zeros_are_dropped_and_vectors_made_as_the_authors_make_them(tmp_path: Path) -> None:
    features = import_layout(tmp_path)
    rows = np.flatnonzero(ATT.any(axis=1))
    assert len(rows) == 13 == len(features.attributes)
    shares = (ATT[rows] + 1) / 2
    expected = shares / np.linalg.norm(shares, axis=1, keepdims=True)
    np.testing.assert_allclose(features.attributes, expected, rtol=1e-6)
    np.testing.assert_allclose(features.original_attributes, ATT[rows], rtol=1e-6)
    assert features.provenance["class_vectors"] == "paper" and features.semantics["word2vec"].shape == (6, 3)


def test_import_and_preparation_describe_the_same_dataset(tmp_path: Path) -> None:
    archive = write(tmp_path / "archive")
    raw = deepfashion.read(archive, archive, name="fashion", class_vectors="paper")
    features = import_layout(tmp_path)
    np.testing.assert_allclose(features.attributes, raw.attributes, rtol=1e-6)
    order = [raw.image_files.index(image) for image in features.image_files]
    assert np.array_equal(features.labels, raw.labels[order])
    for imported_fold, raw_fold in zip(features.folds, raw.folds, strict=True):
        assert np.array_equal(imported_fold.validation_classes, raw_fold.validation_classes)


def test_what_the_file_was_made_from_may_be_absent(tmp_path: Path) -> None:
    complete = import_layout(tmp_path)
    bare = import_layout(tmp_path, imgs=None, labels=None, train_loc=None, test_seen_loc=None, test_unseen_loc=None)
    assert bare.fingerprint == complete.fingerprint
    names = {f"img_{key[6:]}": None for key in layout_arrays() if key.startswith("label_")}
    assert import_layout(tmp_path, **names).image_files == ()


def test_origin_in_another_order_is_matched_by_name(tmp_path: Path) -> None:
    turned = {"labels": IDS[::-1], "imgs": np.array(NAMES[::-1], object)}
    locs = {key: 73 - layout_arrays()[key] for key in ("train_loc", "test_seen_loc", "test_unseen_loc")}
    assert import_layout(tmp_path, **turned, **locs).fingerprint == import_layout(tmp_path).fingerprint


def test_there_need_be_no_test_images_of_seen_classes(tmp_path: Path) -> None:
    source = write_layout(tmp_path / "a_ResNet_101.hdf5", imgs=None)
    with h5py.File(source, "r+") as file:
        for key in ("feature_map_test_seen", "label_test_seen", "img_test_seen"):
            dtype, shape = file[key].dtype, file[key].shape[1:]
            del file[key]
            file.create_dataset(key, (0, *shape), dtype)
    features = import_reference(source, tmp_path / "fashion.h5", name="fashion", preset="deepfashion")
    assert len(features.test_seen) == 0 and len(features.labels) == 52


def replaced(array: np.ndarray, index: Any, value: Any) -> np.ndarray:
    copy = array.copy()
    copy[index] = value
    return copy


TEST = layout_arrays()
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no test maps": ({"feature_map_test_unseen": None}, "feature_map_test_unseen is missing"),
    "no labels of maps": ({"label_train__7": None}, "label_train/7 is missing"),
    "no names": ({"img_train__7": None}, "img_train/7 is missing"),
    "no attributes": ({"att": None}, "att is missing"),
    "no vectors": ({"w2v_att": None}, "w2v_att is missing; .*--semantics word2vec=FILE.npy"),
    "label not a number": ({"feature_map_train__hat": MAPS[:1]}, "feature_map_train has the member 'hat'"),
    "label with a zero": ({"feature_map_train__07": MAPS[:1]}, "feature_map_train has the member '07'"),
    "other channels": ({"feature_map_test_seen": MAPS[:22, :4]}, r"feature_map_test_seen has images of \(4, 2, 3\)"),
    "labels too few": ({"label_test_seen": TEST["label_test_seen"][1:]}, "label_test_seen has 21 labels for the 22"),
    "names too few": ({"img_test_seen": TEST["img_test_seen"][1:]}, "img_test_seen has 21 names for the 22"),
    "names are numbers": ({"img_test_seen": np.arange(22)}, "img_test_seen has the type int64, but texts are needed"),
    "label of another": ({"label_train__7": np.array([7, 7, 8, 7])}, "label_train/7 has the label 8; all of them must be 7"),
    "no such class": ({"label_test_seen": replaced(TEST["label_test_seen"], 0, 15)}, r"label 15, but its row of att is outside 0\.\.14"),
    "an empty class": ({"label_test_seen": replaced(TEST["label_test_seen"], 0, 5)}, "label 5, but its row of att is all zero"),
    "0-based labels": ({"label_test_unseen": replaced(TEST["label_test_unseen"], 0, 0)}, "label 0, but its row of att is all zero"),
    "attributes in percent": ({"att": ATT * 100}, r"att is not within -1\.\.1 in row 1"),
    "attributes nan": ({"att": replaced(ATT, (6, 1), np.nan)}, r"att is not within -1\.\.1 in row 6"),
    "never an attribute": ({"att": replaced(ATT, 6, -1)}, "attributes of class 4 have length 0"),
    "seen and unseen": ({"label_test_unseen": replaced(TEST["label_test_unseen"], 0, 1), "labels": None}, "class 0 is in trainval and in test_unseen"),
    "names twice": ({"imgs": replaced(TEST["imgs"], 1, NAMES[0])}, "74 labels, but imgs has 73 different names"),
    "unknown name": ({"img_test_seen": replaced(TEST["img_test_seen"], 1, "img/other.jpg")}, "'img/other.jpg' is not in imgs"),
    "label disagrees": ({"labels": replaced(IDS, 3, 4)}, "img_00000004.jpg is stored under the label 1, but labels says 4"),
    "split disagrees": ({"train_loc": TEST["train_loc"][1:]}, "train_loc does not name the images of trainval"),
    "index twice": ({"train_loc": replaced(TEST["train_loc"], 0, 2)}, "train_loc names image 2 twice"),
    "vectors too few": ({"w2v_att": np.ones((5, 3))}, r"semantics word2vec has shape \(5, 3\), not \(6, d\)"),
    "nan in an image": ({"feature_map_train__7": replaced(TEST["feature_map_train/7"], (2, 0, 0, 0), np.nan)}, "feature_map_train/7 of image 2 is not finite"),
    "inf in an image": ({"feature_map_test_seen": replaced(TEST["feature_map_test_seen"], (9, 0, 0, 0), np.inf)}, "feature_map_test_seen of image 9 is not finite"),
    "another preset": ({"preset": "cub"}, "has DeepFashion's own layout; import it with --preset deepfashion"),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "message"), WRONG.values(), ids=WRONG)
def test_a_faulty_file_is_refused_in_one_line_and_nothing_is_left(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message) as error:
        import_layout(tmp_path, **changes)
    assert str(error.value).startswith(str(tmp_path / "feature_map_ResNet_101")) and "\n" not in str(error.value)
    assert not (tmp_path / "fashion.h5").exists()


def test_names_too_long_to_be_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="img_test_seen has a text of 9,000 bytes"):
        import_layout(tmp_path, img_test_seen=replaced(TEST["img_test_seen"], 1, "x" * 9000))


def test_joined_regions_read_like_any(tmp_path: Path) -> None:
    values, norms = normalise(np.random.default_rng(3).random((9, 6, 8)))
    single = Regions(values, norms)
    joined = JoinedRegions(
        [Regions(values[:4], norms[:4]), Regions(values[4:4], norms[4:4]), Regions(values[4:], norms[4:])]
    )
    rows = np.array([8, 3, 4, 4, 0])
    assert joined.shape == single.shape
    assert np.array_equal(joined.read(rows), single.read(rows))
    assert np.array_equal(joined.read_norms(rows), single.read_norms(rows))
    assert np.array_equal(joined.load().read(rows), single.read(rows))


def test_memory_stays_small_whatever_the_size(tmp_path: Path) -> None:
    names = {f"img_{key[6:]}": None for key in layout_arrays() if key.startswith("label_")}
    source = write_layout(tmp_path / "feature_map_ResNet_101_DeepFashion.hdf5", **names)
    with h5py.File(source, "r+") as file:
        for key in (key for key in layout_arrays() if key.startswith("label_")):
            labels, maps = np.repeat(file[key][:], 6), key.replace("label", "feature_map")
            del file[key], file[maps]
            file[key] = labels
            shape = (len(labels), 2048, 7, 7)
            dataset = file.create_dataset(maps, shape, "f4", chunks=(12, *shape[1:]), compression=1)
            for start in range(0, len(labels), 12):
                dataset[start : start + 12] = 1
    tracemalloc.start()
    try:
        features = import_reference(source, tmp_path / "fashion.h5", name="fashion", preset="deepfashion")
        assert len(features.labels) == 444
        assert tracemalloc.get_traced_memory()[1] < 48e6 < features.regions.nbytes
    finally:
        tracemalloc.stop()


def test_the_authors_word_vectors_fit_the_published_attributes() -> None:
    if not SHARED.exists():
        pytest.skip("no real word vectors beside the project (../shared/data/DeepFashion)")
    vectors = np.load(SHARED / "w2v.npy")
    assert vectors.shape == (1000, 300) and np.sum(~vectors.any(axis=1)) == 14
