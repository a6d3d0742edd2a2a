"""The rooms and their arrows: the contracts of import-linter in pyproject.toml hold, and planted arrows are refused."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("ablations", "benchmark", "dazle", "reports")


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    program = "from importlinter.cli import lint_imports_command; lint_imports_command(['--no-cache'])"
    return subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_tree_keeps_every_contract() -> None:
    checked = lint(ROOT)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize(
    ("file", "line", "message"),
    [
        ("dazle/errors.py", "import benchmark.progress", "dazle is not allowed to import benchmark"),
        ("reports/table.py", "import dazle.errors", "reports is not allowed to import dazle"),
        ("benchmark/cells/records.py", "import benchmark.run.plan", "benchmark.cells is not allowed to import benchmark.run"),
        ("dazle/features/splits.py", "def f(): import dazle.training.fit", "dazle.features is not allowed to import dazle.training"),
        ("reports/analysis/statistics.py", "import reports.tables.report_content", "reports.analysis is not allowed to import reports.tables"),
        ("dazle/method/attention.py", "import dazle.method.model", "No cycles are allowed in dazle.method"),
        ("benchmark/cells/records.py", "import torch", "benchmark.cells is not allowed to import torch"),
        ("benchmark/cells/outcome.py", "def f(): import optuna.study", "benchmark.cells is not allowed to import optuna"),
        ("benchmark/new_room.py", "", "benchmark"),
    ],
)  # fmt: skip
def test_a_planted_arrow_is_refused(copy: Path, file: str, line: str, message: str) -> None:
    with (copy / file).open("a", encoding="utf-8") as source:
        source.write(f"\n{line}\n")
    checked = lint(copy)
    assert checked.returncode == 1
    assert message in checked.stdout


def test_cells_load_neither_torch_nor_optuna() -> None:
    modules = [f"benchmark.cells.{path.stem}" for path in (ROOT / "benchmark" / "cells").glob("*.py")]
    program = f"import sys; [__import__(name) for name in {modules}]; print({{'torch', 'optuna'}} & set(sys.modules))"
    process = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert process.stdout == "set()\n"


def test_every_room_says_what_lives_there() -> None:
    rooms = [path for package in PACKAGES for path in (ROOT / package).rglob("__init__.py")]
    assert len(rooms) > 15
    assert [str(path) for path in rooms if not path.read_text(encoding="utf-8").startswith('"""')] == []


@pytest.mark.parametrize(("package", "most"), [("benchmark", 12), ("dazle", 11), ("reports", 11)])
def test_the_top_of_a_package_stays_small(package: str, most: int) -> None:
    entries = [path for path in (ROOT / package).iterdir() if path.name != "__pycache__"]
    assert len(entries) <= most
