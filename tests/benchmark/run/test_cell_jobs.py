"""Cells as jobs: groups of one training, locks, time limits, and records that are written by the driver alone."""

import errno
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmark.cells.folder import model_path, read_state, record_path
from benchmark.cells.locks import cell_lock, is_running
from benchmark.cells.matrix import Cell, Origin
from benchmark.cells.records import Record, read_record, write_record
from benchmark.run import cell_jobs
from benchmark.run.cell_jobs import CellJobs, Ended, Group, shared_trainings
from benchmark.run.display import Display
from benchmark.run.options import RunOptions
from benchmark.run.plan import plan
from benchmark.run.pools.pool import Job, WorkerDied
from benchmark.run.train import TrainedCell, failed_record
from dazle.errors import InputError
from tests.benchmark.example_run import record, train_here, weights
from tests.benchmark.thread_pool import Threads

# Of one training: they differ in the margin at test time alone.
MARGINS = ["dazle", "no-test-margin", "validated-margin"]


def cells_of(*variants: str, suite: str = "ablations", seeds: int = 1, epochs: int | None = 2) -> list[Cell]:
    overrides = {"training.epochs": epochs} if epochs is not None else {}
    options = RunOptions(suite, variants, ["cub"], seeds, "simulated", overrides=overrides, device="cpu")
    return plan(options).cells


@pytest.fixture
def cell() -> Cell:
    return cells_of("dazle")[0]


def curves(path: Path) -> list[tuple[str, str]]:
    """Every phase of a record with each bit of its curve."""
    stored = read_record(path)
    return [(phase.name, str(phase.curve)) for phase in [*stored.validation, stored.test] if phase is not None]


class FakeWorkers:
    """A pool whose jobs end at once with a record made by `result`; those of `hung` end only if they are killed."""

    def __init__(self, result: Callable[[Cell], TrainedCell], hung: str = "", workers: int = 2) -> None:
        self.result, self.hung, self.workers = result, hung, workers
        self.jobs: list[Job] = []
        self.kills = 0
        self.starts: dict[Future[Any], float] = {}
        self.closed = False

    def submit(self, job: Job) -> Future[Any]:
        assert not self.closed
        self.jobs.append(job)
        future: Future[Any] = Future()
        self.starts[future] = time.monotonic()
        cells = job.arguments[0]
        if self.hung not in {cell.variant.name for cell in cells}:
            future.set_result([self.result(cell) for cell in cells])
        return future

    def started(self, future: Future[Any]) -> float | None:
        return self.starts[future]

    def kill(self, future: Future[Any]) -> None:
        self.kills += 1
        future.set_exception(WorkerDied("killed"))

    def slots(self) -> int:
        return self.workers

    def close(self) -> None:
        self.closed = True


def done(cell: Cell) -> TrainedCell:
    return TrainedCell(record(cell, 50.0), b"weights")


def run(jobs: CellJobs, groups: list[Group]) -> list[Ended]:
    return [ended for ended in jobs.run(groups) if ended is not None]


def test_cells_that_differ_in_the_margin_at_test_time_alone_are_one_group() -> None:
    cells = plan(RunOptions("ablations", datasets=["cub", "sun"], seeds=2, source="simulated")).cells
    groups = shared_trainings(cells)
    assert sorted(cell.id for group in groups for cell in group) == sorted(cell.id for cell in cells)
    assert len(cells) - len(groups) == 4 * 2 * 2
    names = {tuple(cell.variant.name for cell in group) for group in groups if len(group) > 1}
    assert names == {
        tuple(MARGINS), ("dense-gated-uncalibrated", "post-hoc-margin", "post-hoc-validated-margin")
    }  # fmt: skip
    assert all(len({(cell.dataset.name, cell.seed) for cell in group}) == 1 for group in groups)
    first = [cell.id for group in groups for cell in group[:1]]
    assert first == [cell.id for cell in cells if cell.id in first]


