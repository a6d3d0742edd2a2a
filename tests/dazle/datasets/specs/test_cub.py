"""CUB: key points, which attribute belongs to which part, and which attributes an image shows."""

import re
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from dazle.datasets.cub_parts import PARTS as GROUPS
from dazle.datasets.cub_parts import attribute_parts
from dazle.datasets.raw import KeyPoints, RawDataset
from dazle.datasets.specs import cub
from dazle.errors import InputError
from tests.dazle.datasets.archives import (
    ATTRIBUTES,
    PARTS,
    ROWS,
    Archive,
    annotations,
    key_points,
    make_archive,
    write_mats,
)
from tests.dazle.features.small_features import LABELS

SHARED = Path(__file__).resolve().parents[4].parent / "shared" / "data" / "CUB127"


@pytest.fixture(scope="module")
def birds(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    return make_archive(tmp_path_factory.mktemp("birds"), "cub")


def read(archive: Archive, **options: Any) -> RawDataset:
    return cub.read(archive.images, archive.splits, name="small", **options)


def require_key_points(raw: RawDataset) -> KeyPoints:
    assert raw.key_points is not None
    return raw.key_points


def test_key_points_are_those_of_the_archive(tmp_path: Path) -> None:
    points, expected = require_key_points(read(make_archive(tmp_path, "cub"))), key_points()
    visible = expected[..., 2] == 1
    assert points.names == PARTS and points.points.dtype == np.float64
    np.testing.assert_array_equal(np.isnan(points.points).any(axis=2), ~visible)
    np.testing.assert_array_equal(points.points[visible], expected[visible][:, :2])
    np.testing.assert_array_equal(points.present, annotations())
    parts = [[PARTS[part] for part in np.flatnonzero(row)] for row in points.attribute_parts]
    assert parts == [["beak"], ["left wing", "right wing"], [], ["left eye", "right eye"], ["belly"]]


def test_images_are_matched_by_the_ids_of_the_archive(tmp_path: Path) -> None:
    """Images in another order than CUB's own, and images that are not used, do not move a key point."""
    archive = make_archive(tmp_path, "cub")
    lines = (archive.images / "images.txt").read_text().splitlines()
    swapped = [f"1 {lines[1].split()[1]}", f"2 {lines[0].split()[1]}", *lines[2:], "49 more/images.jpg"]
    (archive.images / "images.txt").write_text("\n".join(swapped))
    points, expected = require_key_points(read(archive)), key_points()[[1, 0]]
    np.testing.assert_array_equal(~np.isnan(points.points[:2, :, 0]), expected[..., 2] == 1)
    np.testing.assert_array_equal(points.present[:2], annotations()[[1, 0]])


def test_without_annotations_of_images_the_class_says_what_is_present(tmp_path: Path) -> None:
    archive = make_archive(tmp_path, "cub")
    (archive.images / "attributes" / "image_attribute_labels.txt").unlink()
    original = np.full((5, 9), 49.0)
    original[3, ROWS[2]] = 50
    write_mats(archive, original_att=original)
    raw = read(archive)
    present = require_key_points(raw).present
    assert present[LABELS == 2][:, 3].all() and present.sum() == 6
    assert any("by its class (original_att at least 50; no image_attribute_labels.txt)" in note for note in raw.notes)


@pytest.mark.parametrize("place", ["beside", "inside", "in attributes", "with the splits"])
def test_attribute_names_are_found(tmp_path: Path, place: str) -> None:
    archive = make_archive(tmp_path, "cub")
    folders = {"beside": tmp_path, "inside": archive.images, "in attributes": archive.images / "attributes",
               "with the splits": archive.splits}  # fmt: skip
    shutil.move(tmp_path / "attributes.txt", folders[place] / "attributes.txt")
    assert read(archive).attribute_names == ATTRIBUTES


def test_an_archive_without_key_points_is_read_and_says_so(tmp_path: Path) -> None:
    archive = make_archive(tmp_path, "cub")
    shutil.rmtree(archive.images / "parts")
    raw = read(archive)
    assert raw.key_points is None and "key points: none (parts/parts.txt is missing)" in raw.notes[-1]
    (tmp_path / "attributes.txt").unlink()
    assert read(archive).attribute_names == ()


def test_the_standard_split_tests_unseen_classes_only(tmp_path: Path) -> None:
    archive = make_archive(tmp_path, "cub", test_seen_loc=None, train_loc=None, val_loc=None)
    raw = read(archive, split="standard")
    assert raw.test_seen.size == 0 and raw.test_seen.dtype == np.int64 and len(raw.test_unseen) == 12
    assert raw.provenance["split"] == "standard" and any("only T1 and U exist" in note for note in raw.notes)
    with pytest.raises(InputError, match=r"att_splits\.mat: test_seen_loc is missing; .* add --split standard"):
        read(archive)


def test_the_standard_split_takes_the_images_of_xlsa17(tmp_path: Path) -> None:
    """As the archives unpack: standard_split/CUB has no res101.mat of its own."""
    archive = make_archive(tmp_path, "cub", test_seen_loc=None, train_loc=None)
    standard = tmp_path / "standard_split" / "CUB"
    standard.mkdir(parents=True)
    shutil.move(archive.splits / "att_splits.mat", standard / "att_splits.mat")
    raw = cub.read(archive.images, standard, name="small", split="standard")
    assert raw.image_files == archive.names and len(raw.folds) == 3


def test_a_split_that_is_not_the_one_asked_for_is_refused(tmp_path: Path) -> None:
    archive = make_archive(tmp_path, "cub")
    with pytest.raises(InputError, match="has test_seen_loc, so it is not the standard split"):
        read(archive, split="standard")
    with pytest.raises(InputError, match="--split other: use one of proposed, standard"):
        read(archive, split="other")


BROKEN: dict[str, tuple[str, Any, str]] = {
    "image unknown": ("images.txt", lambda text: text.replace("image_0003", "image_x"), "does not have 001.A_Bird/image_0"),
    "image numbers": ("images.txt", lambda text: text.partition("\n")[2], "line 1 is '2 001.A_Bird/image_0001.jpg', not '1 NAME'"),
    "parts cut": ("parts/part_locs.txt", lambda text: text[: len(text) // 2], "part_locs.txt"),
    "parts short": ("parts/part_locs.txt", lambda text: text[: text.index("\n7 ") + 1], "0 lines for part 1 of image row 7"),
    "parts twice": ("parts/part_locs.txt", lambda text: text + "3 1 0 0 0\n", "2 lines for part 1 of image row 3"),
    "part unknown": ("parts/part_locs.txt", lambda text: text + "3 16 0 0 0\n", r"with parts 1\.\.15"),
    "parts no numbers": ("parts/part_locs.txt", lambda text: text + "3 x 0 0 0\n", "cannot be read"),
    "another part": ("parts/parts.txt", lambda text: text.replace("beak", "bill"), "gives no place to 'beak'"),
    "another group": ("../attributes.txt", lambda text: text.replace("eye", "toe"), "no place to 'has_toe_color'"),
    "attribute count": ("../attributes.txt", lambda text: text + "6 has_size::big\n", "names 6 attributes, att has 5"),
    "annotation cut": (
        "attributes/image_attribute_labels.txt",
        lambda text: text[: text.index("\n40 ") + 1],
        "lines are missing, the first of attribute 1 of image row 4",
    ),
    "annotation cut inside an image": (
        "attributes/image_attribute_labels.txt",
        lambda text: "\n".join(text.splitlines()[:-1]) + "\n",
        "1 lines are missing, the first of attribute 5 of image row 48; it is cut short",
    ),
    "annotation of nothing": (
        "attributes/image_attribute_labels.txt",
        lambda text: text.replace("\n1 2 ", "\n1 6 "),
        "line 2 is '1 6 ",
    ),
    "annotation unreadable": ("attributes/image_attribute_labels.txt", lambda text: text + "1 2\n", "line 241 is '1 2'"),
}  # fmt: skip


@pytest.mark.parametrize(("file", "change", "message"), BROKEN.values(), ids=BROKEN)
def test_broken_lists_are_refused_in_one_line(birds: Archive, file: str, change: Any, message: str) -> None:
    path = birds.images / file
    good = path.read_text()
    path.write_text(change(good))
    try:
        with pytest.raises(InputError, match=message) as error:
            read(birds)
    finally:
        path.write_text(good)
    assert str(error.value).startswith(str(birds.images.parent)) and "\n" not in str(error.value)


def test_every_group_has_parts_that_CUB_has() -> None:
    table = attribute_parts([f"{group}::x" for group in GROUPS], PARTS)
    nowhere = {group for group, row in zip(GROUPS, table, strict=True) if not row.any()}
    assert nowhere == {"has_size", "has_shape", "has_primary_color"} and table.any(axis=0).all()


def test_the_real_subset_is_read_as_its_feature_file_has_it() -> None:
    if not SHARED.is_dir():
        pytest.skip(f"the real photographs are not here: {SHARED}")
    raw = cub.read(SHARED / "CUB_200_2011", SHARED / "xlsa17" / "data" / "CUB", name="cub127")
    with h5py.File(SHARED / "feature_map_EfficientNet_Lite0_CUB.hdf5") as file:
        np.testing.assert_array_equal(raw.labels, file["labels"])
        for key in ("trainval", "test_seen", "test_unseen"):
            np.testing.assert_array_equal(raw.__dict__[key], np.sort(file[f"{key}_loc"][()].ravel()))
        np.testing.assert_allclose(raw.attributes, file["att"], atol=1e-6)
        np.testing.assert_allclose(raw.original_attributes, file["original_att"], rtol=1e-6)
        np.testing.assert_allclose(raw.semantics["word2vec"], file["w2v_att"], rtol=1e-6)
    notes = "\n".join(raw.notes)
    assert "1,087 test images taken out, 3,005 and 1,397 images are left" in notes
    assert "images 7,456, attributes 312, seen classes 94, unseen classes 33" in notes
    assert "not the published counts (images 11,788" in notes
    honest = [np.isin(raw.labels[raw.trainval], part).sum() for part in raw.folds[0].__dict__.values()]
    assert honest == [3005, 1397]
    points = require_key_points(raw)
    assert points.names == PARTS and np.nanmin(points.points) >= 0 and np.nanmax(points.points) < 227
    assert 10 < (~np.isnan(points.points[..., 0])).sum(axis=1).mean() < 14
    assert set(np.unique([name.split("::")[0] for name in raw.attribute_names])) == set(GROUPS)
    assert all(re.fullmatch(r"\d{3}\.\w+/\w+\.jpg", name) for name in raw.image_files)
