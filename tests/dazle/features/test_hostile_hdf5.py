"""HDF5 files that point elsewhere, pretend or blow up: refused in one line, nothing outside opened, memory kept small.

Every trick is tried on both readers of other people's files: our own feature file and the import of the reference
layout. That the canary would notice is tested with plain h5py.
"""

import resource
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from dazle.datasets.import_reference import import_reference
from dazle.errors import InputError
from dazle.features.feature_file import open_features, verify, write
from tests.canary import watched
from tests.dazle.datasets.test_deepfashion_layout import write_layout
from tests.dazle.features.small_features import LABELS, small, write_reference

ROOT = Path(__file__).resolve().parents[3]
# The names that labels and regions have in either layout; `{}` is replaced by one of them.
KEYS = {"own": ("labels", "regions"), "reference": ("labels", "feature_map"), "deepfashion": ("att", "img_test_unseen")}
Trick = Callable[[h5py.File, str, Path], Any]


def write_file(layout: str, folder: Path) -> Path:
    if layout == "own":
        write(folder / "small.h5", small())
        return folder / "small.h5"
    if layout == "deepfashion":
        return write_layout(folder / "feature_map_ResNet_101_DeepFashion.hdf5")
    return write_reference(folder / "feature_map_ResNet_101_CUB.hdf5")


def read(layout: str, path: Path) -> Any:
    if layout == "own":
        return verify(path)
    preset = "deepfashion" if layout == "deepfashion" else "cub"
    return import_reference(path, path.with_name("mine.h5"), name="mine", preset=preset)


def assert_refused(layout: str, path: Path, match: str) -> None:
    with pytest.raises(InputError, match=match) as error:
        read(layout, path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)
    assert not path.with_name("mine.h5").exists()


def virtual(shape: tuple[int | None, ...], key: str = "secret") -> Trick:
    def make(file: h5py.File, name: str, canary: Path) -> None:
        full = tuple(side or 48 for side in shape)
        layout = h5py.VirtualLayout(full, "<i8", maxshape=shape)
        layout[...] = h5py.VirtualSource(str(canary), key, full, "<i8", maxshape=shape)
        del file[name]
        file.create_virtual_dataset(name, layout)

    return make


def external_data(file: h5py.File, name: str, canary: Path) -> None:
    del file[name]
    file.create_dataset(name, (48,), "<i8", external=[(str(canary), 0, 384)])


def external_link(file: h5py.File, name: str, canary: Path) -> None:
    del file[name]
    file[name] = h5py.ExternalLink(str(canary), "/secret")


def soft_through_external(file: h5py.File, name: str, canary: Path) -> None:
    del file[name]
    file["away"] = h5py.ExternalLink(str(canary), "/")
    file[name] = h5py.SoftLink("/away/secret")


def linked_group(file: h5py.File, name: str, canary: Path) -> None:
    group = "splits" if "splits" in file else "feature_map_train"
    if group in file:
        del file[group]
    file[group] = h5py.ExternalLink(str(canary), "/")


OUTSIDE: dict[str, tuple[Trick, str]] = {
    "external link": (external_link, "is a link"),
    "soft link through an external one": (soft_through_external, "is a link"),
    "group behind an external link": (linked_group, "is a link"),
    "external data": (external_data, "keeps its data in another file"),
    "virtual": (virtual((48,)), "keeps its data in another file"),
    "virtual without end": (virtual((None,)), "keeps its data in another file"),
}


@pytest.mark.parametrize("layout", KEYS)
@pytest.mark.parametrize("trick", OUTSIDE)
def test_nothing_outside_the_file_is_opened(layout: str, trick: str, tmp_path: Path) -> None:
    path, canary = write_file(layout, tmp_path), tmp_path / "canary.h5"
    with h5py.File(canary, "w") as file:
        file["secret"] = LABELS
    make, match = OUTSIDE[trick]
    for key in KEYS[layout]:
        with h5py.File(path, "r+") as file:
            make(file, key, canary)
        with watched(canary) as watch:
            assert_refused(layout, path, match)
            assert not watch.opened()
        path.unlink()
        path = write_file(layout, tmp_path)


@pytest.mark.parametrize("trick", ["external link", "external data", "virtual", "virtual without end"])
def test_the_canary_notices_a_reader_that_follows(trick: str, tmp_path: Path) -> None:
    canary = tmp_path / "canary.h5"
    with h5py.File(canary, "w") as file:
        file["secret"] = LABELS
    with h5py.File(tmp_path / "naive.h5", "w") as file:
        file["labels"] = 0
        OUTSIDE[trick][0](file, "labels", canary)
    with watched(canary) as watch:
        with h5py.File(tmp_path / "naive.h5") as file:
            file["labels"][...]
        assert watch.opened()


def unknown_filter(file: h5py.File, name: str, canary: Path) -> None:
    """A filter of a registered number that this library lacks (blosc), marked as optional so that it can be written."""
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((48,))
    properties.set_filter(32001, h5py.h5z.FLAG_OPTIONAL, ())
    del file[name]
    h5py.h5d.create(file.id, name.encode(), h5py.h5t.NATIVE_INT64, h5py.h5s.create_simple((48,)), properties)


def with_values(values: Any, **options: Any) -> Trick:
    def make(file: h5py.File, name: str, canary: Path) -> None:
        del file[name]
        file.create_dataset(name, data=values, **options)

    return make


