"""Runs of the smoke suite with injected faults: starting them, and comparing their results with an undisturbed run."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import psutil

from benchmark.cells.records import read_record

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).with_name("fault_injection.py")
SUITE = ("run", "--suite", "smoke", "--seeds", "4", "--set", "training.epochs=2", "--source", "simulated")
CELLS = 12
# The columns in which equal runs are equal; seconds and memory differ.
ACCURACY = ["variant", "dataset", "source", "seed", "protocol", "epoch", "S", "U", "H", "T1", "AUSUC", "status"]


def start(*arguments: str | Path, stderr: int | None = subprocess.PIPE, **faults: str) -> subprocess.Popen[str]:
    """`python -m benchmark` with the faults of fault_injection.py."""
    return subprocess.Popen(
        [sys.executable, PROGRAM, *map(str, arguments)], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)} | faults,
        stdout=subprocess.DEVNULL, stderr=stderr, text=True,
    )  # fmt: skip


def finish(*arguments: str | Path, **faults: str) -> tuple[int, str]:
    """Exit code and stderr."""
    runner = start(*arguments, **faults)
    _, stderr = runner.communicate(timeout=300)
    return runner.returncode, stderr


def results(out: Path) -> pd.DataFrame:
    return pd.read_csv(out / "results.csv")[ACCURACY]


def curves(out: Path) -> dict[str, object]:
    """Every phase of every record without its seconds, by the id of the cell."""
    phases_by_cell: dict[str, object] = {}
    for path in sorted((out / "cells").glob("*.json")):
        record = read_record(path)
        phases = [phase for phase in [*record.validation, record.test] if phase is not None]
        phases_by_cell[record.id] = [phase.model_dump(exclude={"seconds", "train_seconds"}) for phase in phases]
    return phases_by_cell


def assert_equal(out: Path, undisturbed: Path) -> None:
    pd.testing.assert_frame_equal(results(out), results(undisturbed), check_exact=True)
    assert curves(out) == curves(undisturbed)


def workers(runner: subprocess.Popen[str]) -> list[psutil.Process]:
    """The worker processes of the runner, those that are starting included."""
    try:
        children = psutil.Process(runner.pid).children()
        return [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    except psutil.Error:
        return []


def wait_for(condition: Callable[[], object], seconds: float = 300) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"not true within {seconds:g} s"
        time.sleep(0.02)


def have_ended(processes: list[psutil.Process]) -> bool:
    """True if none of them exists any more, not even as a zombie."""
    return not any(process.is_running() for process in processes)
