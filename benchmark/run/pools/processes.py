"""The pool of this machine: one process a worker, so that a worker that dies takes only its own job with it."""

import ctypes
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import wait as wait_for_process
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any
from weakref import WeakKeyDictionary

from ablations import outside
from ablations.outside import Included
from benchmark.run.pools.pool import Job, JobError, WorkerDied

# A worker that has not begun its job by then hangs in its start; its time counts from the submission.
START_SECONDS = 60.0


class Processes:
    """Implements `Pool`: `workers` processes, each of which starts with its first job and calls `prepare` before it.

    If `prepare` raises, every job of that worker fails with its traceback.
    """

    def __init__(self, workers: int, prepare: Callable[[], None] | None = None) -> None:
        """`prepare`: a function of a module, such as `partial(prepare_training, threads)`."""
        self.workers, self.prepare = workers, prepare
        self._idle = [_Worker(prepare) for _ in range(workers)]
        self._waiting: deque[tuple[Job, Future[Any]]] = deque()
        self._busy: dict[Future[Any], _Worker] = {}
        self._starts: WeakKeyDictionary[Future[Any], float | None] = WeakKeyDictionary()
        self._lock = threading.RLock()
        self._closed = False

    def slots(self) -> int:
        return self.workers

    def submit(self, job: Job) -> "Future[Any]":
        future: Future[Any] = Future()
        with self._lock:
            self._waiting.append((job, future))
            self._dispatch()
        return future

    def started(self, future: "Future[Any]") -> float | None:
        with self._lock:
            worker = self._busy.get(future)
            return worker.job_started if worker is not None else self._starts.get(future)

    def kill(self, future: "Future[Any]") -> None:
        with self._lock:
            worker = self._busy.get(future)
            if worker is not None and not future.done():
                worker.kill()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            workers, waiting = [*self._idle, *self._busy.values()], [future for _, future in self._waiting]
            self._waiting.clear()
        for future in waiting:
            future.set_exception(WorkerDied("the pool was closed before the job began"))
        for worker in workers:
            worker.close()

    def _dispatch(self) -> None:
        while self._waiting and self._idle and not self._closed:
            job, future = self._waiting.popleft()
            worker = self._idle.pop()
            self._busy[future] = worker
            try:
                inner = worker.submit(job)
            except BrokenProcessPool:  # it died between two jobs
                worker.close()
                worker = self._busy[future] = _Worker(self.prepare)
                inner = worker.submit(job)
            inner.add_done_callback(lambda done, future=future: self._ended(future, done))  # type: ignore[misc]

    def _ended(self, future: "Future[Any]", inner: "Future[Any]") -> None:
        with self._lock:
            worker = self._busy.pop(future)
            self._starts[future] = worker.job_started
            error = inner.exception()
            if worker.killed or isinstance(error, BrokenProcessPool):
                # Not joined here: this runs in the executor's own thread.
                self._idle.append(_Worker(self.prepare))
            else:
                self._idle.append(worker)
            self._dispatch()
        if error is None:
            result = inner.result()
            if result.traceback is None:
                future.set_result(result.value)
            else:
                future.set_exception(JobError(result.traceback))
        elif isinstance(error, BrokenProcessPool):
            future.set_exception(WorkerDied("the worker died (killed, or out of memory)"))
        else:  # the result could not travel
            future.set_exception(JobError(f"{type(error).__name__}: {error}"))


class _Worker:
    """One process that outlives its jobs; it starts with the first of them."""

    def __init__(self, prepare: Callable[[], None] | None) -> None:
        self._context = _Context()
        self._started = self._context.RawValue("d", 0.0)  # written by the process when a job begins
        self._executor = ProcessPoolExecutor(1, self._context, _start, (prepare, self._started))
        self._submitted = 0.0
        self.killed = False

    @property
    def job_started(self) -> float | None:
        if not self._started.value and time.monotonic() - self._submitted > START_SECONDS:
            return self._submitted
        return self._started.value or None

    def submit(self, job: Job) -> "Future[Any]":
        self._started.value, self._submitted = 0.0, time.monotonic()
        return self._executor.submit(_call, job.function, job.arguments)

    @property
    def _process(self) -> SpawnProcess | None:
        """None until it has started."""
        process = self._context.process
        return process if process is not None and process.pid is not None else None

    def kill(self) -> None:
        """Through the process object: it sends no signal once the process has ended and its id may be another's."""
        self.killed = True
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        self.kill()
        self._executor.shutdown(wait=False, cancel_futures=True)
        if self._process is not None:
            self._process.join()


class _Context(SpawnContext):
    """Starts the process of one executor and keeps it, since the executor does not give it out."""

    def __init__(self) -> None:
        super().__init__()
        self.process: SpawnProcess | None = None

    def Process(self, *arguments: Any, **named: Any) -> SpawnProcess:  # type: ignore[override]
        self.process = SpawnProcess(*arguments, **named)
        return self.process


@dataclass(frozen=True)
class _Result:
    value: Any
    traceback: str | None


# In a worker: the time its job began, and the traceback of a `prepare` that raised.
_clock: "ctypes.c_double | None" = None
_broken: str | None = None


def _start(prepare: Callable[[], None] | None, started: ctypes.c_double) -> None:
    """Raises nothing: the executor would report the worker as dead, without the reason."""
    global _clock, _broken
    _clock = started
    leave_with_parent()
    try:
        if prepare is not None:
            prepare()
    except Exception:
        _broken = traceback.format_exc()


def _call(function: Callable[..., Any], arguments: tuple[Any, ...]) -> _Result:
    if _clock is not None:
        _clock.value = time.monotonic()  # one clock for all processes of a machine
    if _broken is not None:
        return _Result(None, _broken)
    try:
        return _Result(function(*arguments), None)
    except Exception:
        return _Result(None, traceback.format_exc())


def leave_with_parent() -> None:
    """No Ctrl-C of its own for this process, and an end with its parent.

    A worker whose parent was killed would wait for jobs for ever; a thread watches the parent and leaves with it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def leave() -> None:
        wait_for_process([parent.sentinel])
        os._exit(1)

    threading.Thread(target=leave, daemon=True).start()


def prepare_training(threads: int, included: Sequence[Included] = ()) -> None:
    """Sets the threads of this process and imports what every cell needs, so that no cell's seconds include it.

    `included`: files of `--include`, which must be as the driver read them.
    """
    import torch

    import dazle.training.dazle
    import dazle.training.judge  # noqa: F401

    torch.set_num_threads(threads)
    outside.load_entry_points()
    outside.include_again(included)