def with_shape(shape: tuple[int, ...], dtype: str = "<i8", **options: Any) -> Trick:
    def make(file: h5py.File, name: str, canary: Path) -> None:
        del file[name]
        file.create_dataset(name, shape, dtype, **options)

    return make


def references(file: h5py.File, name: str, canary: Path) -> None:
    del file[name]
    dataset = file.create_dataset(name, (48,), h5py.ref_dtype)
    dataset[0] = file.ref


def compressed(shape: int, chunk: int, stages: int) -> Trick:
    """One chunk of zeros; two stages of deflate shrink them a million times."""

    def make(file: h5py.File, name: str, canary: Path) -> None:
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk((chunk,))
        content = bytes(8 * chunk)
        for _ in range(stages):
            properties.set_deflate(1)
            content = zlib.compress(content, 1)
        del file[name]
        space = h5py.h5s.create_simple((shape,), (h5py.h5s.UNLIMITED,))
        dataset = h5py.h5d.create(file.id, name.encode(), h5py.h5t.NATIVE_INT64, space, properties)
        dataset.write_direct_chunk((0,), content)

    return make


SUSPICIOUS: dict[str, tuple[Trick, str]] = {
    "filter of a plugin": (unknown_filter, "is packed by filter 32001; only gzip, shuffle, fletcher32, lzf are read"),
    "compound": (with_values(np.zeros(48, "i8,f8")), "labels has the type"),
    "references": (references, "labels has the type object"),
    "sequences": (with_shape((48,), h5py.vlen_dtype("i8")), "labels has the type object"),
    "texts": (with_values(["x"] * 48), "labels has the type object"),
    "bits": (with_values(np.zeros(48, "V16")), "labels has the type"),
    "complex": (with_values(np.zeros(48, "c16")), "labels has the type"),
    "empty": (with_values(h5py.Empty("i8")), "labels has the shape None"),
    "scalar": (with_values(5), r"labels has the shape \(\)"),
    "a group": (lambda file, name, canary: (file.__delitem__(name), file.create_group(name)), "labels is missing"),
    "a type": (
        lambda file, name, canary: (file.__delitem__(name), file.__setitem__(name, np.dtype("i8"))),
        "labels is missing",
    ),
    "terabytes": (with_shape((2**40,), chunks=(2**10,)), "labels declares the shape"),
    "terabytes, packed": (with_shape((2**40,), chunks=(2**20,), compression=9), "labels declares the shape"),
    "terabytes, late": (with_shape((2**37,)), "labels declares the shape"),
    "a chunk larger than all": (compressed(48, 2**24, 1), "labels has chunks of 134,217,728 bytes for data of 384"),
    "a bomb": (compressed(2**24, 2**24, 2), "labels (declares the shape|has the shape)"),
    "beyond int64": (with_values(np.full(48, 2**63, "u8")), "labels has the value 9223372036854775808"),
    "negative": (with_values(LABELS - 1), r"labels\[0\] = -1"),
    "far": (with_values(LABELS + 2**40), "outside"),
}  # fmt: skip


@pytest.mark.parametrize("layout", ["own", "reference"])
@pytest.mark.parametrize("trick", SUSPICIOUS)
def test_what_is_not_what_it_should_be_is_refused_in_little_memory(layout: str, trick: str, tmp_path: Path) -> None:
    path = write_file(layout, tmp_path)
    make, match = SUSPICIOUS[trick]
    with h5py.File(path, "r+") as file:
        make(file, "labels", tmp_path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert_refused(layout, path, match)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 2**10


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("key", ["attributes", "semantics/word2vec", "norms", "regions"])
def test_numbers_that_are_none_are_refused(key: str, value: float, tmp_path: Path) -> None:
    path = write_file("own", tmp_path)
    with h5py.File(path, "r+") as file:
        file[key][(7 if len(file[key]) > 7 else 1, *(0,) * (file[key].ndim - 1))] = value
    assert_refused("own", path, "not finite|not 1")


@pytest.mark.parametrize("name", ["..", "x.y", "UPPER", "x" * 65, "con", "a\nb", "\x1b[2J"])
def test_names_of_vectors_in_a_file_cannot_become_paths(name: str, tmp_path: Path) -> None:
    path = write_file("own", tmp_path)
    with h5py.File(path, "r+") as file:
        file["semantics"].create_dataset(name, data=np.ones((5, 3), "f4"))
    with pytest.raises(InputError, match="semantics") as error:
        open_features(path)
    assert str(error.value).isprintable()


def test_a_file_that_was_exchanged_after_opening_is_not_followed(tmp_path: Path) -> None:
    path, canary = write_file("own", tmp_path), tmp_path / "canary.h5"
    write(canary.with_name("small2.h5"), small(name="small2"))
    canary.with_name("small2.h5").rename(canary)
    features = open_features(path)
    with h5py.File(path, "r+") as file:
        del file["regions"]
        file["regions"] = h5py.ExternalLink(str(canary), "/regions")
    with watched(canary) as watch:
        with pytest.raises(InputError, match="regions is a link"):
            features.regions.read(np.arange(3))
        assert not watch.opened()


@pytest.mark.slow
def test_a_byte_flipped_anywhere_never_changes_a_number_silently(tmp_path: Path) -> None:
    """Every seventh byte of a small file, metadata too, in a process of its own: the HDF5 library must not crash either."""
    words = [sys.executable, "-m", "tests.dazle.features.flip_bytes", str(write_file("own", tmp_path))]
    result = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    print(result.stdout)
    assert result.returncode == 0, result.stdout + result.stderr
