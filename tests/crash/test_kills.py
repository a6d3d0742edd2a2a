"""kill -9 of workers and of whole runs at random moments: a continued run equals an undisturbed one."""

import random
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.crash.runs import CELLS, SUITE, assert_equal, finish, have_ended, start, wait_for, workers

KILLS = 26  # of each kind
PER_FOLDER = 9


def wait_for_random_moment(runner: subprocess.Popen[str], out: Path, generator: random.Random) -> None:
    """Once in three times counted from the start, else shortly after a new record, during the next training."""
    if generator.random() < 1 / 3:
        time.sleep(generator.uniform(0, 8))
        return
    before = records(out)
    wait_for(lambda: records(out) > before or runner.poll() is not None, 300)
    time.sleep(generator.uniform(0, 0.8))


def records(out: Path) -> int:
    return len(list((out / "cells").glob("*.json")))


def assert_continues(out: Path, undisturbed: Path, seed: int) -> None:
    code, stderr = finish(*SUITE, "--retry-failed", "--out", out)
    assert code == 0, f"seed {seed}: {stderr}"
    assert_equal(out, undisturbed)
    assert not list((out / "cells").glob(".*"))


@pytest.mark.slow
def test_runs_killed_at_any_moment_continue_as_if_undisturbed(undisturbed: Path, tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    generator = random.Random(seed)
    kills, folders = 0, 0
    while kills < KILLS:
        out = tmp_path / f"out{folders}"
        for _ in range(PER_FOLDER):
            runner = start(*SUITE, "--workers", "1", "--retry-failed", "--out", out, stderr=subprocess.DEVNULL)
            wait_for_random_moment(runner, out, generator)
            children = workers(runner)
            kills += runner.poll() is None
            runner.kill()
            runner.wait()
            wait_for(lambda children=children: have_ended(children), 30)
        assert_continues(out, undisturbed, seed)
        folders += 1
    print(f"seed {seed}: {kills} runs killed, {folders} tables equal")


@pytest.mark.slow
def test_workers_killed_at_any_moment_fail_their_cells_alone(undisturbed: Path, tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    generator = random.Random(seed)
    kills, folders = 0, 0
    while kills < KILLS:
        out = tmp_path / f"out{folders}"
        runner = start(*SUITE, "--workers", "2", "--retry-failed", "--out", out, stderr=subprocess.DEVNULL)
        killed = 0
        while runner.poll() is None:
            wait_for_random_moment(runner, out, generator)
            alive = workers(runner)
            if alive and killed < PER_FOLDER:
                with suppress(psutil.NoSuchProcess):
                    generator.choice(alive).send_signal(signal.SIGKILL)
                    killed += 1
        assert runner.returncode in (0, 3)
        assert records(out) == CELLS
        assert_continues(out, undisturbed, seed)
        kills, folders = kills + killed, folders + 1
    print(f"seed {seed}: {kills} workers killed, {folders} tables equal")