def test_a_group_has_the_curves_of_its_cells_trained_alone(tmp_path: Path) -> None:
    cells = cells_of(*MARGINS)
    [group] = shared_trainings(cells)
    assert len(group) == 3
    together = train_here(tmp_path / "together", cells, save_models=True)
    for one in cells:
        train_here(tmp_path / "alone", [one], save_models=True)
    assert [one.status for one in together] == ["done"] * 3
    for one in cells:
        paths = [record_path(tmp_path / folder, one.id) for folder in ("together", "alone")]
        assert curves(paths[0]) == curves(paths[1])
        models = [weights(model_path(tmp_path / folder, one.id)) for folder in ("together", "alone")]
        assert models[0] == models[1]
    assert len({str(curves(record_path(tmp_path / "together", one.id))) for one in cells}) == 3
    seconds = [one.seconds for one in together]
    assert seconds == [seconds[0]] * 3


def test_a_folder_with_one_cell_of_a_group_is_completed_with_the_same_curves(tmp_path: Path) -> None:
    cells = cells_of(*MARGINS)
    whole, wider = tmp_path / "whole", tmp_path / "wider"
    train_here(whole, cells)
    train_here(wider, cells[1:2])
    path = record_path(wider, cells[1].id)
    before = path.read_bytes(), path.stat().st_mtime_ns
    train_here(wider, cells)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    for one in cells:
        assert curves(record_path(wider, one.id)) == curves(record_path(whole, one.id))


def test_a_job_declares_its_needs(tmp_path: Path) -> None:
    cells = cells_of(*MARGINS, "uniform")
    pool = FakeWorkers(done)
    run(CellJobs(tmp_path, pool, 12345), shared_trainings(cells))
    assert [(job.cpus, job.gpus, job.memory) for job in pool.jobs] == [(1, 0.0, 12345)] * 2
    assert [[one.variant.name for one in job.arguments[0]] for job in pool.jobs] == [MARGINS, ["uniform"]]


def test_a_job_on_a_gpu_declares_one(tmp_path: Path, cell: Cell) -> None:
    pool = FakeWorkers(done)
    run(CellJobs(tmp_path, pool, 0), [(replace(cell, identity={**cell.identity, "device": "cuda"}),)])
    assert [job.gpus for job in pool.jobs] == [1.0]


def test_two_rows_of_one_cell_are_one_training_and_both_end_in_the_display(tmp_path: Path, cell: Cell) -> None:
    """A tuned row with the row's own settings; a failed cell is not tried twice in one run."""
    tuned = replace(cell, variant=replace(cell.variant, name="dazle-tuned"), origin=Origin("study", 0, 1))
    cells = [cell, *cells_of("uniform"), tuned]
    groups = shared_trainings(cells)
    assert groups == [(cells[0],), (cells[1],)]
    write_record(record_path(tmp_path, cell.id), failed_record(cell, "before", 1.0))
    pool = FakeWorkers(lambda cell: TrainedCell(failed_record(cell, "again", 1.0)))
    display = Display(cells, cells, 0, 1, list)
    for ended in CellJobs(tmp_path, pool, 0, retry_failed=True).run(groups):
        display.update(ended)
    assert len(pool.jobs) == 2
    assert (display.done, display.failed, display.total) == (0, 3, 3)


def test_the_record_of_another_method_names_it(tmp_path: Path) -> None:
    [record] = train_here(tmp_path, cells_of("eszsl", epochs=None))
    assert (record.status, record.method, record.identity["method"]) == ("done", "eszsl", "eszsl")


