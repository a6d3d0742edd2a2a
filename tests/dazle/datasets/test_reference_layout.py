"""The shared reference layout becomes our own file: same numbers, region-major; leak and faults are found."""

import tracemalloc
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from dazle.datasets.import_reference import import_reference
from dazle.errors import InputError
from dazle.features.feature_file import verify
from dazle.features.feature_set import FeatureSet
from tests.dazle.features.small_features import LABELS, TEST_SEEN, TEST_UNSEEN, TRAINVAL, write_reference

SHARED = Path(__file__).resolve().parents[3] / ".." / "shared" / "data" / "CUB127"


def import_layout(
    folder: Path,
    preset: str = "cub",
    backbone: str | None = "test",
    grid: tuple[int, int] | None = None,
    **changes: Any,
) -> FeatureSet:
    source = write_reference(folder / "feature_map.hdf5", **changes)
    return import_reference(source, folder / "small.h5", name="small", preset=preset, backbone=backbone, grid=grid)


def assert_refused(folder: Path, message: str, preset: str = "cub", **changes: Any) -> None:
    with pytest.raises(InputError, match=message) as error:
        import_layout(folder, preset, **changes)
    assert str(error.value).startswith(str(folder / "feature_map.hdf5")) and "\n" not in str(error.value)
    assert not (folder / "small.h5").exists()


def test_regions_become_rows_of_unit_length(tmp_path: Path) -> None:
    maps = np.random.default_rng(2).random((48, 8, 2, 3), np.float32)
    maps[5, :, 1, 2] = 0
    features = import_layout(tmp_path, feature_map=maps)
    assert features.grid == (2, 3) and features.regions.shape == (48, 6, 8)
    images = np.arange(48)
    regions, norms = features.regions.read(images), features.regions.read_norms(images)
    for row, column in np.ndindex(2, 3):
        restored = regions[:, row * 3 + column].astype(float) * norms[:, row * 3 + column, None]
        np.testing.assert_allclose(restored, maps[:, :, row, column], rtol=2e-3, atol=1e-4)
    assert norms[5, 5] == 0 and not regions[5, 5].any()
    verify(tmp_path / "small.h5")


def test_regions_without_a_grid_get_the_users(tmp_path: Path) -> None:
    maps = np.random.default_rng(2).random((48, 8, 2, 3), np.float32)
    expected = import_layout(tmp_path, feature_map=maps)
    for shape in ((48, 8, 6), (48, 8, 6, 1), (48, 8, 1, 6)):
        features = import_layout(tmp_path, feature_map=maps.reshape(shape), grid=(2, 3))
        assert features.fingerprint == expected.fingerprint
    assert import_layout(tmp_path, feature_map=maps, grid=(2, 3)).fingerprint == expected.fingerprint


