"""Jobs on a pool, the same for every pool: the number in flight, the time limit, the retries and the outcomes.

Overdue jobs are recorded by key, since their error is that of any worker that died. Only a job whose node was lost runs
again.
"""

import time
from collections.abc import Hashable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from math import inf
from typing import Any, Generic, TypeVar

from benchmark.run.pools.pool import Job, JobError, Pool, WorkerLost

Key = TypeVar("Key", bound=Hashable)

# Number of times that a job whose node was lost runs again.
RETRIES = 2


@dataclass(frozen=True)
class Outcome(Generic[Key]):
    """A job that ended: its value or its failure, the seconds since its start, and whether its worker died."""

    key: Key
    value: Any
    failure: str | None
    seconds: float
    died: bool = False


@dataclass
class _Running(Generic[Key]):
    key: Key
    job: Job
    lost: int = 0
    overdue: bool = False


class Jobs(Generic[Key]):
    """Keeps a pool busy; a context that closes the pool in the end."""

    def __init__(self, pool: Pool, timeout: float | None = None) -> None:
        """`timeout`: seconds that one job may take from its start."""
        self.pool, self.timeout = pool, timeout or inf
        self._running: dict[Future[Any], _Running[Key]] = {}

    def __enter__(self) -> "Jobs[Key]":
        return self

    def __exit__(self, *exception: object) -> None:
        self.pool.close()

    @property
    def free(self) -> int:
        """Number of free slots."""
        return max(0, self.pool.slots() - len(self._running))

    def submit(self, key: Key, job: Job) -> None:
        """Begins the job, at once if a slot is free; `key` is in its outcome."""
        self._running[self.pool.submit(job)] = _Running(key, job)

    def running(self) -> list[tuple[Key, float]]:
        """The jobs in flight, and for how many seconds each has run."""
        return [(running.key, self._seconds(future)) for future, running in self._running.items()]

    def wait(self, seconds: float) -> list[Outcome[Key]]:
        """Returns the jobs that end within this time, and kills overdue ones."""
        if not self._running:
            return []
        ended, _ = wait(self._running, timeout=seconds, return_when=FIRST_COMPLETED)
        for future, running in self._running.items():
            if not running.overdue and self._seconds(future) > self.timeout and not future.done():
                running.overdue = True
                self.pool.kill(future)
        outcomes = [self._outcome(future) for future in ended]
        return [outcome for outcome in outcomes if outcome is not None]

    def _seconds(self, future: "Future[Any]") -> float:
        started = self.pool.started(future)
        return 0.0 if started is None else time.monotonic() - started

    def _outcome(self, future: "Future[Any]") -> Outcome[Key] | None:
        seconds, running = self._seconds(future), self._running.pop(future)
        error = future.exception()
        if error is None:
            return Outcome(running.key, future.result(), None, seconds)
        if running.overdue:
            remedy = "run again with --retry-failed and a longer --timeout"
            return Outcome(
                running.key, None, f"did not end within {self.timeout:g} s, so it was killed; {remedy}", seconds
            )
        if isinstance(error, WorkerLost) and running.lost < RETRIES:
            running.lost += 1
            self._running[self.pool.submit(running.job)] = running
            return None
        if isinstance(error, JobError | WorkerLost):
            return Outcome(running.key, None, str(error), seconds)
        return Outcome(running.key, None, f"{error}; run again with --retry-failed", seconds, died=True)