def test_a_cell_is_locked_until_its_record_is_written(
    tmp_path: Path, cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = []

    def write(path: Path, record: Record) -> None:
        locked.append(is_running(tmp_path, cell.id))
        write_record(path, record)

    monkeypatch.setattr(cell_jobs, "write_record", write)
    run(CellJobs(tmp_path, FakeWorkers(done), 0), [(cell,)])
    assert locked == [True]
    assert not is_running(tmp_path, cell.id)


def test_a_hung_cell_is_killed_while_others_end_all_the_time(tmp_path: Path) -> None:
    cells = plan(RunOptions("ablations", datasets=["cub"], seeds=1, source="simulated")).cells
    pool = FakeWorkers(done, hung="uniform")
    ended = {}
    for one in CellJobs(tmp_path, pool, 0, timeout=0.01).run([(cell,) for cell in cells]):
        time.sleep(0.002)
        if one is not None and one.record is not None:
            ended[one.cell.variant.name] = one.record
    assert len(ended) == len(cells)
    assert pool.kills == 1
    remedy = "run again with --retry-failed and a longer --timeout"
    assert ended["uniform"].error == f"did not end within 0.01 s, so it was killed; {remedy}"
    assert {one.status for name, one in ended.items() if name != "uniform"} == {"done"}
    for one in cells:
        assert read_state(tmp_path, one.id).status == ("failed" if one.variant.name == "uniform" else "done")


def test_every_cell_of_a_job_that_failed_has_a_record(tmp_path: Path) -> None:
    cells = cells_of(*MARGINS, "uniform")
    pool = FakeWorkers(done, hung="dazle")
    run(CellJobs(tmp_path, pool, 0, timeout=0.05), shared_trainings(cells))
    states = {one.variant.name: read_state(tmp_path, one.id) for one in cells}
    assert {name: state.status for name, state in states.items()} == dict.fromkeys(MARGINS, "failed") | {
        "uniform": "done"
    }
    assert all("did not end within 0.05 s" in str(states[name].reason) for name in MARGINS)


def test_the_pool_is_closed_and_no_lock_is_held_after_a_run_that_was_left(tmp_path: Path) -> None:
    cells = cells_of("dazle", "uniform")
    pool = FakeWorkers(done, hung="uniform")
    jobs = CellJobs(tmp_path, pool, 0)
    running = jobs.run([(one,) for one in cells])
    assert next(running) is not None
    assert [one.variant.name for one, _ in jobs.running()] == ["uniform"]
    assert is_running(tmp_path, cells[1].id)
    running.close()  # type: ignore[attr-defined]
    assert pool.closed
    assert not is_running(tmp_path, cells[1].id)
    assert not list((tmp_path / "locks").iterdir())
    assert read_state(tmp_path, cells[1].id).status == "missing"


def test_a_cell_that_another_run_holds_is_put_off_and_taken_later(
    tmp_path: Path, cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cell_jobs, "PATIENCE_SECONDS", 0.01)
    other, *_ = cells_of("uniform")
    pool = FakeWorkers(done)
    lock = cell_lock(tmp_path, cell.id)
    lock.acquire()
    running = CellJobs(tmp_path, pool, 0).run([(cell,), (other,)])
    assert next(running) == Ended(cell, None)
    assert next(ended for ended in running if ended is not None and ended.record).cell == other
    assert read_state(tmp_path, cell.id).status == "running"
    lock.release()
    [last] = [ended for ended in running if ended is not None and ended.record]
    assert last.cell == cell
    assert read_state(tmp_path, cell.id).status == "done"


def test_a_cell_of_a_group_that_another_run_holds_is_put_off_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other run ends it meanwhile, and its record stands."""
    monkeypatch.setattr(cell_jobs, "PATIENCE_SECONDS", 0.01)
    cells = cells_of(*MARGINS)
    pool = FakeWorkers(done)
    lock = cell_lock(tmp_path, cells[0].id)
    lock.acquire()
    running = CellJobs(tmp_path, pool, 0).run(shared_trainings(cells))
    assert next(running) == Ended(cells[0], None)
    ended = [next(one for one in running if one is not None and one.record) for _ in range(2)]
    assert [one.cell for one in ended] == cells[1:]
    write_record(record_path(tmp_path, cells[0].id), record(cells[0], 77.0))
    lock.release()
    [last] = [one for one in running if one is not None and one.record]
    assert last.record == record(cells[0], 77.0)
    assert len(pool.jobs) == 1


def test_a_record_that_another_run_made_stands(tmp_path: Path, cell: Cell) -> None:
    write_record(record_path(tmp_path, cell.id), record(cell, 77.0))
    pool = FakeWorkers(done)
    [ended] = run(CellJobs(tmp_path, pool, 0, retry_failed=True), [(cell,)])
    assert ended.record == record(cell, 77.0)
    assert pool.jobs == []
    assert not list((tmp_path / "locks").iterdir())


def test_a_failure_that_another_run_recorded_stands_unless_it_is_to_be_tried_again(tmp_path: Path, cell: Cell) -> None:
    path = record_path(tmp_path, cell.id)
    write_record(path, failed_record(cell, "elsewhere", 1.0))
    leftover = path.parent / f".{path.name}.x.tmp"
    leftover.write_text("of a writer that died")
    [ended] = run(CellJobs(tmp_path, FakeWorkers(done), 0), [(cell,)])
    assert ended.record is not None
    assert ended.record.error == "elsewhere"
    [ended] = run(CellJobs(tmp_path, FakeWorkers(done), 0, retry_failed=True), [(cell,)])
    assert ended.record is not None
    assert ended.record.status == "done"
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_a_damaged_record_is_made_again(tmp_path: Path, cell: Cell) -> None:
    path = record_path(tmp_path, cell.id)
    path.parent.mkdir()
    path.write_text("{")
    [ended] = run(CellJobs(tmp_path, FakeWorkers(done), 0), [(cell,)])
    assert ended.record == read_record(path)


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("writer", ["write_record", "write_atomic"])
def test_a_record_that_cannot_be_written_is_shown_and_the_cell_counts_as_missing(
    tmp_path: Path, cell: Cell, monkeypatch: pytest.MonkeyPatch, writer: str
) -> None:
    """The disk is full for the record, or for the weights that come before it."""
    monkeypatch.setattr(cell_jobs, writer, full)
    [ended] = run(CellJobs(tmp_path, FakeWorkers(done), 0, save_models=True), [(cell,)])
    assert ended.record is not None
    assert ended.record.status == "failed"
    assert "the record could not be written" in str(ended.record.error)
    assert "No space left on device" in str(ended.record.error)
    assert read_state(tmp_path, cell.id).status == "missing"
    assert not list((tmp_path / "locks").iterdir())


def test_a_failure_that_cannot_be_written_still_shows_its_own_reason(
    tmp_path: Path, cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cell_jobs, "write_record", full)
    failed = FakeWorkers(lambda cell: TrainedCell(failed_record(cell, "ValueError: broken", 1.0)))
    [ended] = run(CellJobs(tmp_path, failed, 0), [(cell,)])
    assert ended.record is not None
    assert ended.record.error == "ValueError: broken"
    assert read_state(tmp_path, cell.id).status == "missing"


def test_a_failure_in_training_is_the_record_of_every_cell(tmp_path: Path) -> None:
    options = RunOptions(
        "ablations", MARGINS, ["cub"], 1, "simulated",
        overrides={"training.epochs": 1, "training.learning_rate": 1e30},
    )  # fmt: skip
    records = train_here(tmp_path, plan(options).cells, save_models=True)
    assert [one.status for one in records] == ["failed"] * 3
    assert all("FloatingPointError" in str(one.error) for one in records)
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize("timeout", [0.0, -1.0, float("nan"), float("inf")])
def test_a_timeout_that_is_none_is_refused(timeout: float) -> None:
    with pytest.raises(InputError, match=r"--timeout \S+ is not (more than 0|a finite number)"):
        plan(RunOptions("smoke", source="simulated", timeout=timeout))


def test_the_time_limit_counts_from_the_start_of_a_job(tmp_path: Path) -> None:
    """Four cells, two workers: the later ones wait for longer than the limit, and are not killed."""

    def slow(cell: Cell) -> TrainedCell:
        time.sleep(0.3)
        return done(cell)

    class Slow(Threads):
        def submit(self, job: Job) -> Future[Any]:
            return super().submit(Job(lambda cells, _: [slow(cell) for cell in cells], job.arguments))

    cells = cells_of("dazle", seeds=4)
    ended = run(CellJobs(tmp_path, Slow(2), 0, timeout=0.5), [(cell,) for cell in cells])
    assert [one.record.status for one in ended if one.record] == ["done"] * 4
