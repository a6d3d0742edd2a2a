"""Executors: they run groups of cells in worker processes and yield the records as cells end, in any order.

The rule: each worker process is a pool of its own, so that a worker that dies fails its own cells alone.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence, Set
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass, field
from math import inf
from multiprocessing.connection import wait as wait_for_process
from multiprocessing.process import BaseProcess
from typing import Protocol

from filelock import Timeout

from benchmark.cells.folder import read_state, record_path
from benchmark.cells.locks import cell_lock
from benchmark.cells.matrix import Cell
from benchmark.cells.records import Record, write_record
from benchmark.run.train import Job, failed_record, run_cells
from dazle.files import remove_unfinished

Work = tuple[Sequence[Cell], Job]  # cells that are trained side by side
Outcome = list[Record | None]  # one for each cell; None: another runner holds the cell now

# Seconds between two attempts to get a cell that another runner holds.
PATIENCE_SECONDS = 1.0


@dataclass(frozen=True)
class Ended:
    """A cell that ended. `record` is None if it is put off: another runner holds it, or it is to be tried alone."""

    cell: Cell
    record: Record | None


class Executor(Protocol):
    """Runs cells. Each ends with a record once, and may be put off before (`Ended`)."""

    def run(self, work: Sequence[Work]) -> Iterator[Ended | None]:
        """Yields the cells that end, and None twice a second while none does, so that a display can be updated."""

    def running(self) -> list[tuple[Cell, float]]:
        """The cells that are running, each with its seconds so far."""


class Worker:
    """One process that runs many cells; it starts with the first of them."""

    def __init__(self, threads: int) -> None:
        self._pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), prepare_worker, (threads,))
        self._processes: set[BaseProcess] = set()  # none before the first call of submit, then one
        self.killed = False

    def submit(self, cells: Sequence[Cell], job: Job) -> "Future[Outcome]":
        others = set(multiprocessing.active_children())
        future = self._pool.submit(work_on, cells, job)
        self._processes |= set(multiprocessing.active_children()) - others
        return future

    def kill(self) -> None:
        """Kills the process, so that the future of its cells breaks.

        The process object sends no signal once the process has been waited for; from then on the system may give the
        id of the process to another one.
        """
        self.killed = True
        for process in self._processes:
            process.kill()

    def forget(self) -> None:
        """Frees the pool of a process that died."""
        self._pool.shutdown(wait=False)


@dataclass(frozen=True)
class Task:
    """Cells that a worker is running, since `since` on the monotonic clock."""

    cells: Sequence[Cell]
    job: Job
    worker: Worker
    since: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.since


class Processes:
    """`workers` processes of `threads` threads each; a worker is killed after `timeout` seconds a cell.

    If a group of cells fails, each of its cells is run again alone, so that the right cell gets the failure's record.
    """

    def __init__(self, workers: int, threads: int, timeout: float | None = None) -> None:
        self.workers, self.threads, self.timeout = workers, threads, timeout or inf
        self.busy: dict[Future[Outcome], Task] = {}

    def running(self) -> list[tuple[Cell, float]]:
        return [(cell, task.seconds) for task in self.busy.values() for cell in task.cells]

    def run(self, work: Sequence[Work]) -> Iterator[Ended | None]:
        others = set(multiprocessing.active_children())
        waiting = list(work)[::-1]
        idle = [Worker(self.threads) for _ in range(min(self.workers, len(waiting)))]
        try:
            while waiting or self.busy:
                while waiting and idle:
                    self._begin(*waiting.pop(), idle.pop())
                ended, _ = wait(self.busy, timeout=0.5, return_when=FIRST_COMPLETED)
                self._kill_overdue()
                if not ended:
                    yield None
                for future in ended:
                    task = self.busy.pop(future)
                    outcome, worker = self._outcome(future, task)
                    idle.append(worker)
                    for cell, record in zip(task.cells, outcome, strict=True):
                        if record is None:
                            waiting.insert(0, ([cell], task.job))
                        yield Ended(cell, record)
                    if None in outcome and len(task.cells) == 1:
                        time.sleep(PATIENCE_SECONDS / len(waiting))
        finally:
            self._stop(others)

    def _begin(self, cells: Sequence[Cell], job: Job, worker: Worker) -> None:
        try:
            future = worker.submit(cells, job)
        except BrokenProcessPool:  # the worker died between two cells
            worker.forget()
            worker = Worker(self.threads)
            future = worker.submit(cells, job)
        self.busy[future] = Task(cells, job, worker)

    def _kill_overdue(self) -> None:
        for future, task in self.busy.items():
            if task.seconds > self.timeout * len(task.cells) and not future.done():
                task.worker.kill()

    def _outcome(self, future: "Future[Outcome]", task: Task) -> tuple[Outcome, Worker]:
        """The records, and the worker for the next cells: a new one if this one died."""
        seconds, worker = task.seconds, task.worker
        if worker.killed:  # its cells may have ended just before
            worker = Worker(self.threads)
        try:
            return future.result(), worker
        except BrokenProcessPool:
            task.worker.forget()
            worker = Worker(self.threads)
            reason = "the worker died without a word (killed, or out of memory); run again with --retry-failed"
            if seconds > self.timeout:
                reason = f"did not end within {self.timeout:g} s, so it was killed; run again with a longer --timeout"
        except Exception as error:
            reason = f"the record could not be written: {error!r}"
        if len(task.cells) > 1:
            return [None] * len(task.cells), worker
        return [keep_failure(task.job, failed_record(task.cells[0], reason, seconds))], worker

    @staticmethod
    def _stop(others: Set[BaseProcess]) -> None:
        """Kills the workers: the child processes of this process without `others`, which it had before."""
        for child in set(multiprocessing.active_children()) - others:
            child.kill()
            child.join()


def keep_failure(job: Job, record: Record) -> Record | None:
    """Writes the record of a failed cell whose worker wrote none.

    Returns the record of the cell: this one, one that another runner wrote, or None if another runner holds the cell.
    A record that cannot be written, on a full disk, is returned to be shown; its cell counts as missing, and the next
    run begins with it.
    """
    try:
        with cell_lock(job.out, record.id):
            status, standing, _ = read_state(job.out, record.id)
            if standing is not None and status == "done":
                return standing
            write_record(record_path(job.out, record.id), record)
    except Timeout:
        return None
    except OSError:
        return record
    return record


def prepare_worker(threads: int) -> None:
    """Runs first in every worker: sets threads, ignores Ctrl-C, and starts a thread that ends it with its parent.

    Without that thread a worker whose parent was killed would wait for work for ever.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:

        def exit_with_parent() -> None:
            wait_for_process([parent.sentinel])
            os._exit(1)

        threading.Thread(target=exit_with_parent, daemon=True).start()
    import torch

    import dazle.training.fit  # noqa: F401  imported here, so that its seconds do not count for the first cell

    torch.set_num_threads(threads)


def work_on(cells: Sequence[Cell], job: Job) -> Outcome:
    """In the worker: locks the cells and runs them; None for one that another runner holds. Done records are kept."""
    records: dict[str, Record | None] = {}
    with ExitStack() as claims:
        held, todo = [], []
        for cell in cells:
            try:
                held.append(claims.enter_context(cell_lock(job.out, cell.id)))
            except Timeout:
                records[cell.id] = None
                continue
            path = record_path(job.out, cell.id)
            status, record, _ = read_state(job.out, cell.id) if path.exists() else ("missing", None, None)
            if record is None or (status == "failed" and job.retry_failed):
                remove_unfinished(path)
                todo.append(cell)
            else:
                records[cell.id] = record
        records |= {record.id: record for record in run_cells(todo, job)} if todo else {}
        for lock in held:
            # Another runner that opened the file before reads the record that exists by now.
            os.unlink(lock.lock_file)
    return [records[cell.id] for cell in cells]
