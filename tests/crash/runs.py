"""Runs of the smoke suite for tests that disturb them: how they are started, and what has to be equal afterwards."""

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
HOOKED = Path(__file__).with_name("hooked.py")
SUITE = ("run", "--suite", "smoke", "--seeds", "4", "--set", "training.epochs=2", "--source", "simulated")
CELLS = 12
# What equal runs are equal in; seconds and memory they are not.
ACCURACY = ["variant", "dataset", "source", "seed", "protocol", "epoch", "S", "U", "H", "T1", "AUSUC", "status"]


def start(*words: str | Path, stderr: int | None = subprocess.PIPE, **faults: str) -> subprocess.Popen[str]:
    """`python -m benchmark` with the faults of hooked.py."""
    return subprocess.Popen(
        [sys.executable, HOOKED, *map(str, words)], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)} | faults,
        stdout=subprocess.DEVNULL, stderr=stderr, text=True,
    )  # fmt: skip


def finish(*words: str | Path, **faults: str) -> tuple[int, str]:
    """Exit code and stderr."""
    runner = start(*words, **faults)
    _, said = runner.communicate(timeout=300)
    return runner.returncode, said


def table(out: Path) -> pd.DataFrame:
    return pd.read_csv(out / "results.csv")[ACCURACY]


def curves(out: Path) -> dict[str, object]:
    """Every phase of every record, whole, but for its seconds."""
    found: dict[str, object] = {}
    for path in sorted((out / "cells").glob("*.json")):
        record = read_record(path)
        phases = [phase for phase in [*record.validation, record.test] if phase is not None]
        found[record.id] = [phase.model_dump(exclude={"seconds", "train_seconds"}) for phase in phases]
    return found


def assert_equal(out: Path, undisturbed: Path) -> None:
    pd.testing.assert_frame_equal(table(out), table(undisturbed), check_exact=True)
    assert curves(out) == curves(undisturbed)


def workers(runner: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes of the runner that train, or get ready to."""
    try:
        children = psutil.Process(runner.pid).children()
        return [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    except psutil.Error:
        return []


def wait_for(condition: Callable[[], object], seconds: float = 300) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


def gone(processes: list[psutil.Process]) -> bool:
    """None of them is there any more, not even as a zombie."""
    return not any(each.is_running() for each in processes)
