"""Splits, class lists and word vectors gone wrong in any way: read, or one line that names the file."""

import io
import multiprocessing
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dazle.datasets.matlab import MatFile
from dazle.datasets.xlsa17_splits import LOCS, read_splits
from dazle.errors import InputError
from dazle.features.word_vectors import attribute_vectors
from tests.mutations import damaged

FUZZED = settings(suppress_health_check=list(HealthCheck))
NAMES = np.array([["ant"], ["bee"], ["cat"]], object)
SPLITS = {
    "allclasses_names": NAMES, "att": np.eye(4, 3) + 0.1, "original_att": np.eye(4, 3),
    "trainval_loc": [[1], [2], [3]], "test_seen_loc": [[4]], "test_unseen_loc": [[5], [6]],
    "train_loc": [[1], [2]], "val_loc": [[3], [4]],
}  # fmt: skip


def matlab(compressed: bool) -> bytes:
    stream = io.BytesIO()
    scipy.io.savemat(stream, SPLITS, do_compression=compressed)
    return stream.getvalue()


MATLAB = [matlab(False), matlab(True)]
BINARY = b"2 3\nant " + np.arange(3, dtype="<f4").tobytes() + b"\nbee " + np.ones(3, "<f4").tobytes() + b"\n"
GLOVE = b"ant 0.1 0.2 0.3\nbee 1 2 3\n. . . 1 2 3\n"


def assert_one_line(error: InputError, path: Path) -> None:
    assert str(error).startswith(str(path))
    assert str(error).isprintable()


@FUZZED
@given(data=st.data())
def test_splits(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """scipy's reader raises whatever it happens to meet, and crashes on some of these."""
    folder = tmp_path_factory.mktemp("splits")
    (folder / "att_splits.mat").write_bytes(data.draw(st.sampled_from(MATLAB).flatmap(damaged)))
    try:
        splits = read_splits(folder)
    except InputError as error:
        assert_one_line(error, folder)
    else:
        assert np.isfinite(splits.attributes).all()
        assert all(getattr(splits, key).min(initial=0) >= 0 for key in ("trainval", "test_seen", "test_unseen"))


@FUZZED
@given(content=st.one_of(damaged(b"ant\nbee\n"), st.binary(max_size=40)))
def test_class_lists(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("lists")
    (folder / "att_splits.mat").write_bytes(MATLAB[0])
    (folder / "trainvalclasses.txt").write_bytes(content)
    try:
        read_splits(folder)
    except InputError as error:
        assert_one_line(error, folder)


@FUZZED
@given(content=st.one_of(damaged(BINARY), damaged(GLOVE), st.binary(max_size=80)), packed=st.booleans())
def test_word_vectors(tmp_path_factory: pytest.TempPathFactory, content: bytes, packed: bool) -> None:
    path = tmp_path_factory.mktemp("words") / "vectors.txt"
    path.write_bytes(b"\x1f\x8b\x08\x00" + content if packed else content)
    try:
        vectors, _ = attribute_vectors(["ant", "bee"], path)
    except InputError as error:
        assert_one_line(error, path)
    else:
        assert np.isfinite(vectors).all()


def test_a_file_that_crashes_the_reader_is_one_line_and_the_next_is_read(tmp_path: Path) -> None:
    """One that made scipy 1.17 follow a wild pointer, if this one still does; else it is read or refused."""
    good, bad = tmp_path / "good.mat", tmp_path / "bad.mat"
    good.write_bytes(MATLAB[0])
    draw = np.random.default_rng(1)
    crashes = 0
    for _ in range(40):
        content = bytearray(MATLAB[0])
        for offset in draw.integers(len(content), size=3):
            content[offset] = draw.integers(256)
        bad.write_bytes(content)
        try:
            MatFile(bad, ["allclasses_names", "att", *LOCS])
        except InputError as error:
            assert_one_line(error, bad)
            crashes += "crashes the reader" in str(error)
    print(f"{crashes} of 40 crashed the reader")
    assert MatFile(good, ["att"]).matrix("att").shape == (4, 3)


def test_a_reader_that_died_between_two_files_is_not_the_fault_of_the_second(tmp_path: Path) -> None:
    path = tmp_path / "att_splits.mat"
    path.write_bytes(MATLAB[0])
    MatFile(path, ["att"])
    readers = set(multiprocessing.active_children())
    for reader in readers:
        reader.kill()
        reader.join()
    assert MatFile(path, ["att"]).matrix("att").shape == (4, 3)
    assert set(multiprocessing.active_children()).isdisjoint(readers)


def test_a_matrix_that_declares_terabytes_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "att_splits.mat"
    content = MATLAB[0]
    dimensions = np.array([4, 3], "<i4").tobytes()
    offset = content.index(dimensions)
    path.write_bytes(content[:offset] + np.array([2**20, 2**20], "<i4").tobytes() + content[offset + 8 :])
    with pytest.raises(InputError, match=r"att_splits\.mat"):
        MatFile(path, ["allclasses_names", "att", "original_att"]).matrix("att")
