"""A disk that fills up or may not be written: one line, every record that is there is whole, and the run continues."""

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
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount the small disk that is to fill up"),
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
    code, said = finish(*SUITE, "--out", out)
    assert code == 2, said
    assert "Traceback" not in said
    assert said.splitlines()[-1].startswith(f"error: {out}/")
    assert "No space left on device; make room" in said.splitlines()[-1]
    written = list((out / "cells").glob("*.json"))
    assert 0 < len(written) < 12
    for path in written:
        read_record(path)
    mount(disk, "remount,size=10m")
    code, said = finish(*SUITE, "--retry-failed", "--out", out)
    assert code == 0, said
    assert_equal(out, undisturbed)


def test_a_disk_that_may_only_be_read_is_one_line(disk: Path) -> None:
    mount(disk, "remount,size=10m")
    out = disk / "out"
    one = (*SUITE, "--seeds", "1", "--variants", "dazle", "--out", out)
    assert finish(*one)[0] == 0
    (out / "locks" / f"{read_manifest(out).cells[0].id}.lock").touch()
    mount(disk, "remount,ro")
    for words in (one, ("report", out)):
        code, said = finish(*words)
        assert code == 2
        assert said.count("\n") == 1, said
        assert said.startswith("error: ")
        assert "Read-only file system" in said
    assert finish("status", out) == (0, "")
