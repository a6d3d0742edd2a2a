"""A pool of threads of this process: the smallest that keeps the contract of `benchmark.run.pools.pool.Pool`."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from benchmark.run.pools.pool import Job, JobError, WorkerDied, WorkerLost


class Threads:
    """Implements `Pool`. A killed job is given up, its thread is not."""

    def __init__(self, workers: int) -> None:
        self.workers, self.executor = workers, ThreadPoolExecutor(workers)
        self.futures: list[Future[Any]] = []
        self.starts: dict[Future[Any], float] = {}
        self.lost = 0  # so many jobs lose their node
        self.closed = False

    def submit(self, job: Job) -> Future[Any]:
        future: Future[Any] = Future()

        def call() -> None:
            self.starts[future] = time.monotonic()
            if self.lost:
                self.lost -= 1
                return future.set_exception(WorkerLost("the node was lost"))
            try:
                value = job.function(*job.arguments)
            except Exception as error:
                if not future.done():
                    future.set_exception(JobError(f"Traceback: {type(error).__name__}: {error}"))
            else:
                if not future.done():
                    future.set_result(value)
            return None

        self.futures.append(future)
        self.executor.submit(call)
        return future

    def started(self, future: Future[Any]) -> float | None:
        return self.starts.get(future)

    def kill(self, future: Future[Any]) -> None:
        if not future.done():
            future.set_exception(WorkerDied("killed"))

    def slots(self) -> int:
        return self.workers

    def close(self) -> None:
        self.closed = True
        self.executor.shutdown(wait=False, cancel_futures=True)
        for future in self.futures:
            self.kill(future)
