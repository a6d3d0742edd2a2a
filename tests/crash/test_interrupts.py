"""Ctrl-C and SIGTERM at random moments of a run, a worker without memory, and a clock that goes backwards."""

import random
import signal
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from benchmark.cells.folder import OutputFolder
from tests.crash.runs import SUITE, assert_equal, finish, have_ended, start, wait_for

SIGNALS = 10


@pytest.mark.slow
def test_interrupted_at_any_moment_leaves_130_and_no_process(undisturbed: Path, tmp_path: Path) -> None:
    """Five times each signal, to the runner alone."""
    generator = random.Random()
    interrupted = 0
    while interrupted < SIGNALS:
        out = tmp_path / f"out{interrupted}"
        runner = start(*SUITE, "--workers", "2", "--out", out)
        wait_for((out / "manifest.json").exists)
        time.sleep(generator.uniform(0, 6))
        processes = psutil.Process(runner.pid).children(recursive=True)
        number = (signal.SIGINT, signal.SIGTERM)[interrupted % 2]
        runner.send_signal(number)
        _, stderr = runner.communicate(timeout=60)
        # Too late: the run was done, or past the point from which Python handles no signals any more.
        if runner.returncode == 0 or (runner.returncode == -number and (out / "report.html").exists()):
            continue
        interrupted += 1
        assert runner.returncode == 130, stderr
        assert "interrupted; the same command continues" in stderr
        assert "Traceback" not in stderr
        wait_for(lambda processes=processes: have_ended(processes), 10)
    code, stderr = finish(*SUITE, "--out", out)
    assert code == 0, stderr
    assert_equal(out, undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "reason"),
    [("GREEDY", "MemoryError"), ("KILLED", "the worker died (killed, or out of memory)")],
)
def test_a_worker_without_memory_fails_its_cells_by_name_and_the_rest_goes_on(
    undisturbed: Path, tmp_path: Path, fault: str, reason: str
) -> None:
    """Memory is refused by a limit, or the kernel kills the worker, on every cell of one row."""
    out = tmp_path / "out"
    code, stderr = finish(*SUITE, "--out", out, **{fault: "uniform"})
    assert code == 3, stderr
    folder = OutputFolder.read(out)
    for entry in folder.manifest.cells:
        state = folder.states[entry.id]
        assert state.status == ("failed" if entry.variant == "uniform" else "done")
        assert entry.variant != "uniform" or reason in str(state.reason)
        assert (f"FAILED {entry.variant} on cub, seed {entry.seed}: {reason}" in stderr) == (entry.variant == "uniform")
    code, stderr = finish(*SUITE, "--retry-failed", "--out", out)
    assert code == 0, stderr
    assert_equal(out, undisturbed)


@pytest.mark.slow
def test_a_hung_cell_is_killed_recorded_by_name_and_the_rest_goes_on(tmp_path: Path) -> None:
    out, started = tmp_path / "out", time.monotonic()
    code, stderr = finish(*SUITE, "--seeds", "1", "--workers", "1", "--timeout", "15", "--out", out, HANG="uniform")
    assert code == 3, stderr
    assert "FAILED uniform on cub, seed 0: did not end within 15 s" in stderr
    folder = OutputFolder.read(out)
    states = {entry.variant: folder.states[entry.id] for entry in folder.manifest.cells}
    assert {name: state.status for name, state in states.items()} == {
        "dazle": "done", "uniform": "failed", "dense-gated-uncalibrated": "done"
    }  # fmt: skip
    hung = states["uniform"].record
    assert hung is not None
    assert 15 < hung.seconds < time.monotonic() - started
    assert not [one for one in psutil.process_iter(["cmdline"]) if str(out) in " ".join(one.info["cmdline"] or ())]


@pytest.mark.slow
def test_a_clock_that_jumps_back_loses_nothing(undisturbed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, stderr = finish(*SUITE, "--workers", "2", "--out", out, CLOCK="BACK")
    assert code == 0, stderr
    assert_equal(out, undisturbed)
    for state in OutputFolder.read(out).states.values():
        record = state.record
        assert record is not None
        assert (datetime.now(UTC) - datetime.fromisoformat(record.started)).total_seconds() > 3000
        assert 0 < record.test.train_seconds <= record.test.seconds <= record.seconds < 300
