"""DeepFashion's own lists become the paper's split and class vectors; what is wrong in them is named by line."""

import shutil
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dazle.datasets.raw import RawDataset
from dazle.datasets.specs import deepfashion
from dazle.errors import InputError
from dazle.features.feature_set import FeatureSet, Regions, check
from tests.dazle.datasets.deepfashion_archive import (
    ATTRIBUTES,
    CATEGORIES,
    EMPTY,
    IDS,
    NAMES,
    PARTS,
    UNSEEN,
    VALUES,
    drop_line,
    rewrite,
    write,
)

CLASS_IDS = [number for number in range(1, 15) if number != EMPTY]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return write(tmp_path / "DeepFashion")


def read(archive: Path, **options: Any) -> RawDataset:
    return deepfashion.read(archive, archive, **{"name": "deepfashion"} | options)


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def means(mask: np.ndarray) -> np.ndarray:
    return np.array([VALUES[(number == IDS) & mask].mean(axis=0) for number in CLASS_IDS])


def test_the_split_is_the_paper_s(archive: Path) -> None:
    raw = read(archive)
    unseen = np.isin(IDS, UNSEEN)
    assert np.array_equal(raw.trainval, np.flatnonzero(~unseen & (PARTS != "test")))
    assert np.array_equal(raw.test_seen, np.flatnonzero(~unseen & (PARTS == "test")))
    assert np.array_equal(raw.test_unseen, np.flatnonzero(unseen))
    assert [len(part) for part in (raw.trainval, raw.test_seen, raw.test_unseen)] == [44, 22, 8]
    assert raw.preset == "deepfashion" and raw.name == "deepfashion" and raw.key_points is None


def test_empty_categories_are_dropped_and_labels_renumbered(archive: Path) -> None:
    raw = read(archive)
    assert raw.class_names == tuple(name for name in CATEGORIES if name != "Halter")
    assert np.array_equal(np.array(CLASS_IDS)[raw.labels], IDS)
    assert any(note == "1 categories have no images and are dropped: Halter (5)" for note in raw.notes)


def test_names_may_hold_spaces_and_digits(archive: Path) -> None:
    raw = read(archive)
    assert raw.attribute_names == ATTRIBUTES and "Button Down Shirt" in raw.class_names


def test_images_are_found_in_the_order_of_the_list(archive: Path) -> None:
    raw = read(archive)
    assert raw.image_files == tuple(NAMES) and raw.images == tuple(archive / image for image in NAMES)
    assert not any("not there" in note for note in raw.notes)


def test_the_paper_s_class_vectors_average_all_images(archive: Path) -> None:
    raw = read(archive, class_vectors="paper")
    expected = means(np.ones(len(IDS), bool))
    np.testing.assert_allclose(raw.attributes, unit((expected + 1) / 2), rtol=1e-6)
    np.testing.assert_allclose(raw.original_attributes, expected, rtol=1e-6, atol=1e-7)
    assert any("average all their images, 22 test images included" in note for note in raw.notes)
    assert raw.provenance["class_vectors"] == "paper"


def test_by_default_seen_classes_average_training_images_alone(archive: Path) -> None:
    raw = read(archive)
    expected = means((PARTS != "test") | np.isin(IDS, UNSEEN))
    np.testing.assert_allclose(raw.attributes, unit((expected + 1) / 2), rtol=1e-6)
    assert any("their 44 images in trainval only" in note for note in raw.notes)
    assert any("of their own 8 images, all of them test images: they have no other" in note for note in raw.notes)
    assert not np.allclose(raw.attributes, read(archive, class_vectors="paper").attributes)


def test_no_test_image_of_a_seen_class_can_change_the_default_vectors(archive: Path) -> None:
    before = read(archive).attributes
    image = NAMES[np.flatnonzero((PARTS == "test") & (IDS == 1))[0]]
    file = archive / "Anno" / "list_attr_img.txt"
    lines = [image + " 1" * 6 if line.startswith(image) else line for line in file.read_text().splitlines()]
    file.write_text("\n".join(lines) + "\n")
    assert np.array_equal(read(archive).attributes, before)
    assert not np.array_equal(
        read(archive, class_vectors="paper").attributes, deepfashion.vectors_from_means(means(IDS > 0))
    )


