"""A user's own folders and CSV files become a dataset, and each fault is one line with file, place and remedy."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from dazle.datasets.raw import RawDataset
from dazle.datasets.specs.own import read
from dazle.errors import InputError
from tests.dazle.datasets.own_images import ATTRIBUTES, CLASSES, IMAGES, VALUES, write, write_attributes

SHARED = Path(__file__).resolve().parents[4].parent / "shared" / "data" / "AWA10"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path)
    return tmp_path


def own(folder: Path, **options: object) -> RawDataset:
    return read(folder / "images", folder / "attributes.csv", name="mine", **options)  # type: ignore[arg-type]


def refused(folder: Path, message: str, **options: object) -> None:
    with pytest.raises(InputError, match=message) as error:
        own(folder, **options)
    assert "\n" not in str(error.value) and ";" in str(error.value)


def split_file(folder: Path, *lines: str) -> Path:
    path = folder / "splits.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def by_class(folder: Path, *unseen: str, header: str = "class,split") -> Path:
    lines = [f"{name},{'test_unseen' if name in unseen else 'train'}" for name in CLASSES]
    return split_file(folder, header, *lines)


def by_image(folder: Path, **changes: str) -> Path:
    """Unseen: tiger and mole; one image of each other class is test_seen. `changes`: the split of a file by its stem."""
    splits = {}
    for file in own(folder).image_files:
        number, image = Path(file).stem.split("-")
        splits[file] = "test_unseen" if int(number) > 3 else "test_seen" if image == "7" else "train"
        splits[file] = changes.get(Path(file).stem, splits[file])
    return split_file(folder, "split,image", *(f"{split},{file}" for file, split in splits.items() if split))


def test_folders_and_a_table_are_enough(folder: Path) -> None:
    raw = own(folder)
    assert len(raw.images) == 48 and all(path.is_file() for path in raw.images)
    assert raw.class_names == CLASSES and raw.attribute_names == ATTRIBUTES
    assert list(raw.image_files) == sorted(raw.image_files)
    numbers = [int(Path(file).stem.split("-")[0]) for file in raw.image_files]
    assert raw.labels.tolist() == numbers
    np.testing.assert_allclose(np.linalg.norm(raw.attributes, axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(raw.original_attributes, VALUES)
    assert any("1 .db" in note for note in raw.notes)


def test_the_drawn_partition(folder: Path) -> None:
    raw = own(folder)
    unseen = np.unique(raw.labels[raw.test_unseen])
    assert len(unseen) == 2 and len(raw.test_unseen) == 2 * IMAGES
    assert not set(unseen) & set(raw.labels[raw.trainval])
    counts = np.bincount(raw.labels[raw.test_seen], minlength=6)
    assert counts.tolist() == [0 if label in unseen else 2 for label in range(6)]
    together = np.sort(np.concatenate([raw.trainval, raw.test_seen, raw.test_unseen]))
    assert together.tolist() == list(range(48))
    assert raw.provenance["partition"] == "drawn" and raw.provenance["seed"] == 0
    assert len(raw.folds) == 3


def test_the_partition_is_equal_on_every_machine_and_under_every_name(folder: Path) -> None:
    raw = own(folder)
    assert raw.provenance["unseen_classes"] == "snow owl, tiger"
    assert [Path(raw.image_files[row]).stem for row in raw.test_seen][:4] == ["5-3", "5-7", "0-1", "0-4"]
    other = read(folder / "images", folder / "attributes.csv", name="other")
    for key in ("trainval", "test_seen", "test_unseen"):
        np.testing.assert_array_equal(getattr(raw, key), getattr(other, key))
    assert all(map(np.array_equal, (f.train_classes for f in raw.folds), (f.train_classes for f in other.folds)))


def test_the_order_of_the_table_does_not_change_the_partition(folder: Path) -> None:
    before = own(folder)
    header, *lines = (folder / "attributes.csv").read_text().splitlines()
    (folder / "attributes.csv").write_text("\n".join([header, *reversed(lines)]))
    after = own(folder)
    for key in ("trainval", "test_seen", "test_unseen"):
        np.testing.assert_array_equal(getattr(before, key), getattr(after, key))


def test_the_number_of_unseen_classes_can_be_chosen(folder: Path) -> None:
    assert len(np.unique(own(folder, draw_unseen=3).labels[own(folder, draw_unseen=3).test_unseen])) == 3
    assert any("always 100" in note for note in own(folder, draw_unseen=1).notes)
    refused(folder, r"--draw-unseen 4: 4 unseen of 6 classes leave 2 seen ones, .*; choose 1 to 3", draw_unseen=4)


def test_splits_by_class(folder: Path) -> None:
    raw = own(folder, splits=by_class(folder, "zebra", "red fox"))
    assert {CLASSES[label] for label in np.unique(raw.labels[raw.test_unseen])} == {"zebra", "red fox"}
    assert len(raw.test_seen) == 8 and raw.provenance["partition"] == "splits.csv"


def test_splits_by_image(folder: Path) -> None:
    raw = own(folder, splits=by_image(folder, **{"0-0": ""}))
    assert (len(raw.trainval), len(raw.test_seen), len(raw.test_unseen)) == (27, 4, 16)
    assert any("1 images have no line" in note for note in raw.notes)
    none = {f"{label}-7": "train" for label in range(4)}
    assert any("T1 and U are all there is" in note for note in own(folder, splits=by_image(folder, **none)).notes)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["class", "zebra"], "its header is class; give a CSV file with the columns image or class, and split"),
        (["class,split", "zebra,test"], "line 2 has the split 'test'; use one of train, test_seen, test_unseen"),
        (["class,split", "zebr,train"], "line 2 has the unknown class 'zebr'; the nearest is 'zebra'; correct"),
        (["class,split", "zebra,test_seen"], "line 2 has the class 'zebra' in test_seen, .*write train, or list"),
        (["class,split", "zebra,train", "Zebra,test_unseen"], "line 3 has the class 'Zebra' in train and test_unseen"),
        (["class,split", "zebra,train"], r"the class 'red fox' \(5 such classes\) has no line; add it"),
        (["image,split", "zebra/9.jpg,train"], "line 2 has the unknown image 'zebra/9.jpg'; .*write paths in"),
        (["image,split", "zebra/2-1.JPG,train", "zebra/2-1.JPG,train"], "line 3 has the image .* of line 2; keep one"),
        (["image,split", "zebra/2-1.JPG,train,x"], "line 2 has 3 cells, the header has 2; correct it"),
        (["image,split"], "has no lines below a header; give"),
    ],
)
def test_a_wrong_line_of_the_splits(folder: Path, lines: list[str], message: str) -> None:
    refused(folder, rf"splits\.csv: {message}", splits=split_file(folder, *lines))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"5-1": "train"}, r"the class 'mole' is in train \(line \d+\) and in test_unseen \(line \d+\); a class is"),
        ({"5-1": "test_seen"}, r"the class 'mole' is in test_seen \(line \d+\) and in test_unseen"),
        ({f"2-{n}": "test_seen" for n in range(8)}, r"the class 'zebra' is in test_seen \(line \d+\) and not in train"),
        ({f"2-{n}": "" for n in range(2, 7)}, "the class 'zebra' has 2 images in train, and 3 are the fewest"),
        ({f"{c}-{n}": "" for c in (4, 5) for n in range(8)}, "no class is test_unseen; mark at least one"),
        ({f"{c}-{n}": "" for c in (1, 2) for n in range(8)}, "2 classes are in train, and the 3 class folds need 3"),
    ],
)
def test_classes_that_the_splits_divide_wrongly(folder: Path, changes: dict[str, str], message: str) -> None:
    refused(folder, rf"splits\.csv: {message}", splits=by_image(folder, **changes))


def test_only_one_partition(folder: Path) -> None:
    refused(folder, "--draw-unseen 2: --splits .* has the unseen classes", splits=by_class(folder), draw_unseen=2)
    refused(folder, "no class is test_unseen; mark", splits=by_class(folder))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("zebra,6,6,9,0", "zebra,6,x,9,0", r"line 4 \(zebra\), column 'white' is 'x', not a number; every class needs"),
        ("zebra,6,6,9,0", "zebra,6,,9,0", r"line 4 \(zebra\), column 'white' is '', not a number"),
        ("zebra,6,6,9,0", "zebra,6,nan,9,0", r"column 'white' is 'nan', not a number"),
        ("zebra,6,6,9,0", "zebra,0,0,0,0", r"line 4 \(zebra\) has only zeros, which describe no class; write"),
        ("zebra,6,6,9,0", "zebra,6,6,9", "line 4 has 4 cells, the header has 5; correct it"),
        ("zebra,6,6,9,0", ",6,6,9,0", "line 4 has no name; write it"),
        ("zebra,6,6,9,0", "Snow_Owl,6,6,9,0", "line 4 is 'Snow_Owl', line 3 is 'snow owl': these are one name"),
        ("stripes", "white", "column 4 is 'white', column 3 is 'white': these are one name; rename"),
        ("zebra,6,6,9,0\n", "", r"images/zebra: is no class of .*attributes.csv, .*\(8 such images\); add a line"),
        ("zebra,", "okapi,", r"images/zebra: is no class of"),
        ("mole,9", "mole,9,0,0,0.5\nlynx,1", r"class 'lynx' \(1 such classes\) has no images in .*; add a folder"),
    ],
)
def test_a_wrong_table_of_attributes(folder: Path, old: str, new: str, message: str) -> None:
    path = folder / "attributes.csv"
    path.write_text(path.read_text().replace(old, new))
    refused(folder, message)


def test_an_attribute_with_one_value(folder: Path) -> None:
    write_attributes(folder / "attributes.csv", tuple((*row[:3], 2) for row in VALUES))
    refused(folder, r"1 attributes distinguish no classes \('swims': 2 for every class\); remove their columns")


def test_classes_that_are_described_equally_are_named(folder: Path) -> None:
    write_attributes(folder / "attributes.csv", (VALUES[1], *VALUES[1:]))
    assert any("which no method can distinguish: red fox and snow owl" in note for note in own(folder).notes)


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators_and_a_byte_order_mark(folder: Path, separator: str) -> None:
    path = folder / "attributes.csv"
    expected = own(folder)
    path.write_text("\ufeff" + path.read_text().replace(",", separator) + "\n\n", encoding="utf-8")
    np.testing.assert_array_equal(own(folder).attributes, expected.attributes)


def test_files_that_are_no_table(folder: Path) -> None:
    path = folder / "attributes.csv"
    path.write_bytes(b"class,\xff\n")
    refused(folder, r"is not UTF-8 text \(byte 6\); save it as CSV in UTF-8")
    path.unlink()
    refused(folder, r"cannot be read \(No such file or directory\); give a CSV file")
    path.write_text("class\nzebra\n")
    refused(folder, "has one column only; give a CSV file")


def test_few_images(folder: Path) -> None:
    for image in range(3, IMAGES):
        (folder / "images" / "zebra" / f"2-{image}.JPG").unlink()
    refused(folder, r"images: seen class 'zebra' has 3 images, and 4 are the fewest: 1 for the test, 2 for validation")
    assert own(folder, splits=by_class(folder, "zebra")).test_unseen.size == 3


def test_images_outside_the_folders(folder: Path) -> None:
    shutil.copy(folder / "images/zebra/2-1.JPG", folder / "images/lost.jpg")
    refused(folder, r"lost\.jpg: lies in no folder of a class \(1 such images\); move it into one")
    shutil.rmtree(folder / "images")
    refused(folder, "no such folder; give the folder with a folder of images for each class")
    (folder / "images").mkdir()
    refused(folder, r"has no images \(\.jpg, .*\); give the folder")


def test_links_to_folders_are_followed_and_do_not_loop(folder: Path) -> None:
    (folder / "images" / "zebra").rename(folder / "elsewhere")
    (folder / "images" / "zebra").symlink_to(folder / "elsewhere")
    (folder / "images" / "snow_owl" / "loop").symlink_to(folder / "images")
    assert len(own(folder).images) == 48


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the photographs AWA10 of ../shared/data")
def test_real_photographs() -> None:
    raw = read(SHARED / "images", SHARED / "class_attributes.csv", name="awa10")
    assert (len(raw.images), raw.attributes.shape) == (1200, (10, 85))
    assert (len(raw.trainval), len(raw.test_seen), len(raw.test_unseen)) == (672, 168, 360)
    assert not [note for note in raw.notes if re.search("published|not read", note)]
