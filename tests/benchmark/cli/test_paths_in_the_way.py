"""Files and folders in the way, or without permission: one line with the path, the cause and the remedy; exit code 2."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import pytest

from benchmark.cells.folder import record_path
from benchmark.cells.manifest import make_manifest, write_manifest
from benchmark.cells.matrix import Cell
from benchmark.cells.records import Record, write_record
from benchmark.run.plan import RunOptions, plan
from dazle.errors import InputError
from dazle.features.hdf5 import open_file
from tests.command_line import benchmark


def make_record(cell: Cell) -> Record:
    return Record(
        id=cell.id, status="failed", variant=cell.variant.name, dataset=cell.dataset.name, seed=cell.seed,
        identity=dict(cell.identity), features={}, environment={}, started="2000-01-01T00:00:00+00:00", seconds=1.0,
        error="planted",
    )  # fmt: skip


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """An output folder with two cells that failed."""
    folder = tmp_path / "out"
    run_plan = plan(RunOptions("smoke", variants=["dazle"], seeds=2, source="simulated"))
    write_manifest(folder, make_manifest("smoke", run_plan.cells, run_plan.conditions, []))
    for cell in run_plan.cells:
        write_record(record_path(folder, cell.id), make_record(cell))
    return folder


def line_of(*words: str | Path) -> str:
    """The one line of a command that refuses."""
    done = benchmark(*words)
    assert done.returncode == 2, done.stderr
    lines = [line for line in done.stderr.splitlines() if not line.startswith("drawing figures")]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    return lines[0].removeprefix("error: ")


def in_the_way(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("in the way")
    return path


def test_a_file_in_the_place_of_a_folder_of_the_report(out: Path) -> None:
    in_the_way(out / "tables")
    assert line_of("report", out) == (
        f"{out / 'tables'}: File exists; a folder is needed there: move the file away or choose another folder"
    )


def test_a_folder_in_the_place_of_a_file_of_the_report(out: Path) -> None:
    (out / "report.md").mkdir()
    assert line_of("report", out) == (
        f"{out / 'report.md'}: Is a directory; a file is needed there: move the folder away or choose another folder"
    )


def test_a_link_to_a_device_in_the_place_of_a_folder(out: Path) -> None:
    (out / "tables").symlink_to("/dev/full")
    assert line_of("report", out).startswith(f"{out / 'tables'}: File exists; a folder is needed there")


def test_a_manifest_that_is_a_folder(out: Path) -> None:
    (out / "manifest.json").unlink()
    (out / "manifest.json").mkdir()
    assert line_of("status", out) == (
        f"{out / 'manifest.json'} is a folder, not a file; restore the file, or run into another folder"
    )


@pytest.mark.parametrize("command", ["report", "status"])
def test_records_that_are_no_files_have_a_reason(out: Path, command: str) -> None:
    [first, _] = sorted((out / "cells").iterdir())
    first.unlink()
    first.mkdir()
    done = benchmark(command, out)
    assert f"{first} is a folder, not a file; remove it and run again" in done.stdout + done.stderr
    (out / "cells").rename(out / "elsewhere")
    in_the_way(out / "cells")
    done = benchmark(command, out)
    assert f"{out / 'cells'} is no folder; move it away and run again" in done.stdout + done.stderr


def test_a_run_whose_records_cannot_be_written_is_refused_before_it_trains(out: Path) -> None:
    run = ("run", "--suite", "smoke", "--variants", "dazle", "--seeds", "2", "--source", "simulated", "--out", out)
    [first, _] = sorted((out / "cells").iterdir())
    first.unlink()
    first.mkdir()
    assert line_of(*run) == f"{first} is a folder, not a file; move it away, or choose another --out"
    (out / "cells").rename(out / "elsewhere")
    in_the_way(out / "cells")
    assert line_of(*run) == f"{out / 'cells'} is no folder; move it away, or choose another --out"


@pytest.mark.parametrize(("key", "value"), [("seed", 99), ("dataset", "sun")])
def test_a_manifest_with_another_seed_or_dataset_than_the_record_is_refused(out: Path, key: str, value: object) -> None:
    path = out / "manifest.json"
    content = json.loads(path.read_text())
    content["cells"][0][key] = value
    content["datasets"].append(content["datasets"][0] | {"name": "sun"})
    path.write_text(json.dumps(content))
    for command in ("report", "status"):
        line = line_of(command, out)
        assert line.startswith(f"{path}: cell {content['cells'][0]['id']} is ")
        assert "but its record is of cub, seed 0; restore the file, or run into another folder" in line


def test_rows_with_equal_settings_may_share_a_record(out: Path) -> None:
    path = out / "manifest.json"
    content = json.loads(path.read_text())
    content["cells"] += [cell | {"variant": "dazle-again"} for cell in content["cells"]]
    path.write_text(json.dumps(content))
    assert benchmark("status", out).returncode == 3


def test_accepted_results_below_a_file(out: Path, tmp_path: Path) -> None:
    from benchmark.gate.accepted import read_accepted, write_accepted

    accepted = read_accepted(Path("benchmark/accepted/ablations-simulated.json"))
    file = in_the_way(tmp_path / "README.md")
    with pytest.raises(FileExistsError) as error:
        write_accepted(file / "x.json", accepted)
    assert error.value.filename == str(file)


def test_accepted_results_of_another_kind_of_file(out: Path, tmp_path: Path) -> None:
    file = in_the_way(tmp_path / "README.md")
    line = line_of("check", out, "--against", file)
    assert line.startswith(f"{file}: the file is not valid: it is not JSON")
    assert line.endswith("give a file that `accept` wrote, or take it from git again")
    assert line_of("check", out, "--against", tmp_path) == (
        f"{tmp_path} is a folder, not a file; give a file of accepted results"
    )


def test_a_folder_is_no_file_of_features(tmp_path: Path) -> None:
    line = line_of("data", "import", tmp_path, "--name", "mine", "--preset", "cub", "--data", tmp_path / "data")
    assert line == f"{tmp_path} is a folder, not a file; give the path of an HDF5 file"


@contextmanager
def another_user() -> Iterator[Path]:
    """A folder that another user than root may enter, and the rights of that user."""
    with tempfile.TemporaryDirectory() as name:
        folder, user = Path(name), os.geteuid()
        folder.chmod(0o755)
        h5py.File(folder / "cub.h5", "w").close()
        (folder / "cub.h5").chmod(0)
        (folder / "closed").mkdir(mode=0)
        if user == 0:
            os.seteuid(65534)
        try:
            yield folder
        finally:
            os.seteuid(user)
            (folder / "closed").chmod(0o700)


def test_a_feature_file_without_permission_is_not_damaged() -> None:
    with another_user() as folder, pytest.raises(InputError) as error, open_file(folder / "cub.h5"):
        pass
    assert str(error.value) == f"{folder / 'cub.h5'} may not be read; check its permissions"


def test_a_data_folder_without_permission_is_not_empty() -> None:
    with another_user() as folder:
        line = line_of("data", "info", "--data", folder / "closed")
        assert line == f"{folder / 'closed'} may not be read; check its permissions"
        assert "Permission denied; check its permissions" in line_of("status", folder / "closed")


def test_a_feature_file_that_another_program_writes_is_not_damaged(tmp_path: Path) -> None:
    path = tmp_path / "cub.h5"
    code = "import h5py, sys; file = h5py.File(sys.argv[1], 'w'); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdin=-1, stdout=-1) as writer:
        assert writer.stdout is not None and writer.stdin is not None
        writer.stdout.readline()
        with pytest.raises(InputError) as error, open_file(path):
            pass
        writer.stdin.close()
    assert str(error.value) == f"{path} is open for writing in another program; end that program, or wait for it"


def test_a_prepared_dataset_stands_once_in_the_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_the_way(tmp_path / "cub.h5")
    monkeypatch.setenv("DAZLE_DATA", str(tmp_path))
    lines = [line for line in benchmark("list", "datasets").stdout.splitlines() if line.split()[:1] == ["cub"]]
    assert len(lines) == 1
    assert lines[0].endswith(f"prepared in {tmp_path}; or simulated, made on the fly")