def test_folds_do_not_depend_on_the_name(archive: Path) -> None:
    first, second = read(archive).folds, read(archive, name="small-fashion").folds
    assert len(first) == 3
    for fold, other in zip(first, second, strict=True):
        assert np.array_equal(fold.validation_classes, other.validation_classes)
        assert np.array_equal(fold.train_classes, other.train_classes)
    all_validation = np.sort(np.concatenate([fold.validation_classes for fold in first]))
    assert all_validation.tolist() == [label for label, number in enumerate(CLASS_IDS) if number not in UNSEEN]


def test_the_published_unseen_categories_are_ten_of_fifty() -> None:
    assert len(set(deepfashion.UNSEEN_CATEGORIES)) == 10 and set(deepfashion.UNSEEN_CATEGORIES) <= set(range(1, 51))


def test_what_is_read_passes_the_check_of_every_feature_set(archive: Path) -> None:
    raw = read(archive)
    images = len(raw.labels)
    features = FeatureSet(
        raw.name, raw.preset, "real", "", Regions(np.zeros((images, 1, 2), np.float16), np.zeros((images, 1))),
        raw.labels, raw.attributes, {}, raw.trainval, raw.test_seen, raw.test_unseen, raw.folds, (1, 1), None, "test",
        raw.class_names, raw.attribute_names, raw.provenance, raw.original_attributes, raw.image_files,
    )  # fmt: skip
    check(features)


def test_a_subset_is_said_to_be_one(archive: Path) -> None:
    actual, published, *_ = read(archive).notes
    assert actual.startswith("counts: images 74, attributes 6, seen classes 11, unseen classes 2, trainval 44,")
    assert published.startswith("not the published counts (images 289,222, attributes 1,000, seen classes 36,")


def test_attribute_vectors_beside_the_lists_are_taken_where_they_fit(archive: Path) -> None:
    assert read(archive).semantics == {}
    np.save(archive / "w2v.npy", np.ones((6, 3)))
    assert read(archive).semantics["word2vec"].shape == (6, 3)
    np.save(archive / "w2v.npy", np.ones((7, 3)))
    raw = read(archive)
    assert raw.semantics == {} and any("has 7 rows" in note for note in raw.notes)


def test_lists_may_be_in_any_order_and_any_of_the_known_folders(archive: Path, tmp_path: Path) -> None:
    expected = read(archive)
    for name in ("list_attr_img.txt", "list_eval_partition.txt"):
        file = next(archive.glob(f"*/{name}"))
        count, header, *lines = file.read_text().splitlines()
        file.write_text("\r\n".join([count, header, *reversed(lines)]) + "\r\n\r\n")
    (archive / "Anno").rename(archive / "Anno_coarse")
    reordered = read(archive)
    flat = tmp_path / "flat"
    flat.mkdir()
    for file in archive.glob("*/list_*.txt"):
        shutil.copy(file, flat)
    for raw in (reordered, deepfashion.read(archive, flat, name="deepfashion")):
        assert np.array_equal(raw.attributes, expected.attributes) and raw.image_files == expected.image_files
        assert np.array_equal(raw.test_seen, expected.test_seen)


@pytest.mark.parametrize("place", ["img", "Img"])
def test_images_may_be_given_by_any_folder_around_them(archive: Path, place: str) -> None:
    if place == "Img":
        (archive / "Img").mkdir()
        (archive / "img").rename(archive / "Img" / "img")
        folder = archive
    else:
        folder = archive / "img"
    raw = deepfashion.read(folder, archive, name="deepfashion")
    assert all(image.is_file() for image in raw.images)


def test_a_missing_image_is_noted_and_stays_listed(archive: Path) -> None:
    (archive / NAMES[7]).unlink()
    raw = read(archive)
    assert raw.images[7] == archive / NAMES[7]
    assert raw.notes[-1] == f"1 listed images are not there, the first is {archive / NAMES[7]}"


def test_an_image_name_with_spaces(archive: Path) -> None:
    for file in archive.glob("*/list_*_img.txt"):
        rewrite(file, "img/Anorak_t/img_00000001.jpg", "img/Anorak_t/img 00000001.jpg")
    rewrite(archive / "Eval/list_eval_partition.txt", "img/Anorak_t/img_00000001.jpg", "img/Anorak_t/img 00000001.jpg")
    raw = read(archive)
    assert raw.image_files[0] == "img/Anorak_t/img 00000001.jpg"
    assert np.array_equal(
        raw.attributes, deepfashion.vectors_from_means(means((PARTS != "test") | np.isin(IDS, UNSEEN)))
    )


