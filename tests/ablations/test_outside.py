"""Rows and methods from outside the package: the example of the docs, errors in one line, and the hash of the code."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ablations.outside import code_hash, include, include_again
from dazle.errors import InputError

PAGE = Path(__file__).parents[2] / "docs" / "your-rows.md"


def example() -> str:
    """The method of the page."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return next(block for block in blocks if "class ClassMeans" in block)


def run(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own, since an included file stays registered."""
    command = ("run", "--suite", "mine", "--datasets", "cub", "--source", "simulated", "--seeds", "1", "--workers", "1")
    return subprocess.run(
        [sys.executable, "-m", "benchmark", *command, "--out", str(folder / "out"), *more],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip


def test_the_example_of_the_page_runs_and_is_as_short_as_the_page_says(tmp_path: Path) -> None:
    file = tmp_path / "class_means.py"
    file.write_text(example())
    assert len(example().splitlines()) <= 45
    ended = run(tmp_path, "--include", str(file), "--set", "training.epochs=1")
    assert ended.returncode == 0, ended.stderr
    assert "3 of 3 cells done" in ended.stdout
    before = {path.name: path.read_bytes() for path in (tmp_path / "out" / "cells").iterdir()}
    file.write_text(example().replace("300.0)", "400.0)"))
    again = run(tmp_path, "--include", str(file), "--set", "training.epochs=1")
    assert again.returncode == 0, again.stderr
    after = {path.name: path.read_bytes() for path in (tmp_path / "out" / "cells").iterdir()}
    cells = {entry["id"]: entry for entry in json.loads((tmp_path / "out" / "manifest.json").read_text())["cells"]}
    trained = [cells[Path(name).stem]["variant"] for name in after if name not in before]
    assert sorted(trained) == ["class-means", "class-means-margin"]
    assert all(after[name] == content for name, content in before.items())
    assert sorted(entry["variant"] for entry in cells.values()) == ["class-means", "class-means-margin", "dazle"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"missing.py cannot be read .*; give the file with --include"),
        ("x = (", r"mine.py:1: '\(' was never closed"),
        ("\nraise ValueError('no')", "mine.py:2: ValueError: no"),
        (
            "from ablations.variants import register\nregister('dazle', None, '', {})",
            "mine.py:2: ValueError: variant 'dazle' is registered already",
        ),
    ],
)
def test_a_file_that_cannot_be_included_is_one_line_with_its_place(
    tmp_path: Path, content: str | None, message: str
) -> None:
    path = tmp_path / ("missing.py" if content is None else "mine.py")
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=message) as error:
        include([path])
    assert "\n" not in str(error.value)


def test_the_hash_follows_the_modules_beside_the_file_that_it_imports(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("import deeper\nVALUE = 1\n")
    (tmp_path / "deeper.py").write_text("")
    (tmp_path / "other.py").write_text("")
    (tmp_path / "mine.py").write_text("import helper\n")
    hashes = [code_hash(tmp_path / "mine.py")]
    for name in ("other", "helper", "deeper", "mine"):
        path = tmp_path / f"{name}.py"
        path.write_text(path.read_text() + "# edited\n")
        hashes.append(code_hash(tmp_path / "mine.py"))
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 4


def test_a_worker_refuses_a_file_that_changed_since_the_run_began(tmp_path: Path) -> None:
    path = tmp_path / "constant.py"
    path.write_text("VALUE = 1\n")
    included = include([path])
    include_again(included)
    path.write_text("VALUE = 2\n")
    with pytest.raises(InputError, match=r"constant\.py changed during the run; start it again"):
        include_again(included)


def install(site: Path, content: str) -> dict[str, str]:
    """A package with the entry point `tiny_rows`, as pip leaves it in `site`; the environment that finds it."""
    (site / "tiny_rows-1.0.dist-info").mkdir(parents=True)
    (site / "tiny_rows.py").write_text(content)
    (site / "tiny_rows-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-rows\nVersion: 1.0\n")
    (site / "tiny_rows-1.0.dist-info" / "entry_points.txt").write_text("[dazle_benchmark]\nrows = tiny_rows\n")
    (site / "tiny_rows-1.0.dist-info" / "RECORD").write_text("tiny_rows.py,sha256=x,1\n")
    return os.environ | {"PYTHONPATH": f"{site}{os.pathsep}{Path(__file__).parents[2]}"}


def command(folder: Path, environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmark", *words],
        capture_output=True, text=True, check=False, cwd=folder, env=environment,
    )  # fmt: skip


def test_the_entry_point_of_an_installed_package_registers_its_rows_in_the_workers_too(tmp_path: Path) -> None:
    environment = install(tmp_path / "site", example())
    (tmp_path / "empty").mkdir()
    run = ("run", "--suite", "mine", "--datasets", "cub", "--source", "simulated", "--seeds", "1", "--out", "out")
    ended = command(tmp_path / "empty", environment, *run, "--variants", "class-means", "--workers", "1")
    assert ended.returncode == 0, ended.stderr
    [record] = (tmp_path / "empty" / "out" / "cells").glob("*.json")
    assert json.loads(record.read_text())["identity"]["code"].startswith("tiny-rows 1.0 ")


def test_an_entry_point_that_raises_is_one_line_that_names_the_package(tmp_path: Path) -> None:
    ended = command(tmp_path, install(tmp_path / "site", "raise ValueError('no')\n"), "list", "methods")
    assert ended.returncode == 2
    assert ended.stderr == (
        "error: entry point rows (tiny_rows) of the package tiny-rows: ValueError: no; mend or uninstall it\n"
    )
