"""The common reader of xlsa17: a good archive is read right, a broken one is refused in one line that says where."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dazle.datasets.raw import RawDataset, drop_images
from dazle.datasets.specs import awa2, cub, sun
from dazle.datasets.xlsa17_splits import read_splits
from dazle.errors import InputError
from tests.dazle.datasets.archives import CLASSES, FOLDS, ROWS, Archive, cells, column, make_archive, write_mats
from tests.dazle.features.small_features import LABELS, TEST_SEEN, TEST_UNSEEN, TRAINVAL

READERS: dict[str, Any] = {"cub": cub.read, "sun": sun.read, "awa2": awa2.read}
SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data"


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """A good SUN; tests that break something take a splits folder of their own from `copy_splits`."""
    return make_archive(tmp_path_factory.mktemp("scenes"), "sun")


def copy_splits(archive: Archive, folder: Path, **changes: Any) -> Archive:
    copied = replace(archive, splits=folder / "splits")
    shutil.copytree(archive.splits, copied.splits)
    write_mats(copied, **changes)
    return copied


def read(archive: Archive, images: Path | None = None) -> RawDataset:
    return READERS[archive.preset](images or archive.images, archive.splits, name="small")


def has_note(raw: RawDataset, text: str) -> bool:
    return any(text in note for note in raw.notes)


@pytest.mark.parametrize("preset", READERS)
def test_everything_is_read(tmp_path: Path, preset: str) -> None:
    archive = make_archive(tmp_path, preset)
    raw = read(archive)
    assert raw.images == tuple(archive.image(row) for row in range(48)) and raw.image_files == archive.names
    np.testing.assert_array_equal(raw.labels, ROWS[LABELS])
    assert [raw.class_names[label] for label in raw.labels] == [CLASSES[preset][label] for label in LABELS]
    for key, expected in (("trainval", TRAINVAL), ("test_seen", TEST_SEEN), ("test_unseen", TEST_UNSEEN)):
        np.testing.assert_array_equal(getattr(raw, key), expected)
    for fold, (train, validation) in zip(raw.folds, FOLDS, strict=True):
        np.testing.assert_array_equal(fold.train_classes, np.sort(ROWS[train]))
        np.testing.assert_array_equal(fold.validation_classes, np.sort(ROWS[validation]))
    assert raw.attributes.dtype == np.float32 and raw.attributes.shape == (9, 5) and (raw.attributes >= 0).all()
    np.testing.assert_allclose(np.linalg.norm(raw.attributes, axis=1), 1, rtol=1e-6)
    assert raw.original_attributes is not None and len(raw.attribute_names) == 5
    assert has_note(raw, "6 test images taken out, 20 and 10 images are left")
    assert has_note(raw, "every image lies in the folder of its label's class")
    assert has_note(raw, "not the published counts (images ") and has_note(raw, "class folds: 3 of the class lists")
    assert raw.provenance["leak_taken_out"] == 6 and raw.provenance["split"] == "proposed"
    assert not any("\n" in note for note in raw.notes)


@pytest.mark.parametrize("preset", READERS)
def test_the_folder_above_and_the_folder_of_images_serve_too(tmp_path: Path, preset: str) -> None:
    archive = make_archive(tmp_path, preset)
    inner = archive.images / ("JPEGImages" if preset == "awa2" else "images")
    for folder in (archive.images, inner, tmp_path):
        raw = read(archive, folder)
        assert raw.image_files == archive.names and raw.images[5] == archive.image(5)


def test_the_class_lists_serve_where_train_loc_and_val_loc_are_missing(scenes: Archive, tmp_path: Path) -> None:
    archive = copy_splits(scenes, tmp_path, train_loc=None)
    raw = read(archive)
    np.testing.assert_array_equal(raw.folds[0].validation_classes, np.sort(ROWS[[4, 5]]))
    assert has_note(raw, "not in this copy") and "leak_taken_out" not in raw.provenance


def test_without_class_lists_fold_1_is_that_of_train_loc_and_the_others_are_drawn(
    scenes: Archive, tmp_path: Path
) -> None:
    archive = copy_splits(scenes, tmp_path)
    for file in archive.splits.glob("*classes[123].txt"):
        file.unlink()
    raw = read(archive)
    np.testing.assert_array_equal(raw.folds[0].validation_classes, np.sort(ROWS[[4, 5]]))
    assert len(raw.folds) == 3 and has_note(raw, "no class lists, fold 1 of train_loc and val_loc, 2 drawn")
    write_mats(archive, val_loc=None)
    assert len(read(archive).folds) == 3 and has_note(read(archive), "class folds: no class lists, 3 drawn")


def test_a_fold_that_contradicts_its_lists_is_that_of_the_images(scenes: Archive, tmp_path: Path) -> None:
    train = column(np.setdiff1d(np.arange(36), LABELS.searchsorted([1, 2]) + np.arange(6)[:, None]))
    archive = copy_splits(scenes, tmp_path, train_loc=train, val_loc=column(np.arange(6, 18)))
    raw = read(archive)
    np.testing.assert_array_equal(raw.folds[0].validation_classes, np.sort(ROWS[[1, 2]]))
    assert has_note(raw, "fold 1 of train_loc and val_loc, which differ from its lists")


def test_lists_of_a_subset_may_leave_classes_out(scenes: Archive, tmp_path: Path) -> None:
    archive = copy_splits(scenes, tmp_path)
    (archive.splits / "trainclasses2.txt").write_text("cavern_indoor\r\nlean-to\r\n")
    np.testing.assert_array_equal(read(archive).folds[1].train_classes, np.sort(ROWS[[3, 4]]))


def test_word_vectors_beside_the_archives_are_taken(scenes: Archive, tmp_path: Path) -> None:
    archive = copy_splits(scenes, tmp_path)
    assert read(archive).semantics == {} and has_note(read(archive), "semantics: none")
    vectors = np.random.default_rng(0).random((5, 3))
    np.save(tmp_path / "word_vectors.npy", vectors)
    np.testing.assert_allclose(read(archive).semantics["word2vec"], vectors, rtol=1e-6)
    np.save(archive.splits / "w2v.npy", vectors[:4])
    assert read(archive).semantics == {} and has_note(read(archive), "w2v.npy has 4 rows, not one for each of the 5")
    (archive.splits / "w2v.npy").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"w2v\.npy: not a \.npy file of numbers"):
        read(archive)


def test_broken_images_are_left_out_of_everything(tmp_path: Path) -> None:
    raw = read(make_archive(tmp_path, "cub"))
    remaining = drop_images(raw, [0, 5, 47])
    assert len(remaining.images) == len(remaining.labels) == len(remaining.image_files) == 45
    rows = [row for row in range(48) if row not in (0, 5, 47)]
    for key in ("trainval", "test_seen", "test_unseen"):
        names = [raw.image_files[row] for row in getattr(raw, key) if row in rows]
        assert [remaining.image_files[row] for row in getattr(remaining, key)] == names
    assert raw.key_points is not None and remaining.key_points is not None
    np.testing.assert_array_equal(remaining.key_points.points, raw.key_points.points[rows])
    np.testing.assert_array_equal(remaining.key_points.present, raw.key_points.present[rows])
    np.testing.assert_array_equal(remaining.labels, raw.labels[rows])


def swapped_names(*, rows: tuple[int, int]) -> np.ndarray:
    order = np.array(CLASSES["sun"])[np.argsort(ROWS)]
    order[list(rows)] = order[list(rows[::-1])]
    return cells(order)


FROM_ZERO = {"trainval_loc": column(TRAINVAL - 1), "test_seen_loc": column(TEST_SEEN - 1)}
# Without image 0 and the last one a file that counts from 0 looks plausible until labels are read.
INNER_TRAINVAL, INNER_UNSEEN = column(TRAINVAL[1:] - 1), column(TEST_UNSEEN[:-1] - 1)
BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "from 0": (FROM_ZERO, r"att_splits\.mat: trainval_loc has the index 0; xlsa17 counts from 1"),
    "from 0, inner images": (
        {"trainval_loc": INNER_TRAINVAL, "test_unseen_loc": INNER_UNSEEN, "test_seen_loc": column(TEST_SEEN - 1),
         "train_loc": None},
        "its indices count from 0",
    ),
    "index too large": ({"test_unseen_loc": column(TEST_UNSEEN + 1)}, "index 49, but res101.mat has 48 images"),
    "index twice": ({"trainval_loc": column(np.append(TRAINVAL, 3))}, "names image 4 twice"),
    "not disjoint": ({"test_seen_loc": column(TEST_SEEN - 1)}, "trainval_loc and test_seen_loc share 6 images"),
    "classes overlap": (
        {"trainval_loc": column(np.append(TRAINVAL, 36)), "test_unseen_loc": column(TEST_UNSEEN[1:])},
        r"class airlock is in trainval_loc and in test_unseen_loc \(1 such classes\): res101.mat is of other images",
    ),
    "fraction": ({"trainval_loc": column(TRAINVAL) + 0.5}, r"trainval_loc has 1\.5 in row 1, not a whole number"),
    "no column": ({"trainval_loc": np.ones((2, 3))}, r"trainval_loc is float64 of shape \(2, 3\)"),
    "missing loc": ({"trainval_loc": None}, "trainval_loc is missing, it has allclasses_names, att"),
    "missing test_seen": ({"test_seen_loc": None}, "test_seen_loc is missing; for CUB's standard split add"),
    "missing att": ({"att": None}, "att is missing"),
    "missing names": ({"allclasses_names": None}, "allclasses_names is missing"),
    "missing labels": ({"labels": None}, r"res101\.mat: labels is missing, it has image_files"),
    "missing files": ({"image_files": None}, r"res101\.mat: image_files is missing"),
    "names no texts": ({"allclasses_names": np.ones((9, 1))}, "not a list of texts"),
    "class named twice": ({"allclasses_names": cells(["zoo"] * 9)}, "names a class twice"),
    "att transposed": ({"att": np.ones((9, 5))}, r"att has the shape \(9, 5\); a column for each of the 9 classes"),
    "att not finite": ({"att": np.full((5, 9), np.nan)}, "att is not finite in row 1, column 1"),
    "att zero": ({"att": np.eye(5, 9)}, "att is all zero for "),
    "original_att": ({"original_att": np.ones((5, 8))}, "original_att has the shape"),
    "labels from 0": ({"labels": column(ROWS[LABELS] - 1)}, r"res101\.mat: labels has 0 in row 7, outside 1\.\.9"),
    "label too large": ({"labels": column(ROWS[LABELS] + 1)}, "labels has 10 in row 25, outside"),
    "label missing": ({"labels": column(ROWS[LABELS[1:]])}, "48 image_files but 47 labels"),
    "one label wrong": (
        {"labels": column(np.append(ROWS[LABELS[:-1]], ROWS[0]))},
        "class abbey is in trainval_loc and in test_unseen_loc",
    ),
    "folder of another class": (
        {"labels": column(np.append(ROWS[LABELS[:-1]], ROWS[6]))},
        r"image 48, t/theater/indoor_round/image_0047\.jpg, is labelled airlock \(1 such images\)",
    ),
    "swapped classes": ({"allclasses_names": swapped_names(rows=(0, 1))}, r"allclasses\.txt: not the classes of allclasses"),
    "strange train_loc": ({"train_loc": column(np.append(np.arange(24), 60))}, "image 61, which is in no split"),
    "train_loc shares": ({"val_loc": column(np.arange(18, 36))}, "train_loc and val_loc share the class cavern_indoor"),
    "path upwards": ({"image_files": cells(["/images/../../x.jpg"] * 48)}, "not the path of an image"),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_archive_is_refused_in_one_line(
    scenes: Archive, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    archive = copy_splits(scenes, tmp_path, **changes)
    with pytest.raises(InputError, match=message) as error:
        read(archive)
    assert str(error.value).startswith(str(archive.splits)) and "\n" not in str(error.value)


def test_swapped_classes_are_found_by_the_folders_too(scenes: Archive, tmp_path: Path) -> None:
    archive = copy_splits(scenes, tmp_path, allclasses_names=swapped_names(rows=(0, 1)))
    (archive.splits / "allclasses.txt").unlink()
    with pytest.raises(InputError, match=r"is labelled .* \(12 such images\); allclasses_names and labels differ"):
        read(archive)


def test_folders_that_name_no_class_are_said(tmp_path: Path) -> None:
    archive = make_archive(tmp_path, "awa2")
    shutil.move(archive.images / "JPEGImages" / "bat", archive.images / "JPEGImages" / "chiroptera")
    files = [f"/data/JPEGImages/{name.replace('bat/', 'chiroptera/')}" for name in archive.names]
    write_mats(archive, image_files=cells(files))
    assert has_note(read(archive), "6 images lie in folders that name no class")


def test_the_wrong_folder_is_named(tmp_path: Path) -> None:
    archive = make_archive(tmp_path, "cub")
    with pytest.raises(InputError, match=r"none of the 48 images is there, the first is images/001\.A_Bird/image_0000"):
        read(archive, archive.splits)
    with pytest.raises(InputError, match="nowhere: no such folder"):
        read(archive, tmp_path / "nowhere")


def test_images_in_one_folder_that_cannot_be_told_apart_are_refused(tmp_path: Path) -> None:
    archive = make_archive(tmp_path, "cub")
    flat = tmp_path / "flat"
    flat.mkdir()
    shutil.copy(archive.image(0), flat / "one.jpg")
    files = [f"/data/images/{Path(name).parent}/one.jpg" for name in archive.names]
    write_mats(archive, image_files=cells(files))
    with pytest.raises(InputError, match=r"one\.jpg: 48 images of the list lead to this one file"):
        read(archive, flat)


LISTS = {
    "unknown": ("trainclasses1.txt", "abbey\nzo\n", "'zo' is no class of allclasses_names, the nearest is 'zoo'"),
    "both sides": ("valclasses1.txt", "abbey\n", "names abbey, which trainclasses1.txt names too"),
    "test class": ("valclasses3.txt", "airlock\n", "names airlock, a class of test_unseen_loc"),
    "trainval": ("trainvalclasses.txt", "abbey\n", "trainval has images of .* which trainvalclasses.txt does not name"),
    "test": ("testclasses.txt", "airlock\n", "test_unseen has images of .* which testclasses.txt does not name"),
    "all": ("allclasses.txt", "abbey\n", r"not the classes of allclasses_names in its order"),
    "no text": ("testclasses.txt", "\udcff", "cannot be read as text"),
}


@pytest.mark.parametrize(("file", "text", "message"), LISTS.values(), ids=LISTS)
def test_class_lists_must_agree_with_the_splits(
    scenes: Archive, tmp_path: Path, file: str, text: str, message: str
) -> None:
    archive = copy_splits(scenes, tmp_path)
    (archive.splits / file).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=message) as error:
        read(archive)
    assert str(error.value).startswith(str(archive.splits)) and "\n" not in str(error.value)


@pytest.mark.parametrize("file", ["att_splits.mat", "res101.mat"])
def test_a_file_cut_short_is_refused(scenes: Archive, tmp_path: Path, file: str) -> None:
    archive = copy_splits(scenes, tmp_path)
    path = archive.splits / file
    content = path.read_bytes()
    for length in range(0, len(content) - 1, max(1, len(content) // 60)):
        path.write_bytes(content[:length])
        with pytest.raises(InputError) as error:
            read(archive)
        assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)
    path.unlink()
    with pytest.raises(InputError, match=f"{file}: no such file; it is part of the xlsa17 archive"):
        read(archive)


def test_the_newer_format_of_matlab_is_named(scenes: Archive, tmp_path: Path) -> None:
    archive = copy_splits(scenes, tmp_path)
    header = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    (archive.splits / "res101.mat").write_bytes(header + b"\x89HDF\r\n\x1a\n" + bytes(512))
    with pytest.raises(InputError, match=r"res101\.mat: not in MATLAB's format 5 to 7; save it again with -v7"):
        read(archive)


FACTS = {
    # trainval, test_seen, test_unseen, (honest train, honest validation), classes seen and unseen
    "CUB": (7057, 1764, 2967, None, 150, 50, [(100, 50)] * 3),
    "SUN": (10320, 2580, 1440, (9280, 1040), 645, 72, [(580, 65)] * 3),
    "AWA2": (23527, 5882, 7913, (16187, 7340), 40, 10, [(27, 13)] * 3),
    "CUB127/xlsa17/data/CUB": (4402, 1087, 1967, (3005, 1397), 94, 33, [(64, 30), (61, 33), (62, 32)]),
}


@pytest.mark.parametrize("folder", FACTS)
def test_the_real_splits_have_exactly_the_published_counts(folder: str) -> None:
    if not (SHARED / folder).is_dir():
        pytest.skip(f"the real split files are not here: {SHARED / folder}")
    splits = read_splits(SHARED / folder)
    honest = None
    if splits.train is not None and splits.validation is not None:
        honest = (len(splits.train), len(splits.validation))
        # The leak is test_seen, all of it.
        assert splits.leak == len(splits.test_seen)
    assert splits.seen is not None and splits.unseen is not None
    folds = [(len(fold.train_classes), len(fold.validation_classes)) for fold in splits.folds]
    counts = (len(splits.trainval), len(splits.test_seen), len(splits.test_unseen))
    assert (*counts, honest, len(splits.seen), len(splits.unseen), folds) == FACTS[folder]
    assert splits.negative == (4 if folder == "AWA2" else 0)
