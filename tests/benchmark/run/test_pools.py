"""Workers that hang, die or cannot write: their cells alone fail, and records of another runner are kept."""

import errno
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import psutil
import pytest

from benchmark.cells.folder import OutputFolder, read_state, record_path
from benchmark.cells.locks import cell_lock
from benchmark.cells.matrix import Cell
from benchmark.cells.records import read_record, write_record
from benchmark.run import pools as executors
from benchmark.run.plan import RunOptions, plan
from benchmark.run.pools import keep_failure, work_on
from benchmark.run.train import Job, failed_record
from dazle.errors import InputError

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = ROOT / "tests" / "crash" / "fault_injection.py"


@pytest.fixture
def cell() -> Cell:
    return plan(RunOptions("smoke", variants=["dazle"], seeds=1, source="simulated")).cells[0]


def job(out: Path, retry_failed: bool = False) -> Job:
    return Job(out, None, 2**30, save_model=False, retry_failed=retry_failed)


class FakeWorker:
    """A worker without a process. Its cells end at once; those of `uniform` end only if it is killed."""

    kills = 0

    def __init__(self, threads: int) -> None:
        self.future: Future[executors.Outcome] = Future()
        self.killed = False

    def submit(self, cells: Sequence[Cell], job: Job) -> "Future[executors.Outcome]":
        assert not self.killed, "a worker that was killed got a cell"
        self.future = Future()
        if cells[0].variant.name != "uniform":
            self.future.set_result([failed_record(cell, "fake", 0.0) for cell in cells])
        return self.future

    def kill(self) -> None:
        FakeWorker.kills += 1
        self.killed = True
        if not self.future.done():
            self.future.set_exception(BrokenProcessPool())

    def forget(self) -> None: ...


def test_a_hung_cell_is_killed_while_others_end_all_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "Worker", FakeWorker)
    cells = plan(RunOptions("ablations", datasets=["cub"], seeds=1, source="simulated")).cells
    hung = [cell for cell in cells if cell.variant.name == "uniform"]
    others = [cell for cell in cells if cell.variant.name != "uniform"]
    ended = {}
    executor = executors.Processes(2, 1, timeout=0.01)
    for one in executor.run([([cell], job(tmp_path)) for cell in [*hung, *others]]):
        time.sleep(0.002)
        if one is not None and one.record is not None:
            ended[one.cell.variant.name] = one.record
    assert len(ended) == len(cells)
    assert FakeWorker.kills == 1
    assert "did not end within 0.01 s, so it was killed" in str(ended["uniform"].error)
    assert read_state(tmp_path, hung[0].id).status == "failed"


class DeadAtFirst(FakeWorker):
    """The first of these workers is dead before it gets a cell."""

    created = 0

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        DeadAtFirst.created += 1
        self.dead = DeadAtFirst.created == 1

    def submit(self, cells: Sequence[Cell], job: Job) -> "Future[executors.Outcome]":
        if self.dead:
            raise BrokenProcessPool
        return super().submit(cells, job)


def test_a_worker_that_died_between_two_cells_is_replaced(tmp_path: Path, cell: Cell, monkeypatch) -> None:
    monkeypatch.setattr(executors, "Worker", DeadAtFirst)
    [ended] = [one for one in executors.Processes(1, 1).run([([cell], job(tmp_path))]) if one is not None]
    assert ended.record is not None
    assert ended.record.error == "fake"
    assert DeadAtFirst.created == 2


class SleepingWorker(FakeWorker):
    """A worker with a process of its own, which sleeps."""

    processes: list[multiprocessing.process.BaseProcess] = []  # noqa: RUF012

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        self.processes.append(sleeping())


def sleeping() -> multiprocessing.process.BaseProcess:
    process = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,), daemon=True)
    process.start()
    return process


def test_the_workers_end_with_the_run_and_other_processes_of_the_caller_do_not(
    tmp_path: Path, cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executors, "Worker", SleepingWorker)
    other = sleeping()
    assert any(executors.Processes(1, 1).run([([cell], job(tmp_path))]))
    [own] = SleepingWorker.processes
    assert not own.is_alive()
    assert other.is_alive()
    other.kill()