def test_a_seen_category_with_nothing_to_train_on_is_left_out(archive: Path) -> None:
    file = archive / "Eval" / "list_eval_partition.txt"
    lines = [
        f"{line.split()[0]} test" if line.startswith("img/Jacket") else line for line in file.read_text().splitlines()
    ]
    file.write_text("\n".join(lines) + "\n")
    raw = read(archive)
    assert "Jacket" not in raw.class_names and len(raw.images) == 68 == len(raw.labels)
    assert any("their 6 images are left out: Jacket (10)" in note for note in raw.notes)
    assert not any("Jacket" in image for image in raw.image_files)


def test_reading_says_how_far_it_is(archive: Path) -> None:
    calls: list[tuple[int, int]] = []
    read(archive, progress=lambda done, images: calls.append((done, images)))
    assert calls == [(74, 74)]


CATEGORY, ATTRIBUTE = "Anno/list_category_img.txt", "Anno/list_attr_img.txt"
EVAL, NAMES_OF_CATEGORIES = "Eval/list_eval_partition.txt", "Anno/list_category_cloth.txt"
FIRST = "img/Anorak_t/img_00000001.jpg"
WRONG: dict[str, tuple[str, str, str, str]] = {
    "count too high": (CATEGORY, "74\n", "75\n", "says 75 entries, but there are 74; the file is cut short"),
    "count too low": (ATTRIBUTE, "74\n", "73\n", "says 73 entries, but there are 74"),
    "no count": (EVAL, "74\nimage_name  ", "image_name  ", "line 1 is 'image_name  evaluation_status', not the number"),
    "no header": (EVAL, "image_name  evaluation_status\n", "", "says 74 entries, but there are 73"),
    "category range": (CATEGORY, "1\n", "15\n", r"line 3: category '15' is not one of 1\.\.14"),
    "category zero": (CATEGORY, " 1\n", " 0\n", r"line 3: category '0' is not one of 1\.\.14"),
    "category text": (CATEGORY, " 1\n", " Anorak\n", "line 3: category 'Anorak' is not one of"),
    "no category": (CATEGORY, f"{FIRST:<60}1", FIRST, "line 3 is .*not the name of an image and its value"),
    "partition": (EVAL, "train\n", "gallery\n", "line 3: partition 'gallery' is not one of train, val, test"),
    "image twice": (CATEGORY, NAMES[1], NAMES[0], f"line 4 names {FIRST} again"),
    "image twice in attributes": (ATTRIBUTE, NAMES[1], NAMES[0], f"line 4 names '{FIRST}' again"),
    "other image": (EVAL, FIRST, "img/other.jpg", f"list_eval_partition.txt: 1 images are missing, the first is {FIRST}"),
    "unknown image": (ATTRIBUTE, FIRST, "img/other.jpg", "line 3 names 'img/other.jpg"),
    "leads out": (CATEGORY, FIRST, "img/../../secret.jpg", "line 3 names .*leads out of the folder"),
    "value 2": (ATTRIBUTE, " 1", " 2", "has the value '2'; it must be -1, 0 or 1"),
    "value -2": (ATTRIBUTE, "-1", "-2", "has the value '-2'; it must be -1, 0 or 1"),
    "value 11": (ATTRIBUTE, " 1", " 11", "has the value '11'"),
    "value text": (ATTRIBUTE, " 1", " yes", "has the value 'yes'"),
    "value real": (ATTRIBUTE, " 1", " 1.0", "has the value '1.0'"),
    "value minus": (ATTRIBUTE, "-1", "--1", "has the value '--1'"),
    "value minus zero": (ATTRIBUTE, " 0", "-0", "has the value '-0'"),
    "value too many": (ATTRIBUTE, f"{FIRST} ", f"{FIRST} 1", "line 3 has 7 values, not 6"),
    "name without type": (NAMES_OF_CATEGORIES, f"{'Blazer':<22}1", "Blazer", "line 4 is 'Blazer', not a name and"),
    "type text": (NAMES_OF_CATEGORIES, f"{'Blazer':<22}1", "Blazer upper", "line 4 is 'Blazer upper', not a name"),
}  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_in_a_list_is_named_in_one_line(
    archive: Path, file: str, old: str, new: str, message: str
) -> None:
    rewrite(archive / file, old, new)
    with pytest.raises(InputError, match=message) as error:
        read(archive)
    assert str(error.value).startswith(str(archive)) and "\n" not in str(error.value)


