"""Who runs the cells. An executor takes groups of them and gives back records as they end, in any order.

The one here uses processes of this machine: a pool of a single worker each, so that a worker that dies takes only its
own cell with it. A cluster needs the same two calls: start a cell, and say which ended.
"""

import ctypes
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence, Set
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, suppress
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
Outcome = list[Record | None]  # of each of them; None: another runner holds it now

# How long a runner waits before it asks again for a cell that another runner holds.
PATIENCE_SECONDS = 1.0


@dataclass(frozen=True)
class Ended:
    """A cell that ended; `record` None: put off, as another runner holds it now or to be tried alone."""

    cell: Cell
    record: Record | None


class Executor(Protocol):
    """Runs cells; each one ends with a record once, perhaps after having been put off (`Ended`)."""

    def run(self, work: Sequence[Work]) -> Iterator[Ended | None]:
        """Yields what ended, and None now and then while nothing does, so that a display can live."""

    def running(self) -> list[tuple[Cell, float]]:
        """Cells in work and for how many seconds each."""


class Worker:
    """One process that outlives its cells; it starts with the first of them."""

    def __init__(self, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._process = context.RawValue("i", 0)  # its id, which it writes itself
        self._pool = ProcessPoolExecutor(1, context, _start_worker, (threads, self._process))
        self.killed = False

    def submit(self, cells: Sequence[Cell], job: Job) -> "Future[Outcome]":
        return self._pool.submit(work_on, cells, job)

    def kill(self) -> None:
        """Its future breaks; a process that has not started yet is left until the next call."""
        if self._process.value:
            self.killed = True
            with suppress(ProcessLookupError):
                os.kill(self._process.value, signal.SIGKILL)

    def forget(self) -> None:
        """After it died."""
        self._pool.shutdown(wait=False)


@dataclass(frozen=True)
class Task:
    """Cells in work."""

    cells: Sequence[Cell]
    job: Job
    worker: Worker
    since: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.since


class Processes:
    """`workers` processes of `threads` threads each; what takes longer than `timeout` seconds a cell is killed.

    Cells that ended badly together are run again alone: a failure is recorded of whom it concerns.
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
        except BrokenProcessPool:  # it died between two cells
            worker.forget()
            worker = Worker(self.threads)
            future = worker.submit(cells, job)
        self.busy[future] = Task(cells, job, worker)

    def _kill_overdue(self) -> None:
        for future, task in self.busy.items():
            if task.seconds > self.timeout * len(task.cells) and not future.done():
                task.worker.kill()

    def _outcome(self, future: "Future[Outcome]", task: Task) -> tuple[Outcome, Worker]:
        """The records, and the worker to go on with: a new one where it died."""
        seconds, worker = task.seconds, task.worker
        if worker.killed:  # perhaps just as it ended its cells
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
        """Kills its workers: the children of this process without those that it had before."""
        for child in set(multiprocessing.active_children()) - others:
            child.kill()
            child.join()


def keep_failure(job: Job, record: Record) -> Record | None:
    """Writes the record of a cell that could not write one. Returns what stands: None where another runner has it now.

    Where it cannot be written either (a full disk), it is returned all the same, to be shown; the cell then counts as
    missing, and the next run begins with it.
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


def _start_worker(threads: int, process: ctypes.c_int) -> None:
    process.value = os.getpid()
    prepare_worker(threads)


def prepare_worker(threads: int) -> None:
    """Runs first in every worker: threads, no Ctrl-C of its own, and an end with its parent.

    A worker whose parent was killed would wait for work for ever; it watches the parent and leaves.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:

        def leave_with_parent() -> None:
            wait_for_process([parent.sentinel])
            os._exit(1)

        threading.Thread(target=leave_with_parent, daemon=True).start()
    import torch

    import dazle.training.fit  # noqa: F401  what every cell needs, so that the first one is not billed for it

    torch.set_num_threads(threads)


def work_on(cells: Sequence[Cell], job: Job) -> Outcome:
    """In the worker: claims cells and runs them; None for one that another runner has. Done records stand."""
    found: dict[str, Record | None] = {}
    with ExitStack() as claims:
        held, todo = [], []
        for cell in cells:
            try:
                held.append(claims.enter_context(cell_lock(job.out, cell.id)))
            except Timeout:
                found[cell.id] = None
                continue
            path = record_path(job.out, cell.id)
            status, record, _ = read_state(job.out, cell.id) if path.exists() else ("missing", None, None)
            if record is None or (status == "failed" and job.retry_failed):
                remove_unfinished(path)
                todo.append(cell)
            else:
                found[cell.id] = record
        found |= {record.id: record for record in run_cells(todo, job)} if todo else {}
        for lock in held:
            # Whoever opened the file before it went finds the record that stands by now.
            os.unlink(lock.lock_file)
    return [found[cell.id] for cell in cells]
