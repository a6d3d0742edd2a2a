"""The feature file: what goes in comes out, half a file is no file, and a flipped byte never a number."""

import copy
import multiprocessing
import tracemalloc
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from dazle.errors import InputError
from dazle.features.feature_file import open_features, verify, write
from dazle.features.feature_set import ClassFold, FeatureSet, Regions
from tests.dazle.features.small_features import LABELS, TEST_SEEN, places, small


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write(tmp_path / "small.h5", small(places=places()))
    return tmp_path / "small.h5"


def assert_refused(path: Path, message: str, action: Any = open_features) -> None:
    with pytest.raises(InputError, match=message) as error:
        action(path)
    assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)


def full() -> FeatureSet:
    return small(
        class_names=tuple(f"clásse {c}" for c in range(9)), attribute_names=tuple("abcde"),
        image_files=tuple(f"{i}.jpg" for i in range(48)), provenance={"made_by": "a test"},
        places=places(), original_attributes=np.ones((9, 5), np.float32),
        semantics={"word2vec": np.ones((5, 3), np.float32), "glove": np.zeros((5, 2), np.float32)},
    )  # fmt: skip


@pytest.mark.parametrize(
    "features", [small(), full(), small(test_seen=TEST_SEEN[:0])], ids=["least", "most", "no-seen"]
)
def test_everything_comes_back(tmp_path: Path, features: FeatureSet) -> None:
    calls: list[tuple[int, int]] = []
    fingerprint = write(tmp_path / "small.h5", features, lambda *progress: calls.append(progress))
    stored = verify(tmp_path / "small.h5")
    assert stored.fingerprint == fingerprint and calls[-1] == (48, 48)
    fields = (
        "name",
        "preset",
        "source",
        "grid",
        "backbone",
        "class_names",
        "attribute_names",
        "image_files",
        "provenance",
    )
    for key in fields:
        assert getattr(stored, key) == getattr(features, key), key
    for key in (
        "labels",
        "attributes",
        "trainval",
        "test_seen",
        "test_unseen",
        "original_attributes",
    ):
        np.testing.assert_array_equal(getattr(stored, key), getattr(features, key), key)
    assert (stored.places is None) == (features.places is None)
    if stored.places is not None:
        for key in ("part_regions", "attribute_parts", "present", "tolerance"):
            np.testing.assert_array_equal(getattr(stored.places, key), getattr(features.places, key), key)
    for fold, expected in zip(stored.folds, features.folds, strict=True):
        np.testing.assert_array_equal(fold.train_classes, expected.train_classes)
        np.testing.assert_array_equal(fold.validation_classes, expected.validation_classes)
    assert {name: array.tolist() for name, array in stored.semantics.items()} == {
        name: array.tolist() for name, array in features.semantics.items()
    }
    rows = np.arange(48)
    np.testing.assert_array_equal(stored.regions.read(rows), features.regions.read(rows))
    np.testing.assert_array_equal(stored.regions.read_norms(rows), features.regions.read_norms(rows))
    assert not stored.regions.in_memory and stored.regions.load().in_memory


@pytest.mark.parametrize("rows", [[5], [7, 3, 3, 4, 5, 47, 0, 7], [], [47, 46], list(range(48))])
def test_rows_come_in_the_order_asked_for(path: Path, rows: list[int]) -> None:
    stored, expected, indices = open_features(path).regions, small().regions, np.array(rows, np.int64)
    np.testing.assert_array_equal(stored.read(indices), expected.read(indices))
    np.testing.assert_array_equal(stored.read_norms(indices), expected.read_norms(indices))
    np.testing.assert_array_equal(stored.load().read(indices), expected.read(indices))


@pytest.mark.parametrize("rows", [[-1], [48]])
def test_an_image_that_is_not_there_is_an_error(path: Path, rows: list[int]) -> None:
    with pytest.raises(IndexError, match="of 48 images"):
        open_features(path).regions.read(np.array(rows))


def test_regions_travel_to_other_processes(path: Path) -> None:
    regions = open_features(path).regions
    first = regions.read(np.array([3]))
    assert np.array_equal(copy.deepcopy(regions).read(np.array([3])), first)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert np.array_equal(pool.apply(regions.read, (np.array([3]),)), first)


def test_a_file_replaced_while_in_use_is_noticed(path: Path) -> None:
    regions = open_features(path).regions
    write(path, small(backbone="another"))
    with pytest.raises(InputError, match="was replaced while in use"):
        regions.read(np.array([0]))


