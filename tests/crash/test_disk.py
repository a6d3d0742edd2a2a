"""A full or read-only disk: the error is one line, every record on the disk is complete, and the run can be continued."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmark.cells.manifest import read_manifest
from benchmark.cells.records import read_record
from tests.crash.runs import SUITE, assert_equal, finish

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk"),
]


def mount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", folder], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount(folder, "size=60k")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_loses_no_record(undisturbed: Path, disk: Path) -> None:
    out = disk / "out"
    code, stderr = finish(*SUITE, "--out", out)
    assert code == 2, stderr
    assert "Traceback" not in stderr
    [error] = [line for line in stderr.splitlines() if line.startswith("error: ")]
    assert error.startswith(f"error: {out}/")
    assert "No space left on device; make room" in error
    written = list((out / "cells").glob("*.json"))
    assert 0 < len(written) < 12
    for path in written:
        read_record(path)
    mount(disk, "remount,size=10m")
    code, stderr = finish(*SUITE, "--retry-failed", "--out", out)
    assert code == 0, stderr
    assert_equal(out, undisturbed)


def test_a_disk_that_may_only_be_read_is_one_line(disk: Path) -> None:
    mount(disk, "remount,size=10m")
    out = disk / "out"
    one = (*SUITE, "--seeds", "1", "--variants", "dazle", "--out", out)
    assert finish(*one)[0] == 0
    (out / "locks" / f"{read_manifest(out).cells[0].id}.lock").touch()
    mount(disk, "remount,ro")
    for arguments in (one, ("report", out)):
        code, stderr = finish(*arguments)
        assert code == 2
        assert stderr.count("\n") == 1, stderr
        assert stderr.startswith("error: ")
        assert "Read-only file system" in stderr
    assert finish("status", out) == (0, "")