@pytest.mark.parametrize(
    ("shape", "grid", "message"),
    [
        ((48, 8, 6), None, "feature_map has 6 regions and not their grid; give its rows and columns with --grid"),
        ((48, 8, 6), (2, 2), "feature_map has 6 regions, which --grid 2x2 does not fit"),
        ((48, 8, 2, 3), (3, 2), "feature_map has 2 x 3 regions, which --grid 3x2 does not fit"),
    ],
)
def test_a_grid_that_does_not_fit_is_refused(
    tmp_path: Path, shape: tuple[int, ...], grid: tuple[int, int] | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        import_layout(tmp_path, feature_map=np.ones(shape, np.float32), grid=grid)


@pytest.mark.parametrize("chunks", [None, (1, 8, 2, 3), (7, 8, 2, 3), (48, 2, 1, 1)])
@pytest.mark.parametrize("dtype", ["f2", "f4"])
def test_source_chunks_and_type_do_not_matter(tmp_path: Path, chunks: Any, dtype: str, monkeypatch: Any) -> None:
    monkeypatch.setattr("dazle.datasets.reference_layout.BLOCK_BYTES", 5 * 4 * 6 * 8 * 4)
    maps = np.random.default_rng(2).integers(0, 9, (48, 8, 2, 3)).astype(dtype)
    expected = import_layout(tmp_path, feature_map=maps)
    rewritten = write_reference(tmp_path / "again.hdf5")
    with h5py.File(rewritten, "r+") as file:
        del file["feature_map"]
        file.create_dataset("feature_map", data=maps, chunks=chunks)
    features = import_reference(rewritten, tmp_path / "small.h5", name="small", preset="cub", backbone="test")
    assert features.fingerprint == expected.fingerprint


def test_a_chunk_that_does_not_fit_into_memory_is_inflated_as_seldom_as_it_can_be(
    tmp_path: Path, monkeypatch: Any
) -> None:
    from dazle.datasets.reference_layout import ReferenceRegions

    monkeypatch.setattr("dazle.datasets.reference_layout.LARGEST_SLAB", 20 * 8 * 6 * 4)
    slabs, read = [], ReferenceRegions._slab
    monkeypatch.setattr(ReferenceRegions, "_slab", lambda self, *ends: slabs.append(ends) or read(self, *ends))
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        maps = file.create_dataset("feature_map", data=np.ones((48, 8, 2, 3), "f4"), chunks=(48, 2, 1, 1))
        assert sum(len(block) for block, _ in ReferenceRegions(maps).blocks()) == 48
    assert slabs == [(0, 20), (20, 40), (40, 48)]


def test_a_reference_file_reads_like_any_regions(tmp_path: Path) -> None:
    from dazle.datasets.reference_layout import ReferenceRegions

    expected, rows = import_layout(tmp_path).regions, np.array([9, 2, 9])
    with h5py.File(tmp_path / "feature_map.hdf5") as file:
        regions = ReferenceRegions(file["feature_map"])
        assert np.array_equal(regions.read(rows), expected.read(rows))
        assert np.array_equal(regions.read_norms(rows), expected.read_norms(rows))


def test_the_rest_comes_over_with_classes_normalised(tmp_path: Path) -> None:
    att = np.random.default_rng(3).random((9, 5))
    features = import_layout(tmp_path, att=att, trainval_loc=TRAINVAL[::-1])
    np.testing.assert_allclose(features.attributes, att / np.linalg.norm(att, axis=1, keepdims=True), rtol=1e-6)
    assert features.semantics["word2vec"].shape == (5, 3) and features.original_attributes is not None
    assert np.array_equal(features.labels, LABELS) and np.array_equal(features.trainval, TRAINVAL)
    assert np.array_equal(features.test_seen, TEST_SEEN) and np.array_equal(features.test_unseen, TEST_UNSEEN)
    assert features.provenance == {
        "made_by": "import of the reference layout", "file": "feature_map.hdf5",
        "semantics": {}, "folds": "drawn from the dataset's name",
    }  # fmt: skip
    assert len(features.folds) == 3 and features.source == "real"


def test_negative_attributes_are_set_to_zero_on_awa2_alone(tmp_path: Path) -> None:
    att = np.random.default_rng(3).random((9, 5))
    att[[2, 4], [1, 0]] = -0.01
    awa2 = import_layout(tmp_path, "awa2", att=att)
    assert awa2.provenance["negative_attributes_set_to_0"] == 2 and (awa2.attributes[[2, 4], [1, 0]] == 0).all()
    cub = import_layout(tmp_path, "cub", att=att)
    assert "negative_attributes_set_to_0" not in cub.provenance and (cub.attributes[[2, 4], [1, 0]] < 0).all()


def test_the_leak_of_train_loc_and_val_loc_is_taken_out(tmp_path: Path) -> None:
    train, val = np.arange(24), np.arange(24, 36)  # with the test_seen images 5, 11, 17, 23 and 29, 35
    features = import_layout(tmp_path, train_loc=train, val_loc=val)
    assert features.folds[0].train_classes.tolist() == [0, 1, 2, 3]
    assert features.folds[0].validation_classes.tolist() == [4, 5]
    assert [len(fold.validation_classes) for fold in features.folds] == [2, 2, 2]
    assert features.provenance["leak_taken_out"] == 6
    assert features.provenance["folds"] == "fold 1 given, 2 and 3 drawn"


def test_a_class_whose_images_all_leak_is_in_no_fold(tmp_path: Path) -> None:
    features = import_layout(tmp_path, train_loc=np.append(np.arange(12), TEST_SEEN[-1]), val_loc=np.arange(24, 30))
    assert features.folds[0].train_classes.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("file_name", "channels", "backbone"),
    [
        ("feature_map_EfficientNet_Lite0_CUB.hdf5", 8, "EfficientNet-Lite0"),
        ("feature_map_ResNet_101_CUB.hdf5", 8, "ResNet-101"),
        ("mine.hdf5", 2048, "ResNet-101"),
    ],
)
def test_the_backbone_comes_from_the_name_or_the_channels(
    tmp_path: Path, file_name: str, channels: int, backbone: str
) -> None:
    source = write_reference(tmp_path / file_name, feature_map=np.ones((48, channels, 1, 1), np.float16))
    features = import_reference(source, tmp_path / "small.h5", name="small", preset="cub")
    assert features.backbone == backbone


