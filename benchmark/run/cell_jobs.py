"""The cells of a run as jobs of a pool: locks, cells that another run holds, time limits and the writing of records.

A cell's lock is held from before its job is submitted until its record is written. Workers write nothing: what they
return is written here, the weights first and the record last, so a record never stands without what belongs to it.
"""

import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from benchmark.cells.folder import model_path, read_state, record_path
from benchmark.cells.locks import cell_lock
from benchmark.cells.matrix import Cell, identity_hash
from benchmark.cells.records import Record, write_record
from benchmark.run.jobs import Jobs, Outcome
from benchmark.run.pools.pool import Job, Pool
from benchmark.run.train import TrainedCell, TrainOptions, failed_record, train_cells
from dazle.files import remove_unfinished, write_atomic

# Seconds between two attempts to lock a cell that another run holds.
PATIENCE_SECONDS = 1.0

Group = tuple[Cell, ...]


@dataclass(frozen=True)
class Ended:
    """A cell that ended with `record`, or that is put off because another run holds it (None)."""

    cell: Cell
    record: Record | None


def shared_trainings(cells: Sequence[Cell]) -> list[Group]:
    """The cells in groups of one training each: all that differ in their margin at test time alone.

    A group stands where its first cell stood. Of cells with equal ids (a tuned row with the row's own settings) only
    the first is in a group: they share one record.
    """
    groups: dict[str, list[Cell]] = {}
    first_cells: dict[str, Cell] = {}
    for cell in cells:
        first_cells.setdefault(cell.id, cell)
    for cell in first_cells.values():
        settings = {key: value for key, value in cell.identity["settings"].items() if key != "loss.test_margin"}
        groups.setdefault(identity_hash({**cell.identity, "settings": settings}), []).append(cell)
    return [tuple(group) for group in groups.values()]


class CellJobs:
    """Trains groups of cells on a pool, into the output folder `out`; closes the pool in the end."""

    def __init__(
        self, out: Path, pool: Pool, memory: int, *,
        timeout: float | None = None, save_models: bool = False, retry_failed: bool = False,
    ) -> None:  # fmt: skip
        """`memory`: bytes of features for each worker; `timeout`: seconds that one cell may take."""
        self.out, self.memory = out, memory
        self.save_models, self.retry_failed = save_models, retry_failed
        self._jobs: Jobs[str] = Jobs(pool, timeout)
        self._held: dict[str, list[tuple[Cell, FileLock]]] = {}  # by the id of the first cell, the key of its job

    def running(self) -> list[tuple[Cell, float]]:
        """Cells in work, and for how many seconds each."""
        return [(cell, seconds) for key, seconds in self._jobs.running() for cell, _ in self._held[key]]

    def run(self, groups: Sequence[Group]) -> Iterator[Ended | None]:
        """Yields each cell that ended, and None about twice a second if none did, so that a display can be updated."""
        waiting = deque(groups)
        with ExitStack() as stack:
            stack.callback(self._release_all)
            stack.enter_context(self._jobs)
            while waiting or self._held:
                for _ in range(min(self._jobs.free, len(waiting))):
                    yield from self._begin(waiting.popleft(), waiting)
                if not self._held:
                    if waiting:
                        time.sleep(PATIENCE_SECONDS)
                        yield None
                    continue
                outcomes = self._jobs.wait(0.5)
                if not outcomes:
                    yield None
                for outcome in outcomes:
                    yield from self._finish(outcome)

    def _begin(self, group: Group, waiting: "deque[Group]") -> Iterator[Ended]:
        """Submits the cells of the group that are not done and that no other run holds; those are put off."""
        held = []
        for cell in group:
            lock = cell_lock(self.out, cell.id)
            try:
                lock.acquire()
            except Timeout:
                waiting.append((cell,))
                yield Ended(cell, None)
                continue
            state = read_state(self.out, cell.id) if record_path(self.out, cell.id).exists() else None
            if state is None or state.record is None or (state.status == "failed" and self.retry_failed):
                remove_unfinished(record_path(self.out, cell.id))
                held.append((cell, lock))
            else:  # another run has finished it since this run began
                _release(lock)
                yield Ended(cell, state.record)
        if held:
            cells = tuple(cell for cell, _ in held)
            self._held[cells[0].id] = held
            options = TrainOptions(cells[0].dataset.file, self.memory, self.save_models)
            job = Job(
                train_cells, (cells, options), cpus=cells[0].identity["threads"],
                gpus=float(cells[0].identity["device"] == "cuda"), memory=self.memory,
            )  # fmt: skip
            self._jobs.submit(cells[0].id, job)

    def _finish(self, outcome: Outcome[str]) -> Iterator[Ended]:
        held = self._held.pop(outcome.key)
        if outcome.failure is None:
            trained: list[TrainedCell] = outcome.value
        else:
            seconds = outcome.seconds / len(held)
            trained = [TrainedCell(failed_record(cell, outcome.failure, seconds)) for cell, _ in held]
        for (cell, lock), result in zip(held, trained, strict=True):
            record = self._write(cell, result)
            _release(lock)
            yield Ended(cell, record)

    def _write(self, cell: Cell, result: TrainedCell) -> Record:
        """The record as it stands on the disk; one that cannot be written is returned as failed, with the first reason.

        The cell then counts as missing, and the next run begins with it.
        """
        try:
            if result.model is not None:
                write_atomic(model_path(self.out, cell.id), result.model)
            write_record(record_path(self.out, cell.id), result.record)
        except OSError as error:
            reason = result.record.error or f"the record could not be written: {error!r}"
            return failed_record(cell, reason, result.record.seconds)
        return result.record

    def _release_all(self) -> None:
        for _, lock in [pair for held in self._held.values() for pair in held]:
            _release(lock)
        self._held.clear()


def _release(lock: FileLock) -> None:
    """Removes the file before the lock is released: who opened it before finds the record that stands by now."""
    with suppress(FileNotFoundError):
        os.unlink(lock.lock_file)
    lock.release()
