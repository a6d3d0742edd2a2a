"""What a pool of workers is: it takes jobs and gives futures, and a future fails in one of three ways."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Job:
    """A call of a function of a module, and what it needs; arguments and result travel between processes."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...] = ()
    cpus: int = 1
    gpus: float = 0.0  # share of one GPU
    memory: int = 0  # bytes


class JobError(Exception):
    """The function raised; the text is its traceback."""


class WorkerDied(Exception):  # noqa: N818
    """The worker ended while it ran the job: killed, or out of memory."""


class WorkerLost(Exception):  # noqa: N818
    """The node of the worker was lost; the job may run again on another."""


class Pool(Protocol):
    """Runs jobs; one method each for what a scheduler needs."""

    def submit(self, job: Job) -> "Future[Any]":
        """Its future has the function's result, or fails with JobError, WorkerDied or WorkerLost."""

    def started(self, future: "Future[Any]") -> float | None:
        """The time (`time.monotonic`) at which the job began, also after it ended; None while it waits."""

    def kill(self, future: "Future[Any]") -> None:
        """Ends the worker of this job; its future fails with WorkerDied. Without effect on a job that ended."""

    def slots(self) -> int:
        """How many jobs run at once; may change."""

    def close(self) -> None:
        """Ends all workers, whatever they do; jobs that have not ended fail with WorkerDied."""