def test_an_unknown_backbone_has_to_be_said(tmp_path: Path) -> None:
    assert_refused(tmp_path, "backbone of these 8 channels; give it with --backbone", backbone=None)


def replaced(array: np.ndarray, index: Any, value: float) -> np.ndarray:
    copy = array.copy()
    copy[index] = value
    return copy


MAPS = np.ones((48, 8, 2, 3), np.float32)
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no maps": ({"feature_map": None}, "feature_map is missing; the file has att, labels"),
    "no labels": ({"labels": None}, "labels is missing"),
    "no split": ({"test_unseen_loc": None}, "test_unseen_loc is missing"),
    "no vectors": ({"w2v_att": None}, "w2v_att is missing; .*--semantics word2vec=FILE.npy"),
    "flat maps": ({"feature_map": MAPS.reshape(48, -1)}, r"has the shape \(48, 48\), but 4 dimensions"),
    "whole-number maps": ({"feature_map": MAPS.astype(int)}, "feature_map has the type int64"),
    "labels too few": ({"labels": LABELS[1:]}, r"labels have shape \(47,\)"),
    "labels 1-based": ({"labels": LABELS + 1}, r"labels\[44\] = 9 is outside 0\.\.8; labels are 0-based"),
    "labels real": ({"labels": LABELS + 0.5}, "labels has the type float64"),
    "index out of range": ({"test_unseen_loc": TEST_UNSEEN + 1}, "test_unseen has index 48, outside"),
    "index twice": ({"trainval_loc": np.append(TRAINVAL, 3)}, "trainval_loc names image 3 twice"),
    "index in two": ({"test_seen_loc": np.append(TEST_SEEN, 3)}, "trainval and test_seen share 1 images"),
    "seen and unseen": ({"labels": replaced(LABELS, 40, 2)}, "class 2 is in trainval and in test_unseen"),
    "vectors too few": ({"w2v_att": np.ones((4, 3))}, r"semantics word2vec has shape \(4, 3\), not \(5, d\)"),
    "vectors nan": ({"w2v_att": np.full((5, 3), np.nan)}, "semantics word2vec is not finite"),
    "attributes nan": ({"att": replaced(np.ones((9, 5)), (6, 1), np.nan)}, "attributes of class 6"),
    "attributes zero": ({"att": replaced(np.ones((9, 5)), 6, 0)}, "attributes of class 6 have length 0"),
    "nan in an image": ({"feature_map": replaced(MAPS, (31, 2, 0, 0), np.nan)}, "image 31 is not finite"),
    "inf in an image": ({"feature_map": replaced(MAPS, (8, 7, 1, 2), -np.inf)}, "image 8 is not finite"),
    "zero image": ({"feature_map": replaced(MAPS, 9, 0)}, "image 9 is all zero; extract the image again"),
    "label beyond int64": (
        {"labels": replaced(LABELS.astype("u8"), 40, 2**63)},
        "labels has the value 9223372036854775808, larger than any index or label",
    ),
    "fold shares": ({"train_loc": TRAINVAL, "val_loc": TRAINVAL}, "train_loc and val_loc share class 0"),
    "fold empty": ({"train_loc": TRAINVAL, "val_loc": TEST_SEEN}, "have 6 and 0 classes"),
    "fold range": ({"train_loc": TRAINVAL, "val_loc": np.array([48])}, r"val_loc runs 48\.\.48, outside"),
    "deepfashion": ({"feature_map_train": np.ones(3)}, "DeepFashion's own layout; import it with --preset deepfashion"),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "message"), WRONG.values(), ids=WRONG)