def test_fingerprint_is_of_the_content_alone(tmp_path: Path) -> None:
    def fingerprint(**changes: Any) -> str:
        return write(tmp_path / f"{changes.get('name', 'small')}.h5", small(**changes))

    base = fingerprint()
    assert fingerprint(provenance={"file": "elsewhere"}, semantics={}, fingerprint="") == base
    labels, regions = LABELS.copy(), small().regions
    labels[[0, 6]] = labels[[6, 0]]
    values, norms = regions.read(np.arange(48)), regions.read_norms(np.arange(48))
    others = [
        fingerprint(labels=labels),
        fingerprint(name="other"),
        fingerprint(preset="sun"),
        fingerprint(grid=(1, 4)),
        fingerprint(folds=small().folds[::-1]),
        fingerprint(class_names=tuple("abcdefghi")),
        fingerprint(places=places()),
        fingerprint(places=places(tolerance=0)),
        fingerprint(places=places(present=np.zeros((48, 5), bool))),
        fingerprint(regions=Regions(values, norms + 1)),
        fingerprint(regions=Regions(values[::-1], norms)),
    ]
    assert len({base, *others}) == len(others) + 1


class Breaking(Regions):
    """Regions whose reading fails after the first block."""

    def blocks(self) -> Any:
        yield self.read(np.arange(2)), self.read_norms(np.arange(2))
        raise KeyboardInterrupt


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(path: Path) -> None:
    before, rows = path.read_bytes(), np.arange(48)
    regions = Breaking(small().regions.read(rows), small().regions.read_norms(rows))
    with pytest.raises(KeyboardInterrupt):
        write(path, small(regions=regions))
    assert path.read_bytes() == before
    assert {file.name for file in path.parent.iterdir()} == {"small.h5", ".small.h5.lock"}


def test_what_a_killed_write_left_is_replaced(tmp_path: Path) -> None:
    stale = tmp_path / ".small.h5.partial"
    stale.write_bytes(b"half a file")
    write(tmp_path / "small.h5", small())
    verify(tmp_path / "small.h5")
    assert not stale.exists()


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    class Slow(Regions):
        def blocks(self) -> Any:
            with pytest.raises(InputError, match=r"small\.h5: is being written by another run; wait"):
                write(tmp_path / "small.h5", small())
            yield from super().blocks()

    rows = np.arange(48)
    write(
        tmp_path / "small.h5",
        small(regions=Slow(small().regions.read(rows), small().regions.read_norms(rows))),
    )
    verify(tmp_path / "small.h5")


def test_a_folder_that_is_a_file_is_refused(path: Path) -> None:
    with pytest.raises(InputError, match=r"small\.h5: cannot be used \(File exists\); give another folder"):
        write(path / "small.h5", small())


def test_a_full_disk_is_said_before_writing(tmp_path: Path) -> None:
    class Huge(Regions):
        nbytes = 10**18

    huge = Huge(np.zeros((48, 4, 8), np.float16), np.zeros((48, 4), np.float32))
    assert_refused(tmp_path / "small.h5", "needs 1000000000.0 GB", lambda path: write(path, small(regions=huge)))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": ".up"}, r"name '\.up': use 1 to 64 of"),
        ({"name": "Upper"}, "name 'Upper'"),
        ({"name": "a" * 65}, "use 1 to 64"),
        ({"preset": "a/b"}, "preset 'a/b': use 1 to 64 of"),
        ({"name": "com1"}, "name 'com1': is the name of a device"),
        ({"name": "x" * 65}, "name 'xxx"),
        ({"name": "sun"}, "name 'sun' is for real features of the preset sun"),
        ({"name": "cub", "source": "simulated"}, "name 'cub' is for real features"),
        ({"source": "dreamt"}, "source 'dreamt'"),
        ({"semantics": {"a/b": np.ones((5, 3), np.float32)}}, "semantics 'a/b'"),
        ({"folds": ()}, "no class folds"),
    ],
)
def test_a_set_that_may_not_be_stored_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    features = small(**changes)
    with pytest.raises(InputError, match=message):
        write(tmp_path / f"{features.name}.h5", features)


