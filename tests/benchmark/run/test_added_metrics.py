"""A metric of `--include`, from the example of the docs: workers compute it, reports need no file, old cells stay."""

import csv
import re
import subprocess
from pathlib import Path

import pytest

from benchmark.cells.folder import OutputFolder
from benchmark.cells.records import Record
from benchmark.reporting.report import write_report
from tests.command_line import ROOT, command

PAGE = ROOT / "docs" / "your-rows.md"
QUICK = (
    "run", "--suite", "smoke", "--variants", "dazle", "--datasets", "cub", "--source", "simulated", "--workers", "1",
    "--set", "training.epochs=1",
)  # fmt: skip


def example() -> str:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return next(block for block in blocks if "Metric(" in block)


def run(out: Path, *more: str | Path) -> subprocess.CompletedProcess[str]:
    """In a process of its own, since an included file stays registered."""
    words = command(*QUICK, "--out", out, *more)
    return subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)


def records(out: Path) -> dict[int, Record]:
    folder = OutputFolder.read(out)
    return {record.seed: record for record in (state.record for state in folder.states.values()) if record is not None}


def test_the_example_adds_columns_and_trains_no_cell_again(tmp_path: Path) -> None:
    out, file = tmp_path / "out", tmp_path / "my_metrics.py"
    file.write_text(example())
    assert run(out, "--seeds", "1").returncode == 0
    before = {path: path.read_bytes() for path in (out / "cells").iterdir()}
    wider = run(out, "--seeds", "2", "--include", file)
    assert wider.returncode == 0, wider.stderr
    assert before == {path: path.read_bytes() for path in before}

    old, new = (record.test.curve[0] for _, record in sorted(records(out).items()) if record.test is not None)
    assert old.metrics == {}
    assert new.S is not None and new.metrics["gap"] == abs(new.S - new.U)
    test = records(out)[1].test
    assert test is not None
    assert new.metrics["per image"] == pytest.approx(100 * sum(new.correct) / sum(test.images))

    # This process has never included the file.
    (out / "results.csv").unlink()
    write_report(OutputFolder.read(out))
    rows = list(csv.DictReader((out / "results.csv").open()))
    assert list(rows[0])[-3:] == ["candidate", "gap", "per image"]
    assert [row["gap"] for row in rows if row["protocol"] == "last"] == ["", str(new.metrics["gap"])]
    report = (out / "report.md").read_text(encoding="utf-8")
    assert "gap of 1 of the 2 seeds: the others have no value of it" in report
    assert re.search(r"\| *T1 \| *gap \| *per image \|", report)


def test_a_metric_that_raises_fails_the_cell_with_its_traceback(tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text(example().replace("abs(point.S - point.U)", "point.S / 0"))
    ended = run(tmp_path / "out", "--seeds", "1", "--include", file)
    assert ended.returncode == 3
    (record,) = records(tmp_path / "out").values()
    assert record.status == "failed" and record.error is not None
    assert f'File "{file}", line' in record.error
    assert record.error.strip().endswith("RuntimeError: metric gap: ZeroDivisionError: float division by zero")