def test_a_faulty_file_is_refused_in_one_line_and_nothing_is_left(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    assert_refused(tmp_path, message, **changes)
    files = {path.name for path in tmp_path.iterdir()}
    assert files - {".small.h5.lock"} == {"feature_map.hdf5"}


def test_missing_truncated_and_foreign_files(tmp_path: Path) -> None:
    source, target = tmp_path / "a.hdf5", tmp_path / "small.h5"

    def attempt(message: str) -> None:
        with pytest.raises(InputError, match=message) as error:
            import_reference(source, target, name="small", preset="cub", backbone="test")
        assert str(error.value).startswith(str(source)) and "\n" not in str(error.value)

    attempt("no such file")
    source.write_bytes(b"not this")
    attempt("not an HDF5 file")
    write_reference(source)
    source.write_bytes(source.read_bytes()[:-2000])
    attempt("file cannot be read, the file is damaged.*truncated")


def test_a_link_out_of_the_file_is_refused(tmp_path: Path) -> None:
    source = write_reference(tmp_path / "a.hdf5", labels=None)
    with h5py.File(source, "r+") as file:
        file["labels"] = h5py.ExternalLink("/etc/passwd", "/labels")
    with pytest.raises(InputError, match="labels is a link"):
        import_reference(source, tmp_path / "small.h5", name="small", preset="cub", backbone="test")


def test_own_semantics_are_added(tmp_path: Path) -> None:
    vectors = np.random.default_rng(4).random((5, 7))
    np.save(tmp_path / "glove.npy", vectors)
    source = write_reference(tmp_path / "a.hdf5")
    npy_files = {"glove": tmp_path / "glove.npy"}
    features = import_reference(
        source, tmp_path / "small.h5", name="small", preset="cub", backbone="test", semantics=npy_files
    )
    np.testing.assert_allclose(features.semantics["glove"], vectors, rtol=1e-6)
    assert features.provenance["semantics"] == {"glove": "glove.npy"}


def test_own_word_vectors_serve_where_the_file_has_none(tmp_path: Path) -> None:
    np.save(tmp_path / "words.npy", np.ones((5, 3), np.float32))
    source, npy_files = write_reference(tmp_path / "a.hdf5", w2v_att=None), {"word2vec": tmp_path / "words.npy"}
    target = tmp_path / "small.h5"
    assert import_reference(source, target, name="small", preset="cub", backbone="t", semantics=npy_files).semantics
    write_reference(source)
    with pytest.raises(InputError, match="already has word2vec"):
        import_reference(source, target, name="small", preset="cub", backbone="t", semantics=npy_files)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        (b"text", "not a .npy file of numbers"),
        (np.array([{"a": 1}], object), "not a .npy file of numbers"),
        (np.ones(5), "not one .attributes, dimensions. array"),
        (np.ones((5, 3), "i8"), "not one .attributes, dimensions. array"),
        (np.ones((4, 3)), r"semantics glove has shape \(4, 3\)"),
    ],
)
def test_faulty_semantics_are_refused(tmp_path: Path, content: Any, message: str) -> None:
    file = tmp_path / "glove.npy"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content is not None:
        np.save(file, content, allow_pickle=True)
    source = write_reference(tmp_path / "a.hdf5")
    with pytest.raises(InputError, match=message) as error:
        import_reference(
            source,
            tmp_path / "small.h5",
            name="small",
            preset="cub",
            backbone="test",
            semantics={"glove": file},
        )
    assert "\n" not in str(error.value)


def test_memory_stays_small_whatever_the_size(tmp_path: Path) -> None:
    source = write_reference(tmp_path / "feature_map.hdf5", feature_map=None)
    labels = np.repeat(np.arange(4), 80)
    changes = {
        "labels": labels, "trainval_loc": np.arange(240), "test_seen_loc": np.arange(0),
        "test_unseen_loc": np.arange(240, 320),
    }  # fmt: skip
    with h5py.File(source, "r+") as file:
        for key, values in changes.items():
            del file[key]
            file[key] = values
        maps = file.create_dataset("feature_map", (320, 2048, 7, 7), "f4", chunks=(16, 2048, 7, 7), compression="gzip")
        for start in range(0, 320, 16):
            maps[start : start + 16] = 1
    tracemalloc.start()
    try:
        features = import_reference(source, tmp_path / "small.h5", name="small", preset="cub")
        assert tracemalloc.get_traced_memory()[1] < 48e6 < features.regions.nbytes
    finally:
        tracemalloc.stop()


def test_real_features_have_the_counts_their_owner_states(tmp_path: Path) -> None:
    real = SHARED / "feature_map_EfficientNet_Lite0_CUB.hdf5"
    if not real.exists():
        pytest.skip("no real features beside the project (../shared/data/CUB127)")
    source = tmp_path / real.name
    with h5py.File(real) as original, h5py.File(source, "w") as file:
        for key in original:
            file[key] = original[key][:] if key != "feature_map" else np.ones((7456, 1280, 1, 1), np.float16)
        file["feature_map"][:40] = original["feature_map"][:40, :, 3:4, 4:5]
        norms = np.linalg.norm(original["feature_map"][:40, :, 3, 4].astype(float), axis=1)
    features = import_reference(source, tmp_path / "cub127.h5", name="cub127", preset="cub")
    assert (len(features.labels), features.backbone) == (7456, "EfficientNet-Lite0")
    assert (len(features.trainval), len(features.test_seen), len(features.test_unseen)) == (4402, 1087, 1967)
    assert (len(features.seen_classes), len(features.unseen_classes)) == (94, 33)
    np.testing.assert_allclose(features.regions.read_norms(np.arange(40))[:, 0], norms, rtol=1e-5)
    verify(tmp_path / "cub127.h5")
