"""Pooled features: the mean of the raw regions, once a feature file, in a file beside it."""

import os
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import loadmat

from dazle.features import feature_set, pooled
from dazle.features.feature_file import open_features, write
from dazle.features.feature_set import FeatureSet, Regions, normalise
from dazle.features.pooled import pool, pooled_path
from tests.dazle.features.small_features import small

REAL = Path(__file__).resolve().parents[4] / "shared/data/CUB127"


def stored(folder: Path, **changes: object) -> FeatureSet:
    write(folder / "small.h5", small(**changes))
    return open_features(folder / "small.h5")


def values_of(features: FeatureSet) -> np.ndarray:
    return features.pooled.read(np.arange(len(features.labels)))


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob(f".*{pooled.SUFFIX}*"))


def loop_means(regions: Regions) -> np.ndarray:
    every = np.arange(regions.shape[0])
    values, norms = regions.read(every), regions.read_norms(every)
    return np.array(
        [
            sum(norm * region.astype(np.float64) for norm, region in zip(*image, strict=True)) / regions.shape[1]
            for image in zip(norms, values, strict=True)
        ]
    )


def test_means_of_raw_regions() -> None:
    features = small()
    np.testing.assert_allclose(values_of(features), loop_means(features.regions), rtol=1e-5)
    draw = np.random.default_rng(0)
    raw = draw.random((6, 4, 8), np.float32) * 10
    np.testing.assert_allclose(pool(Regions(*normalise(raw))), raw.mean(axis=1), rtol=2e-3)


def test_rows_come_in_the_order_asked_for(tmp_path: Path) -> None:
    features = stored(tmp_path)
    expected, buffer = loop_means(features.regions), np.zeros((5, 8), np.float32)
    rows = np.array([7, 3, 3, 47])
    np.testing.assert_allclose(features.pooled.read(rows), expected[rows], rtol=1e-5)
    features.pooled.read_into(rows, buffer)
    np.testing.assert_allclose(buffer[:4], expected[rows], rtol=1e-5)
    assert not buffer[4].any()


def test_the_file_is_made_once_and_reused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = values_of(stored(tmp_path)).copy()
    assert files(tmp_path) == [
        pooled_path(tmp_path / "small.h5", open_features(tmp_path / "small.h5").fingerprint).name
    ]
    monkeypatch.setattr(pooled, "pool", lambda *_: pytest.fail("computed again"))
    np.testing.assert_array_equal(values_of(open_features(tmp_path / "small.h5")), first)


def test_the_file_is_replaced_when_the_features_change(tmp_path: Path) -> None:
    values_of(stored(tmp_path))
    before = files(tmp_path)
    other = Regions(*normalise(np.random.default_rng(5).random((48, 4, 8))))
    features = stored(tmp_path, regions=other)
    np.testing.assert_allclose(values_of(features), loop_means(other), rtol=1e-5)
    assert len(files(tmp_path)) == 1 and files(tmp_path) != before


def test_files_of_other_features_in_the_folder_stay(tmp_path: Path) -> None:
    for name in ("small", "another"):
        write(tmp_path / f"{name}.h5", small(name=name))
        values_of(open_features(tmp_path / f"{name}.h5"))
    assert len(files(tmp_path)) == 2


@pytest.mark.parametrize("step", ["lock", "file"])
def test_in_a_folder_that_cannot_be_written_they_are_computed_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Written as errors of the operating system, since root may write everywhere."""
    features = stored(tmp_path)

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(*((pooled, "FileLock") if step == "lock" else (pooled.tempfile, "mkstemp")), refused)
    np.testing.assert_allclose(values_of(features), loop_means(features.regions), rtol=1e-5)
    assert not files(tmp_path)


def test_a_file_that_is_there_is_read_although_the_folder_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = values_of(stored(tmp_path)).copy()

    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(pooled, "FileLock", refused)
    monkeypatch.setattr(pooled, "pool", lambda *_: pytest.fail("computed again"))
    np.testing.assert_array_equal(values_of(open_features(tmp_path / "small.h5")), expected)


def test_an_interrupted_run_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features = stored(tmp_path)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pooled, "pool", interrupted)
    with pytest.raises(KeyboardInterrupt):
        values_of(features)
    assert not files(tmp_path)


def test_blocks_are_small_and_do_not_change_the_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three images at a time: no read is larger than a block."""
    monkeypatch.setattr(feature_set, "BLOCK_BYTES", 3 * 4 * 8 * 2)
    features, sizes = stored(tmp_path), []
    read = features.regions.read
    monkeypatch.setattr(features.regions, "read", lambda rows: (sizes.append(len(rows)), read(rows))[1])
    np.testing.assert_array_equal(values_of(features), pool(small().regions))
    assert set(sizes) == {3} and sum(sizes) == 48


def test_the_file_is_mapped_and_not_read(tmp_path: Path) -> None:
    features = stored(tmp_path)
    assert isinstance(features.pooled._values, np.memmap)
    assert replace(features, file=None).pooled._values.base is None
    assert os.path.getsize(tmp_path / files(tmp_path)[0]) == 48 * 8 * 4 + 128


@pytest.mark.skipif(not REAL.is_dir(), reason="no real features beside the project (../shared/data/CUB127)")
def test_they_are_the_pooled_features_of_the_backbone() -> None:
    """CUB127: the mean of the feature map against the pooled features of its xlsa17 archive, both rounded to 0.4 %."""
    archive = loadmat(REAL / "xlsa17/data/CUB/res101.mat", variable_names=["features", "labels"])
    with h5py.File(REAL / "feature_map_EfficientNet_Lite0_CUB.hdf5") as file:
        rows = np.arange(0, file["labels"].shape[0], 97)
        raw = file["feature_map"][rows].astype(np.float32)
        assert np.array_equal(file["labels"][:], archive["labels"][:, 0] - 1)
    regions = raw.reshape(len(rows), raw.shape[1], -1).transpose(0, 2, 1)
    ours, theirs = pool(Regions(*normalise(regions))), archive["features"].T[rows]
    assert np.abs(ours - theirs).max() < 5e-3 * theirs.max()
    assert (np.linalg.norm(ours - theirs, axis=1) < 5e-3 * np.linalg.norm(theirs, axis=1)).all()