def test_half_written_without_the_last_mark(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file.attrs["complete"]
    assert_refused(path, "half-written, the mark `complete` is missing")


def test_missing_truncated_and_foreign_files(path: Path, tmp_path: Path) -> None:
    assert_refused(tmp_path / "none.h5", "no such file")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert_refused(path, "file cannot be read, the file is damaged.*truncated")
    path.write_bytes(b"PK" * 999)
    assert_refused(path, "not an HDF5 file")
    h5py.File(path, "w").close()
    assert_refused(path, "not a feature file of this project")


def test_a_renamed_file_does_not_pass_for_another_dataset(path: Path) -> None:
    assert_refused(path.rename(path.with_name("cub.h5")), r"holds the features 'small'; name the file small\.h5")


@pytest.mark.parametrize("key", ["regions", "norms", "labels", "attributes", "semantics/word2vec"])
def test_a_flipped_byte_is_an_error_wherever_it_is(path: Path, key: str) -> None:
    with h5py.File(path, "r") as file:
        at = file[key].id.get_chunk_info(0).byte_offset + 5
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    assert_refused(path, f"{key} cannot be read, the file is damaged", verify)


def replace(file: h5py.File, key: str, values: Any, **options: Any) -> None:
    del file[key]
    file.create_dataset(key, data=values, **options)


def soft_link(file: h5py.File) -> None:
    file["copy"] = file["labels"][:]
    del file["labels"]
    file["labels"] = h5py.SoftLink("/copy")


def external_link(file: h5py.File) -> None:
    del file["splits"]
    file["splits"] = h5py.ExternalLink("other.h5", "/splits")


def external_data(file: h5py.File) -> None:
    del file["labels"]
    file.create_dataset("labels", (48,), "<i8", external=[("/etc/hostname", 0, 384)])


def virtual_data(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((48,), "<i8")
    layout[:] = h5py.VirtualSource("other.h5", "labels", (48,))
    del file["labels"]
    file.create_virtual_dataset("labels", layout)


def huge_shape(file: h5py.File) -> None:
    del file["regions"]
    file.create_dataset("regions", (10**12, 4, 8), "<f2", chunks=(1, 4, 8))


BAD = {
    "missing": (
        lambda file: file.__delitem__("attributes"),
        "attributes is missing; the file has folds, labels",
    ),
    "missing split": (lambda file: file.__delitem__("splits/trainval"), "splits/trainval is missing"),
    "compound": (
        lambda file: replace(file, "labels", np.zeros(48, "i8,f8")),
        "labels has the type .* whole numbers",
    ),
    "objects": (lambda file: replace(file, "labels", ["x"] * 48), "labels has the type object"),
    "regions type": (lambda file: replace(file, "regions", np.zeros((48, 4, 8), "f4")), "float32, norms"),
    "regions shape": (
        lambda file: replace(file, "regions", np.zeros((48, 32), "f2")),
        "3 dimensions are needed",
    ),
    "labels": (lambda file: replace(file, "labels", np.full(48, 9)), r"labels\[0\] = 9 is outside"),
    "attribute": (lambda file: file.attrs.__setitem__("backbone", 3), "one of its attributes name, preset"),
    "version": (lambda file: file.attrs.__setitem__("version", 2), "not version 1"),
    "provenance": (lambda file: file.attrs.__setitem__("provenance", "{"), "import it again"),
    "soft link": (soft_link, "labels is a link"),
    "external link": (external_link, "splits/trainval is a link"),
    "external data": (external_data, "keeps its data in another file"),
    "virtual data": (virtual_data, "keeps its data in another file"),
    "absurd shape": (huge_shape, "which the file does not hold"),
    "places": (lambda file: file.__delitem__("places/present"), "places/present is missing"),
    "tolerance": (lambda file: file["places"].attrs.__delitem__("tolerance"), "attribute tolerance of places"),
}


@pytest.mark.parametrize(("change", "message"), BAD.values(), ids=BAD)
def test_a_file_made_by_someone_else_is_refused(path: Path, change: Any, message: str) -> None:
    with h5py.File(path, "r+") as file:
        change(file)
    assert_refused(path, message)


@pytest.mark.parametrize("value", [0.5, np.nan, np.inf])
def test_verify_looks_at_every_region(tmp_path: Path, value: float) -> None:
    values, norms = (read(np.arange(48)) for read in (small().regions.read, small().regions.read_norms))
    values[17, 2] = value
    write(tmp_path / "small.h5", small(regions=Regions(values, norms)))
    assert_refused(tmp_path / "small.h5", "region 2 of image 17 has length", verify)


def test_verify_notices_a_consistent_change(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file["norms"][7, 0] += 1
    open_features(path)
    assert_refused(path, "was changed, its fingerprint .* is not that of its content", verify)


def test_a_wrong_fold_in_the_file_is_refused_with_its_name(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        replace(file, "folds/2/train_classes", small().folds[1].validation_classes)
    assert_refused(path, "fold 2 has class 1 on both sides")


def test_memory_stays_small_whatever_the_size(tmp_path: Path) -> None:
    class Many(Regions):
        """A hundred megabytes that never are in memory."""

        shape = (512, 49, 2048)

        def __init__(self) -> None:
            self._one = np.zeros((8, 49, 2048), np.float16)
            self._one[..., 0] = 1

        def blocks(self) -> Any:
            for _ in range(64):
                yield self._one, np.ones((8, 49), np.float32)

    labels = np.repeat([0, 1, 2, 3], 128)
    folds = (ClassFold(np.array([0, 1]), np.array([2])),)
    features = small(
        regions=Many(), grid=(7, 7), labels=labels, folds=folds, trainval=np.arange(384),
        test_seen=TEST_SEEN[:0], test_unseen=np.arange(384, 512),
    )  # fmt: skip
    tracemalloc.start()
    try:
        write(tmp_path / "small.h5", features)
        verify(tmp_path / "small.h5")
        assert tracemalloc.get_traced_memory()[1] < 64e6 < features.regions.nbytes
    finally:
        tracemalloc.stop()