def test_a_worker_that_died_is_not_killed_again_by_an_id_that_another_process_may_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the worker's death the system gives its id to another process, here by redirecting signals to that id."""
    worker = executors.Worker(1)
    before = set(psutil.Process().children())
    assert worker.submit([], job(tmp_path)).result() == []
    [process] = [
        child for child in set(psutil.Process().children()) - before if "spawn_main" in " ".join(child.cmdline())
    ]
    process.kill()
    wait_until(lambda: not psutil.pid_exists(process.pid))
    other, send = sleeping(), os.kill
    monkeypatch.setattr(os, "kill", lambda pid, number: send(other.pid if pid == process.pid else pid, number))
    worker.kill()
    other.join(0.5)
    assert other.is_alive()
    other.kill()


def test_a_worker_can_be_killed_while_it_starts(tmp_path: Path) -> None:
    worker = executors.Worker(1)
    future = worker.submit([], job(tmp_path))
    worker.kill()
    with pytest.raises(BrokenProcessPool):
        future.result(timeout=60)


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.slow
def test_a_hung_cell_is_killed_recorded_by_name_and_the_rest_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ("run", "--suite", "smoke", "--seeds", "1", "--set", "training.epochs=1", "--source", "simulated")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HANG": "uniform"}
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, PROGRAM, *arguments, "--workers", "1", "--timeout", "15", "--out", out],
        env=environment, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert "FAILED uniform on cub, seed 0: did not end within 15 s" in done.stderr
    folder = OutputFolder.read(out)
    states = {entry.variant: folder.states[entry.id] for entry in folder.manifest.cells}
    assert {name: state.status for name, state in states.items()} == {
        "dazle": "done", "uniform": "failed", "dense-gated-uncalibrated": "done"
    }  # fmt: skip
    hung = states["uniform"].record
    assert hung is not None
    assert 15 < hung.seconds < time.monotonic() - started
    assert not [each for each in psutil.process_iter(["cmdline"]) if str(out) in " ".join(each.info["cmdline"] or ())]


def test_a_failure_is_not_written_over_a_record_that_another_runner_made(tmp_path: Path, cell: Cell) -> None:
    [standing] = work_on([cell], job(tmp_path))
    assert standing is not None
    kept = keep_failure(job(tmp_path), failed_record(cell, "the worker died", 1.0))
    assert kept == standing
    assert read_state(tmp_path, cell.id).status == "done"


def test_a_failure_waits_while_another_runner_has_the_cell(tmp_path: Path, cell: Cell) -> None:
    with cell_lock(tmp_path, cell.id):
        assert keep_failure(job(tmp_path), failed_record(cell, "the worker died", 1.0)) is None
    assert read_state(tmp_path, cell.id).status == "missing"


def test_a_failure_that_cannot_be_written_is_shown_and_the_cell_counts_as_missing(
    tmp_path: Path, cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(executors, "write_record", full)
    kept = keep_failure(job(tmp_path), failed_record(cell, "the worker died", 1.0))
    assert kept is not None
    assert kept.error == "the worker died"
    assert read_state(tmp_path, cell.id).status == "missing"


def test_a_failure_that_another_runner_recorded_stands_unless_it_is_to_be_tried_again(
    tmp_path: Path, cell: Cell
) -> None:
    path = record_path(tmp_path, cell.id)
    write_record(path, failed_record(cell, "elsewhere", 1.0))
    (path.parent / f".{path.name}.x.tmp").write_text("of a writer that died")
    assert work_on([cell], job(tmp_path)) == [read_record(path)]
    [again] = work_on([cell], job(tmp_path, retry_failed=True))
    assert again is not None
    assert again.status == "done"
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("timeout", [0.0, -1.0, float("nan"), float("inf")])
def test_a_timeout_that_is_none_is_refused(timeout: float) -> None:
    with pytest.raises(InputError, match=r"--timeout is not valid: Input should be"):
        plan(RunOptions("smoke", source="simulated", timeout=timeout))