@pytest.mark.parametrize("file", [CATEGORY, ATTRIBUTE, EVAL])
def test_a_truncated_list_is_refused(archive: Path, file: str) -> None:
    drop_line(archive / file, 40)
    with pytest.raises(InputError, match=r"says 74 entries, but there are 73; the file is cut short"):
        read(archive)


def test_a_line_cut_in_the_middle_is_refused(archive: Path) -> None:
    file = archive / ATTRIBUTE
    file.write_text(file.read_text()[:-9])
    with pytest.raises(InputError, match=r"line 76 has \d values, not 6"):
        read(archive)


def test_an_image_that_one_list_lacks_is_named(archive: Path) -> None:
    drop_line(archive / ATTRIBUTE, 40)
    rewrite(archive / ATTRIBUTE, "74\n", "73\n")
    with pytest.raises(InputError, match=f"list_attr_img.txt: 1 images are missing, the first is {NAMES[37]}"):
        read(archive)
    drop_line(archive / CATEGORY, 40)
    rewrite(archive / CATEGORY, "74\n", "73\n")
    with pytest.raises(InputError, match=f"list_category_img.txt: 1 images are missing, the first is {NAMES[37]}"):
        read(archive)


def test_all_missing_files_are_named_at_once(archive: Path) -> None:
    (archive / ATTRIBUTE).unlink()
    shutil.rmtree(archive / "Eval")
    with pytest.raises(InputError, match=r"list_attr_img.txt, list_eval_partition.txt not found.*holds Anno and Eval"):
        read(archive)
    with pytest.raises(InputError, match="no such folder"):
        deepfashion.read(archive, archive / "nowhere", name="deepfashion")


def test_the_wrong_folder_of_images_is_refused(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"{tmp_path}: no listed image is there, the first is {FIRST}"):
        deepfashion.read(tmp_path, archive, name="deepfashion")


def test_a_category_without_any_attribute_is_refused(archive: Path) -> None:
    file = archive / ATTRIBUTE
    lines = [
        line.split()[0] + " -1" * 6 if line.startswith("img/Henley") else line for line in file.read_text().splitlines()
    ]
    file.write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match="no image of the category 'Henley' has an attribute"):
        read(archive)


def test_an_unknown_choice_of_class_vectors_is_refused(archive: Path) -> None:
    with pytest.raises(InputError, match="class vectors 'all': use one of train-only, paper"):
        read(archive, class_vectors="all")


def test_too_few_seen_categories_for_folds_are_refused(archive: Path) -> None:
    for file in (CATEGORY, EVAL, ATTRIBUTE):
        _, header, *lines = (archive / file).read_text().splitlines()
        remaining = [line for line in lines if line.startswith(("img/Anorak", "img/Blazer", "img/Bomber"))]
        (archive / file).write_text("\n".join([str(len(remaining)), header, *remaining]) + "\n")
    with pytest.raises(InputError, match="2 seen classes are too few for 3 class folds"):
        read(archive)


def test_the_long_list_is_streamed(archive: Path) -> None:
    attributes, rows = 4000, "".join(f"\n{image} " + " ".join(["-1", " 1"] * 2000) for image in NAMES)
    (archive / ATTRIBUTE).write_text(f"74\nimage_name  attribute_labels{rows}\n")
    names = "".join(f"\nattribute {number}  1" for number in range(attributes))
    (archive / "Anno/list_attr_cloth.txt").write_text(f"{attributes}\nattribute_name  attribute_type{names}\n")
    from dazle.datasets import deepfashion_lists

    images = {image: number for number, image in enumerate(NAMES)}
    size = (archive / ATTRIBUTE).stat().st_size
    tracemalloc.start()
    try:
        total = sum(
            int(values.sum()) for _, values in deepfashion_lists.annotations(archive / ATTRIBUTE, images, attributes)
        )
        assert tracemalloc.get_traced_memory()[1] < size / 3
    finally:
        tracemalloc.stop()
    assert total == 0
