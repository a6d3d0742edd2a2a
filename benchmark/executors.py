"""Who runs the cells. An executor takes jobs and gives back records as they end, in any order.

The one here uses processes of this machine: a pool of a single worker each, so that a worker that dies takes only its
own cell with it. A cluster needs the same two calls: start a cell, and say which ended.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import wait as wait_for_process
from typing import Protocol

from benchmark.cell import Job, failed_record, run_cell
from benchmark.matrix import Cell
from benchmark.records import Record, write_record
from benchmark.store import record_path

# How long a runner waits before it asks again for a cell that another runner holds.
PATIENCE_SECONDS = 1.0


@dataclass(frozen=True)
class Ended:
    """A cell that ended; `record` None: another runner holds it now."""

    cell: Cell
    record: Record | None


class Executor(Protocol):
    """Runs cells; each one ends exactly once."""

    def run(self, work: Sequence[tuple[Cell, Job]]) -> Iterator[Ended | None]:
        """Yields what ended, and None now and then while nothing does, so that a display can live."""

    def running(self) -> list[tuple[Cell, float]]:
        """Cells in work and for how many seconds each."""


class Processes:
    """`workers` processes of `threads` threads each."""

    def __init__(self, workers: int, threads: int) -> None:
        self.workers, self.threads = workers, threads
        self.busy: dict[Future[Record | None], tuple[Cell, Job, ProcessPoolExecutor, float]] = {}

    def running(self) -> list[tuple[Cell, float]]:
        return [(cell, time.monotonic() - since) for cell, _, _, since in self.busy.values()]

    def run(self, work: Sequence[tuple[Cell, Job]]) -> Iterator[Ended | None]:
        waiting = list(work)[::-1]
        idle = [self._pool() for _ in range(min(self.workers, len(waiting)))]
        try:
            while waiting or self.busy:
                while waiting and idle:
                    cell, job = waiting.pop()
                    pool = idle.pop()
                    self.busy[pool.submit(work_on, cell, job)] = (cell, job, pool, time.monotonic())
                ended, _ = wait(self.busy, timeout=0.5, return_when=FIRST_COMPLETED)
                if not ended:
                    yield None
                for future in ended:
                    cell, job, pool, since = self.busy.pop(future)
                    record, pool = self._outcome(future, cell, job, pool, since)
                    idle.append(pool)
                    if record is None:
                        waiting.insert(0, (cell, job))
                        time.sleep(PATIENCE_SECONDS / len(waiting))
                    yield Ended(cell, record)
        finally:
            self._stop()

    def _pool(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), prepare_worker, (self.threads,))

    def _outcome(
        self, future: Future[Record | None], cell: Cell, job: Job, pool: ProcessPoolExecutor, since: float
    ) -> tuple[Record | None, ProcessPoolExecutor]:
        """The record, and the pool to go on with: a new one where the worker died."""
        try:
            return future.result(), pool
        except BrokenProcessPool:
            pool.shutdown(wait=False)
            reason = "the worker died without a word (killed, or out of memory); run again with --retry-failed"
        except Exception as error:
            reason = f"the record could not be written: {error!r}"
        record = failed_record(cell, reason, time.monotonic() - since)
        write_record(record_path(job.out, cell.id), record)
        return record, self._pool()

    @staticmethod
    def _stop() -> None:
        for child in multiprocessing.active_children():
            child.kill()
            child.join()


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

    import dazle.training  # noqa: F401  what every cell needs, so that the first one is not billed for it

    torch.set_num_threads(threads)


def work_on(cell: Cell, job: Job) -> Record | None:
    """In the worker: claims the cell and runs it; None where another runner has it. A done record is not made again."""
    from filelock import Timeout

    from benchmark.store import lock, state

    try:
        with lock(job.out, cell.id) as held:
            path = record_path(job.out, cell.id)
            status, record, _ = state(job.out, cell.id) if path.exists() else ("missing", None, None)
            if record is None or status == "failed":
                record = run_cell(cell, job)
            # Whoever opened the file before it went finds the record that stands by now.
            os.unlink(held.lock_file)
            return record
    except Timeout:
        return None
